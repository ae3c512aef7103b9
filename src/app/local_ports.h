/* The services' ports without a broker (event.publisher.type = local): a published event goes to its handler in this
 * process, and the delivery report is the handler's finished effect (contract section 5). Dead letters go to a table. */
#ifndef RUSHD_APP_LOCAL_PORTS_H
#define RUSHD_APP_LOCAL_PORTS_H

#include "service/ports.h"

struct loop;
struct store;
struct local_ports;

struct local_ports_config {
    const char *topics[EVENT_TOPIC_COUNT]; /* names, for logs and dead letters; copied */
    size_t batch_max;                      /* messages handed over at once */
    size_t queue_max;                      /* messages of a topic that may wait */
};
/* Strings of cfg are copied. */
struct local_ports *local_ports_new(struct loop *l, struct store *s, const struct local_ports_config *cfg);
/* The ports; one source per topic. Valid as long as p. */
struct event_sink local_ports_sink(struct local_ports *p);
struct event_source local_ports_source(struct local_ports *p, enum event_topic topic);
/* Without a handler a topic's events count as delivered: nobody here wants them. */
void local_ports_handle(struct local_ports *p, enum event_topic topic, struct event_handler handler);
struct dead_letter_port local_ports_dead_letters(struct local_ports *p);
size_t local_ports_waiting(const struct local_ports *p); /* events whose effect is not finished */
/* End: what waits is reported POSSIBLY_DELIVERED before this returns, sends are refused, batches that are out are void (done()
 * for them is ignored, their messages stay readable until local_ports_free()). A second call does nothing. */
void local_ports_close(struct local_ports *p);
/* Close and free. After the handlers, which may still finish a batch. NULL is fine. */
void local_ports_free(struct local_ports *p);

#endif
