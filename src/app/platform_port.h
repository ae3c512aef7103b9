/* The data platform as a document sink: POST with an idempotency key over the outgoing HTTP client (contract section 5). */
#ifndef RUSHD_APP_PLATFORM_PORT_H
#define RUSHD_APP_PLATFORM_PORT_H

#include "service/ports.h"

struct loop;
struct platform_port;

/* POST to url, at most max_in_flight at once, each within timeout_ms. */
struct platform_port *platform_port_new(struct loop *l, const char *url, int64_t timeout_ms,
                                        int64_t max_in_flight);
/* The port, valid as long as p. */
struct document_sink platform_port_sink(struct platform_port *p);
/* Posts under way, and those that their owner makes meanwhile, end as DOCUMENT_AWAY before this returns. NULL is fine. */
void platform_port_free(struct platform_port *p);

#endif
