/* What the files of this folder share: the client's state, its connection and the calls under way.
 *
 * hiredis parses replies (redisReader); socket, output and the line of calls are this folder's own. Its
 * asynchronous API would abort the process on a reply that nobody asked for, knows no deadlines, and pays
 * several epoll_ctl(2) per turn. */
#ifndef RUSHD_REDIS_REDIS_INTERNAL_H
#define RUSHD_REDIS_REDIS_INTERNAL_H

#include "base/log.h"
#include "base/map.h"
#include "base/metric.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "redis/redis.h"

struct event;
struct redisReader;
struct redisReply;

extern struct logger redis_log;

enum redis_client_state {
    REDIS_CLIENT_WAITING,    /* no connection; the retry timer runs */
    REDIS_CLIENT_RESOLVING,  /* the host name is being looked up */
    REDIS_CLIENT_CONNECTING, /* connect(2) is under way */
    REDIS_CLIENT_GREETING,   /* connected; the commands of redis_greeting.c are under way */
    REDIS_CLIENT_READY,      /* takes commands */
    REDIS_CLIENT_CLOSING,    /* takes no more commands, waits for the replies of those under way */
    REDIS_CLIENT_CLOSED,     /* no connection, and never again one */
};

/* A script that this client has run; loaded again on each new connection. */
struct redis_known_script {
    struct redis_script *script;
    struct metric_series *series;
    uint64_t loaded_at; /* output position behind its last EVAL or SCRIPT LOAD; 0: none */
    bool loading;       /* a SCRIPT LOAD is under way */
};

enum redis_call_form {
    REDIS_CALL_COMMAND,
    REDIS_CALL_EVALSHA,       /* the first try of a script */
    REDIS_CALL_EVALSHA_AGAIN, /* after NOSCRIPT, behind somebody else's EVAL of the same script */
    REDIS_CALL_EVAL,          /* with the full text: NOSCRIPT is final */
};

/* A command from its call to its reply. Replies come in the order of the commands, so the head of the line is
 * the one that the next reply belongs to. */
struct redis_call {
    TAILQ_ENTRY(redis_call) link;
    redis_done_fn *done; /* NULL once it was given up: the reply is dropped */
    void *arg;
    const char *refusal; /* why it was not sent (static text), else NULL */
    int64_t sent_us;
    int64_t deadline_us;
    uint64_t end; /* output position behind its last byte */
    struct metric_series *series;
    enum redis_call_form form;
    size_t script;    /* index into known scripts */
    size_t tail_args; /* script calls keep "numkeys key... arg..." encoded, to be sent again */
    size_t tail_size;
    char tail[];
};
TAILQ_HEAD(redis_call_list, redis_call);

struct redis_client {
    struct loop *loop;
    struct redis_client_config cfg; /* own copies of the strings */

    enum redis_client_state state;
    void (*on_state)(void *arg, bool ready, const char *reason);
    void *on_state_arg;
    char reason[200]; /* why it is not ready; "" while it is */
    char run_id[64];
    char version[32];
    /* The server can serve us no longer (READONLY and the like), and why: no more commands, and a new connection when the replies under
     * way are in. "" while all is well. */
    char leaving[24], leaving_reason[160];
    bool was_ready; /* at least once */
    int attempt;    /* failed attempts since it was ready */
    struct log_gate connect_gate;

    /* connection */
    struct loop_resolve *resolving;
    struct loop_address addresses[8];
    size_t naddresses, address;
    int fd; /* -1: none */
    struct event *read_event, *write_event;
    struct redisReader *reader;
    unsigned link_id; /* changes with each connection: whoever called out compares it afterwards */
    int64_t connect_deadline_us;
    int64_t last_reply_us;
    struct buf out; /* encoded commands; [0, out_written) has left */
    size_t out_written;
    uint64_t queued, written; /* output positions, counted over all connections */

    /* calls */
    struct redis_call_list in_flight;
    size_t n_in_flight;
    struct redis_call_list refused; /* answered at the end of the turn */
    struct redis_known_script *scripts;
    size_t nscripts;
    struct metric *completion; /* timer by command */
    struct metric_series *in_flight_gauge, *reconnects;
    struct strmap *series; /* command name -> series of completion */
    struct buf scratch;

    struct loop_timer *retry; /* starts the next attempt to connect */
    struct loop_timer *tick;  /* deadlines; runs only while there is one */
    struct loop_timer *again; /* the next turn: answer those that were refused while others were answered */
    struct loop_task turn;    /* end of turn: write, answer the refused, finish closing */
    bool answering;           /* inside redis_call_run_refused() */
    int64_t close_deadline_us;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- redis_args.c --- */
/* Append the header of a command of n arguments, and one argument. */
void redis_encode_count(struct buf *b, size_t n);
void redis_encode_arg(struct buf *b, const void *p, size_t n);
void redis_encode_text(struct buf *b, const char *s);

/* --- redis_link.c: the socket --- */
/* Start connecting: look the name up, connect, then redis_client_connected(). Failure ends in
 * redis_client_lost(), never before the call returns for a name, at once for a Unix socket. */
void redis_link_open(struct redis_client *c);
/* Forget socket, parser and unsent bytes. Calls are untouched. */
void redis_link_close(struct redis_client *c);
/* Write what is queued; the rest follows when the socket has room. */
void redis_link_flush(struct redis_client *c);
/* Take what has arrived and hand each reply to redis_call_reply(). */
void redis_link_read(struct redis_client *c);

/* --- redis_call.c: the line of calls --- */
/* Make a call with room for a tail. timeout_ms 0 takes the default. */
struct redis_call *redis_call_new(struct redis_client *c, int64_t timeout_ms, redis_done_fn *done, void *arg,
                                  size_t tail_size);
/* NULL if a command may be sent now, else the reason why not (static text, first word is the error code). */
const char *redis_call_refusal(const struct redis_client *c);
/* Answer the call with REDIS_NOT_SENT at the end of the turn. */
void redis_call_refuse(struct redis_client *c, struct redis_call *call, const char *why);
/* The command's bytes are in c->out: put the call in line. */
void redis_call_queue(struct redis_client *c, struct redis_call *call);
/* Send a command in any connected state (greeting, loading scripts). */
void redis_call_send(struct redis_client *c, const struct redis_arg *args, size_t n, redis_done_fn *done,
                     void *arg);
/* The reply for the head of the line. False: there is no call that it could belong to. */
bool redis_call_reply(struct redis_client *c, const struct redisReply *r);
/* The connection is gone: finish every call, those that left with REDIS_UNKNOWN, the others with
 * REDIS_NOT_SENT. */
void redis_call_fail_all(struct redis_client *c, const char *code, const char *reason);
/* Answer the refused ones. */
void redis_call_run_refused(struct redis_client *c);
/* Give up calls that are over their deadline; true when the head of the line is one: the connection is dead.
 */
bool redis_call_overdue(struct redis_client *c, int64_t now_us);
/* The metric series of a command or script name. */
struct metric_series *redis_call_series(struct redis_client *c, const char *name);
/* Register the metrics of this folder for a new client. */
void redis_call_metrics(struct redis_client *c);

/* --- redis_script.c --- */
/* Queue SCRIPT LOAD for every script that this client has run before. */
void redis_script_load_known(struct redis_client *c);
/* NOSCRIPT came for the call: send it again in a form that cannot fail this way. False if it was the last
 * form. */
bool redis_script_again(struct redis_client *c, struct redis_call *call);

/* --- redis_greeting.c --- */
/* Send AUTH, SELECT, CLIENT SETNAME, INFO, the known scripts and PING in one go; ends in
 * redis_client_greeted() or redis_client_lost(). */
void redis_greeting_send(struct redis_client *c);

/* --- redis_reply.c --- */
/* Fill e from an error reply: code is its first word, the kind follows from it. */
void redis_reply_error(const struct redis_reply *r, struct error *e);

/* --- redis_client.c: what the link reports --- */
void redis_client_connected(struct redis_client *c); /* the socket is connected */
void redis_client_greeted(struct redis_client *c);   /* the server took all of the greeting */
/* The connection is gone or could not be made: finish all calls, tell the owner, try again later. */
void redis_client_lost(struct redis_client *c, const char *code, const char *reason);
void redis_client_watch(struct redis_client *c); /* there is a deadline to watch */

#endif
