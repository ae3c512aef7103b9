/* What the suites of pg_service_test share: a pool on the test's server, a second connection by plain libpq
 * to look and to disturb with, and outcomes to wait for. */
#ifndef TESTS_SERVICES_PG_SERVICE_H
#define TESTS_SERVICES_PG_SERVICE_H

#include <check.h>
#include <libpq-fe.h>

#include "loop/loop.h"
#include "pg/pg.h"
#include "pg_proxy.h"

struct outcome {
    int calls;
    enum pg_status status;
    char text[64]; /* first value of the first row */
    int64_t affected;
    struct error error;
};

/* One transaction: what to queue, what came of it. */
struct tx_case {
    void (*script)(struct tx_case *c, struct pg_tx *tx); /* called when it is ready */
    int ready, ends;
    enum pg_tx_end end;
    struct error error;
    struct outcome steps[8];
    struct pg_tx *tx;
};

extern struct loop *loop;
extern struct pg_pool *pool;
extern struct pg_pool_config config;
extern const struct pg_tx_ops tx_case_ops;

void service_setup(void); /* loop, tables t(id, v) and tx_tokens empty, a pool of 4 */
void service_teardown(void);
void service(const char *action); /* stop, start, kill, pause, resume the server */

/* Close the pool and open another with `config`. */
void pool_reopen(void);
/* The same through a relay. */
struct pg_proxy *pool_through_proxy(void);

PGconn *direct_connect(void);
/* Run by plain libpq; returns the first value, "" without rows. Valid until the next call. */
const char *direct(const char *sql);

void on_outcome(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e);
bool is_done(void *arg);  /* struct outcome */
bool tx_ended(void *arg); /* struct tx_case */
bool pool_is_ready(void *arg);
void wait_done(struct outcome *o);
void wait_tx(struct tx_case *c);
/* One statement and its outcome. */
struct outcome query(const struct pg_statement *st, const struct pg_params *params);
struct outcome query_text(const char *sql); /* not prepared twice under one name */
void spin(int64_t ms);

Suite *pg_query_suite(void);
Suite *pg_tx_suite(void);
Suite *pg_fault_suite(void);
Suite *pg_session_suite(void);

#endif
