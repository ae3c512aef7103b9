/* Housekeeping of a node, most of it with the role queue.
 *
 *   expire    idempotency keys and transaction tokens past their time, a small batch at a time; each hour records of dead letters
 *             that were sent again
 *   recovery  on every node: when Redis is there without the mark of this very process it was emptied or started again, and is
 *             rebuilt from PostgreSQL (service/recovery.h); at once when a call finds that
 *   lines     each recheck interval, undecided requests that nobody works on return to their line */
#include "app/node_internal.h"
#include "base/clock.h"
#include "service/recovery.h"
#include "store/dead_letter.h"
#include "store/order_tx.h"

#define EXPIRE_PERIOD_MS 10000
#define EXPIRE_LIMIT     1000
#define KEYS_KEPT_US     (INT64_C(24) * 3600 * 1000000)      /* contract section 3 */
#define TOKENS_KEPT_US   (INT64_C(24) * 3600 * 1000000)      /* far beyond every transaction's deadline */
#define REDRIVES_KEPT_US (INT64_C(90) * 24 * 3600 * 1000000) /* longer than topics keep the letters */
#define REDRIVES_EACH_US (INT64_C(3600) * 1000000)
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

static void on_redrives_expired(void *arg, int64_t forgotten, const struct error *e)
{
    struct node *n = arg;
    if (e && e->kind != ERROR_NONE)
        log_debug(&log_node, "records of dead letters could not be removed", LOG_ERR(e));
    else if (forgotten == EXPIRE_LIMIT)
        n->redrives_expired_us = 0; /* more wait */
}

static void expire_redrives(struct node *n)
{
    int64_t now_us = clock_mono_us();
    if (n->redrives_expired_us && now_us - n->redrives_expired_us < REDRIVES_EACH_US)
        return;
    n->redrives_expired_us = now_us;
    dead_letter_redrive_expire(n->store, clock_shop_us() - REDRIVES_KEPT_US, EXPIRE_LIMIT,
                               on_redrives_expired, n);
}

static void expire(void *arg)
{
    struct node *n = arg;
    loop_timer_start(n->task_timer, EXPIRE_PERIOD_MS);
    if (!n->schema_ok || !(app_config.roles & ROLE_QUEUE))
        return;
    expire_redrives(n);
    order_tx_expire(n->store, clock_shop_us() - KEYS_KEPT_US, clock_shop_us() - TOKENS_KEPT_US, EXPIRE_LIMIT,
                    on_expired, n);
}

/* --- recovery --- */

static struct rebuild_config rebuild_config(void)
{
    return (struct rebuild_config){.coupon_ttl_ms = app_config.coupon.ttl,
                                   .issued_ttl_ms = COUPON_ISSUED_TTL_MS,
                                   .retention_days = (int)app_config.ranking.retention_days};
}

static void on_rebuilt(void *arg, const struct rebuild_counts *c, const struct error *e)
{
    struct node *n = arg;
    n->rebuilding = false;
    if (e)
        log_warn(&log_node, "lines could not be looked through, will try again", LOG_ERR(e));
    else if (c->restored)
        log_warn(&log_node, "requests that nobody worked on are back in line", LOG_I("requests", c->requests),
                 LOG_I("restored", c->restored), LOG_I("late", c->late));
}

static void look_through_lines(struct node *n)
{
    const struct rebuild_config cfg = rebuild_config();
    n->rebuilding = true;
    n->looked_us = clock_mono_us();
    rebuild_run(n->loop, n->store, &cfg, REBUILD_LINES, app_config.coupon.recheck, on_rebuilt, n);
}

static void look(void *arg)
{
    struct node *n = arg;
    bool works = (app_config.roles & ROLE_QUEUE) && (!n->local || n->worker);
    bool due = clock_mono_us() - n->looked_us > app_config.coupon.recheck * 1000;
    if (!n->schema_ok || !redis_client_ready(n->redis) || n->state == NODE_STOPPING)
        return;
    if (recovery_state(n->recovery) != REDIS_MARK_WHOLE) {
        if (!recovery_running(n->recovery))
            recovery_look(n->recovery);
    } else if (works && due && !n->rebuilding) {
        look_through_lines(n);
    }
}

void node_look(struct node *n)
{
    if (n->look_timer)
        look(n);
}

/* Inside of a call's answer: what follows comes at the end of the turn. */
static void on_incomplete(void *arg)
{
    struct node *n = arg;
    if (recovery_running(n->recovery))
        return;
    recovery_doubt(n->recovery);
    look(n);
}

static void on_recovery(void *arg)
{
    node_health_redis(arg);
}

void node_tasks_new(struct node *n)
{
    const struct rebuild_config cfg = rebuild_config();
    n->recovery = recovery_new(n->loop, n->store, &cfg, on_recovery, n);
    n->looked_us = clock_mono_us();
    store_on_incomplete(n->store, on_incomplete, n);
    n->task_timer = loop_timer_new(n->loop, expire, n);
    loop_timer_start(n->task_timer, EXPIRE_PERIOD_MS);
    node_clock_new(n);
    n->look_timer = loop_timer_new(n->loop, look, n);
    loop_timer_every(n->look_timer, LOOK_PERIOD_MS);
}

void node_tasks_free(struct node *n)
{
    loop_timer_free(n->task_timer);
    loop_timer_free(n->look_timer);
    loop_timer_free(n->clock_timer);
    recovery_free(n->recovery);
}
