/* Shared small change of the consuming flows. */
#include "service/consume.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"

LOG_DEFINE(log_consume, "rushd.consumer");

static const struct metric_def listener_def = {
    .name = "spring.kafka.listener",
    .type = METRIC_TIMER,
    .help = "Batches of a consumer group, from hand-over to durable effects.",
    .labels = {"name", "result", "exception"}};
static const struct metric_def dead_def = {.name = "rushd.dead.letters",
                                           .type = METRIC_COUNTER,
                                           .help = "Messages moved to the dead letters.",
                                           .labels = {"group", "topic"}};

int64_t consume_pause_ms(int64_t attempt, int64_t backoff_ms, int64_t backoff_max_ms)
{
    if (backoff_ms <= 0)
        return 0;
    return random_backoff_ms(attempt > 30 ? 30 : (int)attempt, backoff_ms, backoff_max_ms);
}

void consume_observe(const char *group, int64_t started_us, bool ok)
{
    const char *labels[] = {group, ok ? "success" : "failure", ok ? "none" : "RetriableException"};
    metric_observe_us(metric_series(metric_register(&listener_def), labels), clock_mono_us() - started_us);
}

void consume_dead_letter_done(const char *group, const struct event_message *m, const char *reason)
{
    const char *labels[] = {group, m->topic};
    metric_add(metric_series(metric_register(&dead_def), labels), 1);
    log_error(&log_consume, "message moved to the dead letters", LOG_S("group", group),
              LOG_S("topic", m->topic), LOG_I("partition", m->partition), LOG_I("offset", m->offset),
              LOG_S("error", reason));
}
