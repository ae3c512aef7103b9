/* What the consuming flows share: pauses between tries, dead letters, the listener's metric (contract section
 * 5). */
#ifndef RUSHD_SERVICE_CONSUME_H
#define RUSHD_SERVICE_CONSUME_H

#include "service/ports.h"

/* Pause before the next try: doubling from backoff_ms to backoff_max_ms. attempt is the batch's before EVENT_RETRY, its waits
 * before EVENT_WAIT. */
int64_t consume_pause_ms(int64_t attempt, int64_t backoff_ms, int64_t backoff_max_ms);
/* Micrometer's `spring.kafka.listener` of a finished batch. */
void consume_observe(const char *group, int64_t started_us, bool ok);
/* One message went to the dead letters: counted in `rushd.dead.letters` and logged. */
void consume_dead_letter_done(const char *group, const struct event_message *m, const char *reason);

#endif
