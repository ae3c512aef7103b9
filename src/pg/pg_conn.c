/* One connection: host names on the loop, libpq's connect step by step, and the way down.
 *
 * libpq may close its socket and open another with the same number while it connects (next host, without
 * TLS), so each step waits on a fresh one-shot event that is freed before libpq runs again. A broken
 * connection loses its events at once, because libpq has closed the descriptor already; its expectations are
 * answered at the end of the turn, so no caller is called back from inside its own call. */
#include "pg/pg_internal.h"

#include <event2/event.h>
#include <stdio.h>
#include <sysexits.h>

enum {
    MAX_ADDRESSES_PER_HOST = 4
};
enum {
    CONNECT_TIMEOUT_MIN_MS = 100
};

/* The addresses of a connect in work. */
struct pg_connect {
    struct pg_conn *conn;
    size_t nhosts, pending;
    struct pg_lookup {
        struct pg_connect *connect;
        struct pg_host host;
        struct loop_resolve *resolve;
        char addresses[MAX_ADDRESSES_PER_HOST][64];
        size_t n;
        char reason[128];
    } lookups[PG_MAX_HOSTS];
};

static void move(struct pg_conn *c, enum pg_conn_state state)
{
    c->state = state;
}

static struct loop *loop_of(const struct pg_conn *c)
{
    return c->target->loop;
}

static void drop_event(struct event **e)
{
    if (*e)
        event_free(*e);
    *e = NULL;
}

static void end_lookups(struct pg_conn *c)
{
    if (!c->connect)
        return;
    for (size_t i = 0; i < c->connect->nhosts; i++)
        loop_resolve_cancel(c->connect->lookups[i].resolve);
    mem_free(c->connect);
    c->connect = NULL;
}

/* Everything open goes; the FIFO stays. */
static void close_all(struct pg_conn *c)
{
    end_lookups(c);
    loop_timer_stop(c->timer);
    drop_event(&c->connect_event);
    drop_event(&c->read_event);
    drop_event(&c->write_event);
    if (c->pg)
        PQfinish(c->pg);
    c->pg = NULL;
    strmap_free(c->prepared);
    c->prepared = NULL;
    loop_defer_cancel(loop_of(c), &c->broken_task);
    move(c, PG_CONN_DOWN);
}

static void report_broken(void *arg)
{
    struct pg_conn *c = arg;
    struct error why = c->broken_why;
    struct pg_expect_list left = TAILQ_HEAD_INITIALIZER(left);
    close_all(c);
    TAILQ_CONCAT(&left, &c->fifo, link);
    for (struct pg_expect *x; (x = TAILQ_FIRST(&left));) {
        TAILQ_REMOVE(&left, x, link);
        pg_pipeline_answer(c, x, PG_REPLY_LOST, &why);
    }
    if (!c->freed)
        c->ops->on_down(c->owner, c, &why);
}

void pg_conn_break(struct pg_conn *c, const struct error *why)
{
    if (c->state == PG_CONN_DOWN || c->state == PG_CONN_BROKEN)
        return;
    c->broken_why = *why;
    move(c, PG_CONN_BROKEN);
    /* The descriptor may be closed already and its number used by somebody else in this very turn. */
    drop_event(&c->connect_event);
    drop_event(&c->read_event);
    drop_event(&c->write_event);
    loop_timer_stop(c->timer);
    loop_defer(loop_of(c), &c->broken_task);
}

void pg_conn_cut(struct pg_conn *c, const struct error *why)
{
    pg_conn_break(c, why);
    if (c->state == PG_CONN_BROKEN)
        report_broken(c);
}

static void on_timer(void *arg)
{
    struct pg_conn *c = arg;
    struct error e = ERROR_INIT;
    if (c->state == PG_CONN_UP) {
        pg_pipeline_check_deadline(c);
        return;
    }
    error_set(&e, ERROR_RETRIABLE, "TIMEOUT", "%s within %lld ms",
              c->state == PG_CONN_RESOLVING ? "the host name was not resolved"
                                            : "the server did not accept a connection",
              (long long)c->target->connect_timeout_ms);
    pg_conn_break(c, &e);
}

struct pg_conn *pg_conn_new(const struct pg_target *target, const struct pg_conn_ops *ops, void *owner)
{
    struct pg_conn *c = mem_zalloc(sizeof(*c));
    c->target = target;
    c->ops = ops;
    c->owner = owner;
    c->statement_timeout_ms = target->statement_timeout_ms;
    c->lock_timeout_ms = 2000;
    TAILQ_INIT(&c->fifo);
    c->timer = loop_timer_new(target->loop, on_timer, c);
    c->broken_task = (struct loop_task){.run = report_broken, .arg = c};
    return c;
}

void pg_conn_free(struct pg_conn *c)
{
    if (!c)
        return;
    c->freed = true;
    close_all(c);
    for (struct pg_expect *x; (x = TAILQ_FIRST(&c->fifo));) {
        TAILQ_REMOVE(&c->fifo, x, link);
        pg_pipeline_answer(c, x, PG_REPLY_LOST, NULL);
    }
    loop_timer_free(c->timer);
    c->timer = NULL;
    loop_free_later(loop_of(c), c); /* a caller up the stack may still look at its state */
}

/* --- connect --- */

static void read_ev(evutil_socket_t fd, short events, void *arg)
{
    pg_pipeline_read(arg);
}

static void write_ev(evutil_socket_t fd, short events, void *arg)
{
    pg_pipeline_write(arg);
}

static void on_notice(void *arg, const PGresult *res)
{
    log_debug(&log_pg, "notice", LOG_S("code", PQresultErrorField(res, PG_DIAG_SQLSTATE)),
              LOG_S("text", PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)));
}

static void come_up(struct pg_conn *c)
{
    int fd = PQsocket(c->pg);
    loop_timer_stop(c->timer);
    if (PQsetnonblocking(c->pg, 1) != 0 || (!c->plain && !PQenterPipelineMode(c->pg))) {
        struct error e = ERROR_INIT;
        pg_error_of_libpq(&e, "CONNECT", PQerrorMessage(c->pg));
        pg_conn_break(c, &e);
        return;
    }
    c->read_event = event_new(loop_base(loop_of(c)), fd, EV_READ | EV_PERSIST, read_ev, c);
    c->write_event = event_new(loop_base(loop_of(c)), fd, EV_WRITE, write_ev, c);
    if (!c->read_event || !c->write_event || event_add(c->read_event, NULL) < 0)
        base_die(EX_OSERR, "cannot watch a database connection");
    c->prepared = strmap_new();
    c->stale = false;
    c->hard_deadline_us = 0;
    error_clear(&c->sync_error);
    move(c, PG_CONN_UP);
    c->ops->on_up(c->owner, c);
}

static void connect_ev(evutil_socket_t fd, short events, void *arg);

static void wait_for(struct pg_conn *c, short events)
{
    c->connect_event = event_new(loop_base(loop_of(c)), PQsocket(c->pg), events, connect_ev, c);
    if (!c->connect_event || event_add(c->connect_event, NULL) < 0)
        base_die(EX_OSERR, "cannot watch a database connection");
}

static void connect_ev(evutil_socket_t fd, short events, void *arg)
{
    struct pg_conn *c = arg;
    struct error e = ERROR_INIT;
    drop_event(&c->connect_event);
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING:
        wait_for(c, EV_READ);
        return;
    case PGRES_POLLING_WRITING:
        wait_for(c, EV_WRITE);
        return;
    case PGRES_POLLING_OK:
        come_up(c);
        return;
    default:
        pg_error_of_libpq(&e, "CONNECT", PQerrorMessage(c->pg));
        pg_conn_break(c, &e);
    }
}

/* The session settings of contract section 6. Ours come last: the url cannot weaken them. */
static void add_session_settings(const struct pg_conn *c, struct pg_settings *s)
{
    static const char *const defaults[][2] = {
        {"client_encoding", "UTF8"},  {"target_session_attrs", "read-write"},
        {"keepalives", "1"},          {"keepalives_idle", "5"},
        {"keepalives_interval", "2"}, {"keepalives_count", "3"},
        {"tcp_user_timeout", "3000"}, {"gssencmode", "disable"}, /* its set-up asks the network and blocks */
    };
    char text[32];
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        pg_settings_default(s, defaults[i][0], defaults[i][1]);
    snprintf(text, sizeof(text), "%lld", (long long)c->statement_timeout_ms);
    pg_settings_guc(s, "statement_timeout", text);
    snprintf(text, sizeof(text), "%lld", (long long)c->lock_timeout_ms);
    pg_settings_guc(s, "lock_timeout", text);
    pg_settings_guc(s, "idle_in_transaction_session_timeout", "2000");
    pg_settings_guc(s, "synchronous_commit", "on");
    /* Statements look rows up by key, and their plans are kept. One that was cheapest while a table was small, a scan of all of
     * it, would stay in use while the table grows by 100,000 rows in seconds. So: indexes and nested loops wherever there is
     * a choice; and no JIT, whose threshold the penalty for the other plans would pass. */
    static const char *const off[] = {"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"};
    for (size_t i = 0; i < ARRAY_LEN(off); i++)
        pg_settings_guc(s, off[i], "off");
    if (c->target->password)
        pg_settings_set(s, "password", c->target->password);
}

/* One list of host, hostaddr and port with an entry per address. False if no name has an address. */
static bool add_addresses(const struct pg_connect *k, struct pg_settings *s, struct error *e)
{
    struct buf hosts = BUF_INIT, addresses = BUF_INIT, ports = BUF_INIT;
    const char *comma = "";
    for (size_t i = 0; i < k->nhosts; i++) {
        const struct pg_lookup *lookup = &k->lookups[i];
        bool name = pg_host_is_name(&lookup->host);
        for (size_t j = 0; j < (name ? lookup->n : 1); j++, comma = ",") {
            buf_printf(&hosts, "%s%s", comma, lookup->host.name);
            buf_printf(&addresses, "%s%s", comma, name ? lookup->addresses[j] : "");
            buf_printf(&ports, "%s%s", comma, lookup->host.port);
        }
    }
    bool any = k->nhosts == 0 || *comma;
    if (k->nhosts > 0 && any) {
        pg_settings_set(s, "host", buf_str(&hosts));
        pg_settings_set(s, "hostaddr", buf_str(&addresses));
        if (strspn(buf_str(&ports), ",") < ports.len)
            pg_settings_set(s, "port", buf_str(&ports));
    } else if (!any) {
        error_set(e, ERROR_RETRIABLE, "CONNECT", "host %s: %s", k->lookups[0].host.name,
                  k->lookups[0].reason);
    }
    buf_free(&hosts);
    buf_free(&addresses);
    buf_free(&ports);
    return any;
}

static void start_libpq(struct pg_conn *c)
{
    struct error e = ERROR_INIT;
    struct pg_settings s;
    pg_settings_copy(&s, &c->target->settings);
    add_session_settings(c, &s);
    bool any = add_addresses(c->connect, &s, &e);
    end_lookups(c);
    if (any) {
        c->pg = PQconnectStartParams((const char *const *)s.keys, (const char *const *)s.values, 0);
        if (!c->pg)
            base_die(EX_OSERR, "out of memory");
    }
    pg_settings_free(&s);
    if (any && PQstatus(c->pg) == CONNECTION_BAD)
        pg_error_of_libpq(&e, "CONNECT", PQerrorMessage(c->pg));
    if (e.kind != ERROR_NONE) {
        pg_conn_break(c, &e);
        return;
    }
    PQsetNoticeReceiver(c->pg, on_notice, NULL);
    move(c, PG_CONN_CONNECTING);
    wait_for(c, EV_WRITE);
}

static void on_resolved(void *arg, const struct loop_address *addresses, size_t n, const char *reason)
{
    struct pg_lookup *lookup = arg;
    struct pg_connect *k = lookup->connect;
    lookup->resolve = NULL;
    for (size_t i = 0; i < n && i < MAX_ADDRESSES_PER_HOST; i++)
        str_copy(lookup->addresses[lookup->n++], sizeof(lookup->addresses[0]), addresses[i].text);
    if (n == 0)
        str_copy(lookup->reason, sizeof(lookup->reason), reason);
    if (--k->pending == 0 && k->conn->state == PG_CONN_RESOLVING)
        start_libpq(k->conn);
}

void pg_conn_open(struct pg_conn *c)
{
    ASSERT(c->state == PG_CONN_DOWN);
    struct pg_host hosts[PG_MAX_HOSTS];
    struct pg_connect *k = mem_zalloc(sizeof(*k));
    int64_t timeout_ms = c->target->connect_timeout_ms;
    if (timeout_ms < CONNECT_TIMEOUT_MIN_MS)
        timeout_ms = CONNECT_TIMEOUT_MIN_MS;
    k->conn = c;
    k->nhosts = pg_settings_hosts(&c->target->settings, hosts);
    c->connect = k;
    c->opened_us = clock_mono_us();
    move(c, PG_CONN_RESOLVING);
    loop_timer_start(c->timer, timeout_ms);
    for (size_t i = 0; i < k->nhosts; i++) {
        struct pg_lookup *lookup = &k->lookups[i];
        lookup->connect = k;
        lookup->host = hosts[i];
        if (!pg_host_is_name(&hosts[i]))
            continue;
        k->pending++;
        lookup->resolve = loop_resolve_start(loop_of(c), hosts[i].name, timeout_ms, on_resolved, lookup);
    }
    if (k->pending == 0)
        start_libpq(c);
}
