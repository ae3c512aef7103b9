/* Housekeeping of a node with the role queue.
 *
 *   expire    idempotency keys and transaction tokens past their time, a small batch at a time
 *   rebuild   when Redis is there without our mark it came back empty: everything is rebuilt from PostgreSQL; when its process is
 *             another one, the lines are looked through at once; and each recheck interval, undecided requests that nobody
 *             works on return to their line */
#include "app/node_internal.h"
#include "base/clock.h"
#include "service/rebuild.h"
#include "store/order_tx.h"
#include "store/rebuild.h"

#define EXPIRE_PERIOD_MS 10000
#define EXPIRE_LIMIT     1000
#define KEYS_KEPT_US     (INT64_C(24) * 3600 * 1000000) /* contract section 3 */
#define TOKENS_KEPT_US   (INT64_C(24) * 3600 * 1000000) /* far beyond every transaction's deadline */
#define LOOK_PERIOD_MS   1000

/* --- expire --- */

static void on_expired(void *arg, int64_t keys, int64_t tokens, const struct error *e)
{
    struct node *n = arg;
    if (e && e->kind != ERROR_NONE)
        log_debug(&log_node, "expired rows could not be removed", LOG_ERR(e));
    else if (keys == EXPIRE_LIMIT || tokens == EXPIRE_LIMIT) /* more wait: keep up with a sale */
        loop_timer_start(n->task_timer, EXPIRE_PERIOD_MS / 20);
}

static void expire(void *arg)
{
    struct node *n = arg;
    loop_timer_start(n->task_timer, EXPIRE_PERIOD_MS);
    if (n->schema_ok && (app_config.roles & ROLE_QUEUE))
        order_tx_expire(n->store, clock_real_us() - KEYS_KEPT_US, clock_real_us() - TOKENS_KEPT_US,
                        EXPIRE_LIMIT, on_expired, n);
}

/* --- rebuild --- */

static void on_marked(void *arg, const struct error *e)
{
    struct node *n = arg;
    n->rebuilding = false;
}

static void on_rebuilt(void *arg, const struct rebuild_counts *c, const struct error *e)
{
    struct node *n = arg;
    if (e) {
        log_warn(&log_node, "Redis could not be rebuilt, will try again", LOG_ERR(e));
        n->rebuilding = false;
        return;
    }
    if (n->rebuild_parts == REBUILD_ALL || c->restored)
        log_info(&log_node, "Redis is rebuilt from PostgreSQL", LOG_I("requests", c->requests),
                 LOG_I("restored", c->restored), LOG_I("holders", c->holders), LOG_I("sales", c->sales),
                 LOG_I("counted", c->counted));
    n->looked_us = clock_mono_us();
    str_copy(n->redis_run_id, sizeof n->redis_run_id, n->rebuild_run_id);
    rebuild_mark_write(n->store, on_marked, n);
}

static void start_rebuild(struct node *n, unsigned parts, int64_t min_age_ms)
{
    const struct rebuild_config cfg = {.coupon_ttl_ms = app_config.coupon.ttl,
                                       .issued_ttl_ms = COUPON_ISSUED_TTL_MS,
                                       .retention_days = (int)app_config.ranking.retention_days};
    n->rebuild_parts = parts;
    rebuild_run(n->loop, n->store, &cfg, parts, min_age_ms, on_rebuilt, n);
}

static void on_mark(void *arg, bool there, const struct error *e)
{
    struct node *n = arg;
    if (e && e->kind != ERROR_NONE) {
        n->rebuilding = false;
    } else if (!there) {
        log_info(&log_node, "Redis holds nothing of rushd: it is rebuilt from PostgreSQL");
        start_rebuild(n, REBUILD_ALL, 0);
    } else {
        bool other = strcmp(n->redis_run_id, n->rebuild_run_id) != 0;
        start_rebuild(n, REBUILD_LINES, other ? 0 : app_config.coupon.recheck);
    }
}

/* Only when there is a reason: another process of Redis, or the time has come. */
static void look(void *arg)
{
    struct node *n = arg;
    bool work =
        n->schema_ok && redis_client_ready(n->redis) && n->state == NODE_RUNNING && (!n->local || n->worker);
    bool other = strcmp(n->redis_run_id, redis_client_run_id(n->redis)) != 0;
    bool due = clock_mono_us() - n->looked_us > app_config.coupon.recheck * 1000;
    if (!work || n->rebuilding || (!other && !due))
        return;
    n->rebuilding = true;
    str_copy(n->rebuild_run_id, sizeof n->rebuild_run_id, redis_client_run_id(n->redis));
    rebuild_mark_read(n->store, on_mark, n);
}

void node_tasks_new(struct node *n)
{
    n->task_timer = loop_timer_new(n->loop, expire, n);
    loop_timer_start(n->task_timer, EXPIRE_PERIOD_MS);
    n->look_timer = loop_timer_new(n->loop, look, n);
    if (app_config.roles & ROLE_QUEUE)
        loop_timer_every(n->look_timer, LOOK_PERIOD_MS);
}

void node_tasks_free(struct node *n)
{
    loop_timer_free(n->task_timer);
    loop_timer_free(n->look_timer);
}
