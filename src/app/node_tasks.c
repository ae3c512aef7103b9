/* Housekeeping of the database: expired idempotency keys and transaction tokens, a small batch at a time. */
#include "app/node_internal.h"
#include "base/clock.h"
#include "store/order_tx.h"

#define EXPIRE_PERIOD_MS 10000
#define EXPIRE_LIMIT     1000
#define KEYS_KEPT_US     (INT64_C(24) * 3600 * 1000000) /* contract section 3 */
#define TOKENS_KEPT_US   (INT64_C(3600) * 1000000)      /* far beyond every transaction's deadline */

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

void node_tasks_new(struct node *n)
{
    n->task_timer = loop_timer_new(n->loop, expire, n);
    loop_timer_start(n->task_timer, EXPIRE_PERIOD_MS);
}

void node_tasks_free(struct node *n)
{
    loop_timer_free(n->task_timer);
}
