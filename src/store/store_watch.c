/* What triggers of the schema tell of changes: one connection listens for all who watch. See coupon.h and shop.h. */
#include "base/str.h"
#include "store/coupon.h"
#include "store/shop.h"
#include "store/store_internal.h"

static const char coupons_channel[] = "rushd_coupons", users_channel[] = "rushd_users";

struct store_watcher {
    const char *channel;
    void (*fn)(void *arg, int64_t id);
    void *arg;
    TAILQ_ENTRY(store_watcher) link;
};

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct store *s = arg;
    struct store_watcher *w;
    int64_t id;
    /* A payload of another program may be anything: then all may have changed. */
    if (!str_to_i64(payload, strlen(payload), &id) || id <= 0)
        id = 0;
    TAILQ_FOREACH(w, &s->watchers, link)
    if (strcmp(w->channel, channel) == 0)
        w->fn(w->arg, id);
}

static void on_gap(void *arg)
{
    struct store *s = arg;
    struct store_watcher *w;
    TAILQ_FOREACH(w, &s->watchers, link)
    w->fn(w->arg, 0);
}

static void watch(struct store *s, const char *channel, void (*fn)(void *arg, int64_t id), void *arg)
{
    static const char *const channels[] = {coupons_channel, users_channel, NULL};
    ASSERT(s->pg);
    struct store_watcher *w = mem_zalloc(sizeof(*w));
    w->channel = channel;
    w->fn = fn;
    w->arg = arg;
    TAILQ_INSERT_TAIL(&s->watchers, w, link);
    if (!s->listener)
        s->listener = pg_listener_new(s->pg, channels, on_notify, on_gap, s);
}

void coupon_watch(struct store *s, void (*fn)(void *arg, int64_t coupon_id), void *arg)
{
    watch(s, coupons_channel, fn, arg);
}

void user_watch(struct store *s, void (*fn)(void *arg, int64_t user_id), void *arg)
{
    watch(s, users_channel, fn, arg);
}

bool user_watched(const struct store *s)
{
    return s->listener && pg_listener_up(s->listener);
}

void store_watch_free(struct store *s)
{
    if (s->listener)
        pg_listener_free(s->listener);
    s->listener = NULL;
    struct store_watcher *w, *next;
    TAILQ_FOREACH_SAFE(w, &s->watchers, link, next)
    mem_free(w);
    TAILQ_INIT(&s->watchers);
}
