/* The services' ports on Kafka: events go out through the producer, come in through consumer groups, dead letters go to
 * <topic>-dlt with Spring's headers (contract section 5). */
#ifndef RUSHD_APP_KAFKA_PORTS_H
#define RUSHD_APP_KAFKA_PORTS_H

#include "kafka/kafka.h"
#include "service/ports.h"

struct loop;
struct kafka_ports;

struct kafka_ports_config {
    const char *topics[EVENT_TOPIC_COUNT];
    const char *type_ids[EVENT_TOPIC_COUNT]; /* value of __TypeId__; NULL: no header */
    const char *dead_letter_suffix;
};
/* Strings are copied; the producer is the caller's and outlives the ports. */
struct kafka_ports *kafka_ports_new(struct loop *l, struct kafka_producer *producer,
                                    const struct kafka_ports_config *cfg);
struct event_sink kafka_ports_sink(struct kafka_ports *p);
struct dead_letter_port kafka_ports_dead_letters(struct kafka_ports *p);
void kafka_ports_free(struct kafka_ports *p);

/* One consumer group whose batches go to a handler. */
struct kafka_group;
struct kafka_group_hooks {
    /* Where a partition's effects already stand; answer with kafka_group_start_at(). NULL: the group's offset decides. */
    void (*on_assigned)(void *arg, struct kafka_group *g, const char *topic, int32_t partition);
    void (*on_state)(void *arg, struct kafka_group *g, bool up, const char *reason);
    void *arg;
};
struct kafka_group *kafka_group_new(struct loop *l, const char *group_id,
                                    const struct kafka_group_hooks *hooks);
/* The source is there before the consumer, so that the handler can be made with it. */
struct event_source kafka_group_source(struct kafka_group *g);
/* Join. False with the error when librdkafka refuses the configuration. cfg->group_id is the group's. */
bool kafka_group_start(struct kafka_group *g, const struct kafka_consumer_config *cfg,
                       struct event_handler handler, struct error *e);
void kafka_group_start_at(struct kafka_group *g, const char *topic, int32_t partition, int64_t offset);
const char *kafka_group_id(const struct kafka_group *g);
bool kafka_group_started(const struct kafka_group *g);
/* Leave; closed fires once, never before this returns. */
void kafka_group_close(struct kafka_group *g, int64_t deadline_ms, void (*closed)(void *arg), void *arg);
void kafka_group_free(struct kafka_group *g);

#endif
