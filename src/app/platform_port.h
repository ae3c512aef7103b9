/* The data platform as a document sink: POST with an idempotency key over the outgoing HTTP client (contract section 5). */
#ifndef RUSHD_APP_PLATFORM_PORT_H
#define RUSHD_APP_PLATFORM_PORT_H

#include "service/ports.h"

struct loop;
struct platform_port;

struct platform_port *platform_port_new(struct loop *l, const char *url, int64_t timeout_ms,
                                        int64_t max_in_flight);
struct document_sink platform_port_sink(struct platform_port *p);
void platform_port_free(struct platform_port *p);

#endif
