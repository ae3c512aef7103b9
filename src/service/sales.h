/* What happens with sold products outside the order: ranking, popular list, data platform. One file per flow.
 */
#ifndef RUSHD_SERVICE_SALES_H
#define RUSHD_SERVICE_SALES_H

#include "service/ports.h"
#include "service/refusal.h"
#include "store/ranking.h"
#include "store/shop.h"

struct loop;

struct consumer_config {
    const char *group;
    int64_t attempts, backoff_ms, backoff_max_ms;
};

/* --- ranking consumer: ranking_apply.c --- */
struct ranking_flow;
struct ranking_flow *ranking_flow_new(struct loop *l, struct store *s, struct event_source source,
                                      struct dead_letter_port dead, const struct consumer_config *cfg,
                                      int retention_days);
struct event_handler ranking_flow_handler(struct ranking_flow *f);
void ranking_flow_free(struct ranking_flow *f);

/* --- popular products: popular.c --- */
struct popular_product {
    int64_t product_id;
    const char *name;
    money price;
    int64_t stock;
    int64_t total_count, recent_count;
    money total_amount, recent_amount;
    int64_t conversion_rate_bp; /* hundredths of a percent: recent sales / (recent sales + stock) */
    int64_t last_order_at_us;   /* 0: never */
    int rank;                   /* from 1 */
};
struct popular;
struct popular *popular_new(struct loop *l, struct store *s, int days, int size);
/* From a copy at most one second old; requests that arrive while it is read share the reading. Redis is not needed: while it is away
 * or not whole, PostgreSQL alone answers. */
void popular_get(struct popular *p,
                 void (*done)(void *arg, const struct popular_product *list, size_t n, const struct error *e),
                 void *arg);
void popular_free(struct popular *p);

/* --- data platform consumer: platform_forward.c --- */
struct platform_config {
    struct consumer_config consumer;
    int64_t max_in_flight;
    int64_t failure_threshold, open_for_ms; /* circuit breaker */
};
struct platform_flow;
struct platform_flow *platform_flow_new(struct loop *l, struct store *s, struct event_source source,
                                        struct dead_letter_port dead, struct document_sink sink,
                                        const struct platform_config *cfg);
struct event_handler platform_flow_handler(struct platform_flow *f);
bool platform_circuit_open(const struct platform_flow *f);
void platform_flow_free(struct platform_flow *f);

#endif
