/* Committed orders to their topics, and the relay for what was left behind (guarantees G6).
 *
 * One OrderCompleted, one ProductRanking per distinct product, one DataPlatform message per order. When every
 * report of a row's orders is good the row is deleted, in batches. A failed or unknown report leaves the row
 * to the relay, which claims rows that are due each second and publishes them again. When nothing but permanent
 * errors are left the row is parked, which raises a metric. */
#ifndef RUSHD_SERVICE_OUTBOX_PUBLISH_H
#define RUSHD_SERVICE_OUTBOX_PUBLISH_H

#include "msg/msg.h"
#include "service/ports.h"
#include "store/outbox.h"

struct loop;
struct outbox_publisher;

struct outbox_publisher_config {
    enum msg_schema schema; /* kafka.producer.schema */
    bool per_topic_marks;   /* local mode: remember which handlers are done */
    int64_t max_in_flight;  /* orders whose reports are outstanding; beyond it new ones wait for the relay */
};
/* Nothing is relayed before outbox_relay_run(). */
struct outbox_publisher *outbox_publisher_new(struct loop *l, struct store *s, struct event_sink sink,
                                              const struct outbox_publisher_config *cfg);
/* True if outbox_publish() publishes: in local mode a node that is not the worker leaves its orders to the
 * relay of the one that is. */
bool outbox_publishes(const struct outbox_publisher *p);
/* Publish the orders of a committed row now; they are copied. request_ids has one for each (each may be NULL). */
void outbox_publish(struct outbox_publisher *p, const struct msg_order *orders, size_t n,
                    const char *const *request_ids);
void outbox_relay_run(struct outbox_publisher *p,
                      bool run); /* this node relays (role queue, or the local worker) */
size_t outbox_in_flight(const struct outbox_publisher *p);
int64_t outbox_oldest_age_ms(const struct outbox_publisher *p); /* from the last reading; 0 when empty */
/* Send what waits, wait for the reports and for the deletion of their rows; drained fires once, never before
 * this returns, at the latest at the deadline. Nothing is relayed any more. Call it once. */
void outbox_publisher_drain(struct outbox_publisher *p, int64_t deadline_ms, void (*drained)(void *arg),
                            void *arg);
/* After sink and store have answered everything. */
void outbox_publisher_free(struct outbox_publisher *p);

#endif
