/* A Redis server by script; commands are parsed with hiredis' reader, which reads arrays of bulk strings as
 * well. */
#include "fake_redis.h"

#include <ctype.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/buf.h"

const char fake_close[] = "close";

static const char info_reply[] =
    "$87\r\n# "
    "Server\r\nredis_version:7.0.15\r\nrun_id:0123456789abcdef0123456789abcdef01234567\r\nos:x\r\n\r\n";
static const char load_reply[] = "$40\r\naaaaaaaaaabbbbbbbbbbccccccccccdddddddddd\r\n";

struct rule {
    char command[32];
    const char *reply;
    bool once, close_after;
    TAILQ_ENTRY(rule) link;
};

struct conn {
    struct fake_redis *fake;
    struct bufferevent *bev;
    redisReader *reader;
    TAILQ_ENTRY(conn) link;
};

struct fake_redis {
    struct loop *loop;
    int fd, port, accepted, reads;
    struct event *accept_event;
    TAILQ_HEAD(, rule) rules;
    TAILQ_HEAD(, conn) conns;
    struct buf log;
};

static void conn_close(struct conn *c)
{
    TAILQ_REMOVE(&c->fake->conns, c, link);
    bufferevent_free(c->bev);
    redisReaderFree(c->reader);
    mem_free(c);
}

static struct rule *find(struct fake_redis *f, const char *command, bool once)
{
    struct rule *r;
    TAILQ_FOREACH(r, &f->rules, link)
    if (r->once == once && strcmp(r->command, command) == 0)
        return r;
    return NULL;
}

/* False when the connection is gone. */
static bool answer(struct conn *c, const char *command)
{
    struct rule *rule = find(c->fake, command, true);
    if (!rule)
        rule = find(c->fake, command, false);
    if (!rule)
        rule = find(c->fake, "*", true);
    if (!rule)
        rule = find(c->fake, "*", false);
    const char *reply = rule ? rule->reply : "+OK\r\n";
    bool close_after = reply == fake_close || (rule && rule->close_after);
    if (rule && rule->once) {
        TAILQ_REMOVE(&c->fake->rules, rule, link);
        mem_free(rule);
    }
    if (reply != fake_close)
        bufferevent_write(c->bev, reply, strlen(reply));
    if (close_after) {
        struct evbuffer *out = bufferevent_get_output(c->bev);
        evbuffer_unfreeze(out, 1);
        evbuffer_write(out, bufferevent_getfd(c->bev));
        conn_close(c);
    }
    return !close_after;
}

static void note(struct fake_redis *f, const redisReply *command)
{
    for (size_t i = 0; i < command->elements; i++) {
        const redisReply *arg = command->element[i];
        if (i)
            buf_putc(&f->log, ' ');
        buf_put(&f->log, arg->str, arg->len < 60 ? arg->len : 60);
    }
    buf_putc(&f->log, '\n');
}

static void conn_read_ev(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    char bytes[65536];
    size_t n = bufferevent_read(bev, bytes, sizeof(bytes));
    c->fake->reads++;
    redisReaderFeed(c->reader, bytes, n);
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(c->reader, &reply) != 0 || !reply)
            break;
        redisReply *command = reply;
        char name[32];
        snprintf(name, sizeof(name), "%s", command->element[0]->str);
        for (char *p = name; *p; p++)
            *p = (char)toupper((unsigned char)*p);
        note(c->fake, command);
        freeReplyObject(command);
        if (!answer(c, name))
            return;
    }
}

static void conn_event_ev(struct bufferevent *bev, short what, void *arg)
{
    conn_close(arg);
}

static void accept_ev(evutil_socket_t fd, short what, void *arg)
{
    struct fake_redis *f = arg;
    int peer = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ASSERT(peer >= 0);
    struct conn *c = mem_zalloc(sizeof(*c));
    c->fake = f;
    c->reader = redisReaderCreate();
    c->bev = bufferevent_socket_new(loop_base(f->loop), peer, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(c->bev, conn_read_ev, NULL, conn_event_ev, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    TAILQ_INSERT_TAIL(&f->conns, c, link);
    f->accepted++;
}

struct fake_redis *fake_redis_new(struct loop *l, const char *unix_path)
{
    struct fake_redis *f = mem_zalloc(sizeof(*f));
    f->loop = l;
    TAILQ_INIT(&f->rules);
    TAILQ_INIT(&f->conns);
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (unix_path)
        snprintf(un.sun_path, sizeof(un.sun_path), "%s", unix_path);
    f->fd = socket(unix_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int ok = unix_path ? bind(f->fd, (struct sockaddr *)&un, sizeof(un))
                       : bind(f->fd, (struct sockaddr *)&in4, sizeof(in4));
    ASSERT(ok == 0 && listen(f->fd, 8) == 0);
    socklen_t n = sizeof(in4);
    if (!unix_path) {
        ASSERT(getsockname(f->fd, (struct sockaddr *)&in4, &n) == 0);
        f->port = ntohs(in4.sin_port);
    }
    f->accept_event = event_new(loop_base(l), f->fd, EV_READ | EV_PERSIST, accept_ev, f);
    event_add(f->accept_event, NULL);
    fake_redis_always(f, "INFO", info_reply);
    fake_redis_always(f, "SCRIPT", load_reply);
    fake_redis_always(f, "PING", "+PONG\r\n");
    return f;
}

void fake_redis_free(struct fake_redis *f)
{
    fake_redis_kick(f);
    event_free(f->accept_event);
    close(f->fd);
    struct rule *r;
    while ((r = TAILQ_FIRST(&f->rules)) != NULL) {
        TAILQ_REMOVE(&f->rules, r, link);
        mem_free(r);
    }
    buf_free(&f->log);
    mem_free(f);
}

int fake_redis_port(const struct fake_redis *f)
{
    return f->port;
}

static void add(struct fake_redis *f, const char *command, const char *reply, bool once, bool close_after)
{
    struct rule *r = mem_zalloc(sizeof(*r));
    snprintf(r->command, sizeof(r->command), "%s", command);
    r->reply = reply;
    r->once = once;
    r->close_after = close_after;
    TAILQ_INSERT_TAIL(&f->rules, r, link);
}

void fake_redis_always(struct fake_redis *f, const char *command, const char *reply)
{
    struct rule *r = find(f, command, false);
    if (r)
        r->reply = reply;
    else
        add(f, command, reply, false, false);
}

void fake_redis_once(struct fake_redis *f, const char *command, const char *reply, bool close_after)
{
    add(f, command, reply, true, close_after);
}

void fake_redis_accept(struct fake_redis *f, bool on)
{
    if (on)
        event_add(f->accept_event, NULL);
    else
        event_del(f->accept_event);
}

void fake_redis_deaf(struct fake_redis *f)
{
    struct conn *c;
    TAILQ_FOREACH(c, &f->conns, link)
    bufferevent_disable(c->bev, EV_READ);
}

void fake_redis_kick(struct fake_redis *f)
{
    while (!TAILQ_EMPTY(&f->conns))
        conn_close(TAILQ_FIRST(&f->conns));
}

void fake_redis_push(struct fake_redis *f, const char *bytes)
{
    struct conn *c;
    TAILQ_FOREACH(c, &f->conns, link)
    bufferevent_write(c->bev, bytes, strlen(bytes));
}

int fake_redis_reads(const struct fake_redis *f)
{
    return f->reads;
}

int fake_redis_connections(const struct fake_redis *f)
{
    return f->accepted;
}

const char *fake_redis_log(struct fake_redis *f)
{
    return buf_str(&f->log);
}

int fake_redis_count(struct fake_redis *f, const char *prefix)
{
    int count = 0;
    for (const char *line = fake_redis_log(f); *line; line = strchr(line, '\n') + 1)
        count += str_starts_with(line, prefix);
    return count;
}

void fake_redis_forget(struct fake_redis *f)
{
    buf_clear(&f->log);
}
