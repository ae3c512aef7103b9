/* Redis that was emptied, or came back without its last writes: rebuilt from PostgreSQL without anybody's doing (guarantees G8, G10).
 *
 * Until lines and holders are back no request is accepted and no line is drained (store/redis_mark.h), so that decisions keep the
 * order of the tickets. Several nodes may do this at once. */
#ifndef RUSHD_SERVICE_RECOVERY_H
#define RUSHD_SERVICE_RECOVERY_H

#include "service/rebuild.h"
#include "store/redis_mark.h"

struct recovery;

/* cfg is copied. on_state (may be NULL): what is known of Redis' data has changed. */
struct recovery *recovery_new(struct loop *l, struct store *s, const struct rebuild_config *cfg,
                              void (*on_state)(void *arg), void *arg);
/* Look at the mark, and rebuild what is missing. While that runs it is remembered to look again afterwards. After a failure nothing
 * happens for a second: call it at least that often until the state is REDIS_MARK_WHOLE. */
void recovery_look(struct recovery *r);
/* Nothing is known any longer: the connection is gone, or a call found that Redis is not whole. */
void recovery_doubt(struct recovery *r);
enum redis_mark_state recovery_state(const struct recovery *r);
/* A rebuild or a look runs. */
bool recovery_running(const struct recovery *r);
/* After the store has answered everything. */
void recovery_free(struct recovery *r);

#endif
