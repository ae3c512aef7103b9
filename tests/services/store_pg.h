/* What the suites of the store on PostgreSQL share: a database made anew for each test, stores on it, and a
 * plain connection that looks at the tables from outside. */
#ifndef TESTS_SERVICES_STORE_PG_H
#define TESTS_SERVICES_STORE_PG_H

#include <check.h>

#include "base/log.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "store/store.h"

#define ZONE        "Asia/Seoul"
#define DEADLINE_MS 8000

struct node { /* a pool with a store on it */
    struct pg_pool *pool;
    struct store *store;
    bool closed;
};
extern struct loop *loop;
extern struct node node; /* made by setup() */

void setup_empty(void); /* a database without tables, and node */
void setup(void);       /* migrated and seeded */
void teardown(void);
void node_open(struct node *n);
void node_close(struct node *n);

/* Run the loop until *flag; fails the test after ten seconds. */
void await(const bool *flag);
/* Run the loop for so long. */
void run_for(int64_t ms);

/* Straight to the database. */
void sql(const char *text, ...) PRINTF_LIKE(1, 2);
/* Forget all statistics of tables, those too that this session has not told yet: they would come after the reset. */
void sql_stats_reset(void);
void sql_refused(const char *statement); /* it must fail as a foreign key would */
int64_t sql_i64(const char *text, ...) PRINTF_LIKE(1, 2);
const char *sql_text(const char *text, ...) PRINTF_LIKE(1, 2); /* valid until the next call */

/* A store_done_fn and its outcome. */
struct outcome {
    bool fired;
    struct error e;
};
void on_done(void *arg, const struct error *e);
#define AWAIT_OK(o)                                                                                          \
    do {                                                                                                     \
        await(&(o)->fired);                                                                                  \
        ck_assert_msg((o)->e.kind == ERROR_NONE, "%s %s", (o)->e.code, (o)->e.text);                         \
    } while (0)

Suite *store_pg_order_suite(void);
Suite *store_pg_issue_suite(void);
Suite *store_pg_read_suite(void);
Suite *store_pg_schema_suite(void);
Suite *store_pg_growth_suite(void);

#endif
