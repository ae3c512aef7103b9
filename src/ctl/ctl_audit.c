/* rushctl audit: the proof for a person, line by line as it goes, or for machines as one object at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "app/config.h"
#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/ctl_kafka.h"
#include "ctl/ctl_table.h"
#include "msg/msg_json.h"
#include "service/audit.h"

#define AUDIT_TIMEOUT_MS    (INT64_C(24) * 3600 * 1000)
#define SNAPSHOT_TIMEOUT_MS (INT64_C(4) * 3600 * 1000)
#define SETTLE_MS           3000
#define FOR_EVER_US         (INT64_C(253402300799) * 1000000) /* the year 9999 */

struct auditing {
    struct ctl *c;
    bool json;
    struct buf out;
    struct msg_json j;
    struct audit_config cfg;
    int64_t verdicts[AUDIT_SKIPPED + 1];
};

static const char *const verdict_words[] = {
    [AUDIT_PASS] = "PASS", [AUDIT_FAIL] = "FAIL", [AUDIT_SKIPPED] = "SKIPPED"};

/* --- for a person --- */

static void print_result(struct auditing *a, const struct audit_result *r)
{
    struct buf *out = &a->out;
    buf_clear(out);
    buf_printf(out, "%-7s %-3s %-14s ", verdict_words[r->verdict], r->promise, r->name);
    if (r->verdict == AUDIT_FAIL)
        buf_printf(out, "%" PRId64 " wrong of %" PRId64 ": ", r->wrong, r->examined);
    else if (r->verdict == AUDIT_PASS)
        buf_printf(out, "%" PRId64 " examined: ", r->examined);
    if (r->verdict != AUDIT_SKIPPED)
        buf_puts(out, r->sentence);
    if (*r->note)
        buf_printf(out, "%s%s%s", r->verdict == AUDIT_SKIPPED ? "" : " (", r->note,
                   r->verdict == AUDIT_SKIPPED ? "" : ")");
    buf_putc(out, '\n');
    for (size_t i = 0; i < r->n; i++) {
        buf_puts(out, "            ");
        ctl_put_text(out, r->examples[i]);
        buf_putc(out, '\n');
    }
    if (r->n && r->wrong + r->excused > (int64_t)r->n)
        buf_printf(out, "            and %" PRId64 " more\n", r->wrong + r->excused - (int64_t)r->n);
    fputs(buf_str(out), stdout);
    fflush(stdout);
}

static void print_sum(const struct auditing *a)
{
    int64_t refuted = a->verdicts[AUDIT_FAIL], held = a->verdicts[AUDIT_PASS];
    printf("%" PRId64 " checks: %" PRId64 " hold, %" PRId64 " refuted, %" PRId64 " skipped\n",
           held + refuted + a->verdicts[AUDIT_SKIPPED], held, refuted, a->verdicts[AUDIT_SKIPPED]);
}

/* --- for machines --- */

static void json_begin(struct auditing *a)
{
    const struct audit_range *r = &a->cfg.range;
    a->j = MSG_JSON(&a->out);
    msg_json_object(&a->j);
    msg_json_key(&a->j, "at"), msg_json_date_iso(&a->j, clock_real_us());
    msg_json_key(&a->j, "couponId");
    r->coupon_id ? msg_json_i64(&a->j, r->coupon_id) : msg_json_null(&a->j);
    msg_json_key(&a->j, "from");
    r->from_us ? msg_json_date_iso(&a->j, r->from_us) : msg_json_null(&a->j);
    msg_json_key(&a->j, "to");
    r->to_us != FOR_EVER_US ? msg_json_date_iso(&a->j, r->to_us) : msg_json_null(&a->j);
    msg_json_key(&a->j, "checks"), msg_json_array(&a->j);
}

static void json_result(struct msg_json *j, const struct audit_result *r)
{
    msg_json_object(j);
    msg_json_key(j, "name"), msg_json_string(j, r->name);
    msg_json_key(j, "promise"), msg_json_string(j, r->promise);
    msg_json_key(j, "sentence"), msg_json_string(j, r->sentence);
    msg_json_key(j, "verdict"), msg_json_string(j, verdict_words[r->verdict]);
    msg_json_key(j, "examined"), msg_json_i64(j, r->examined);
    msg_json_key(j, "wrong"), msg_json_i64(j, r->wrong);
    msg_json_key(j, "excused"), msg_json_i64(j, r->excused);
    msg_json_key(j, "note"), msg_json_string(j, r->note);
    msg_json_key(j, "examples"), msg_json_array(j);
    for (size_t i = 0; i < r->n; i++)
        msg_json_string(j, r->examples[i]);
    msg_json_array_end(j);
    msg_json_object_end(j);
}

static void json_end(struct auditing *a, bool complete)
{
    msg_json_array_end(&a->j);
    msg_json_key(&a->j, "complete"), msg_json_bool(&a->j, complete);
    msg_json_key(&a->j, "holds"), msg_json_bool(&a->j, complete && !a->verdicts[AUDIT_FAIL]);
    msg_json_object_end(&a->j);
    ctl_print_json(&a->out);
}

/* --- the command --- */

static void on_check(void *arg, const struct audit_result *r)
{
    struct auditing *a = arg;
    a->verdicts[r->verdict]++;
    if (a->json)
        json_result(&a->j, r);
    else
        print_result(a, r);
}

static void on_audited(void *arg, const struct error *e)
{
    struct auditing *a = arg;
    ctl_finish(a->c, e);
}

static bool take_arguments(struct auditing *a, bool *no_kafka)
{
    const char *coupon = NULL, *from = NULL, *to = NULL;
    const struct ctl_option options[] = {{"--coupon", &coupon, NULL}, {"--from", &from, NULL},
                                         {"--to", &to, NULL},         {"--no-kafka", NULL, no_kafka},
                                         {"--json", NULL, &a->json},  {NULL, NULL, NULL}};
    struct audit_range *r = &a->cfg.range;
    if (!ctl_options(a->c, options) || !ctl_operands(a->c, 0) ||
        (coupon && !ctl_number(a->c, "--coupon", coupon, &r->coupon_id)) ||
        (from && !ctl_time(a->c, "--from", from, false, &r->from_us)) ||
        (to && !ctl_time(a->c, "--to", to, true, &r->to_us)))
        return false;
    if (r->from_us < r->to_us)
        return true;
    ctl_usage_error(a->c, "--from is not before --to");
    return false;
}

int ctl_audit(struct ctl *c)
{
    bool no_kafka = false;
    struct auditing a = {.c = c,
                         .cfg = {.range = {.to_us = FOR_EVER_US},
                                 .retention_days = (int)app_config.ranking.retention_days,
                                 .recheck_ms = app_config.coupon.recheck,
                                 .settle_ms = SETTLE_MS,
                                 .deadline_ms = SNAPSHOT_TIMEOUT_MS,
                                 .platform = *app_config.platform.url != '\0'}};
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        a.cfg.topics[i] = app_config.kafka.topics[i];
    if (!take_arguments(&a, &no_kafka))
        return EX_USAGE;
    int code = ctl_open(c, CTL_NEED_PG | CTL_NEED_SCHEMA | CTL_NEED_TIME | CTL_NEED_REDIS);
    if (code != EX_OK)
        return code;
    struct ctl_history *history = ctl_history_new(c);
    if (no_kafka)
        a.cfg.no_history = "--no-kafka was given";
    else if (ctl_kafka_there(&a.cfg.no_history))
        a.cfg.history = ctl_history_port(history);
    if (a.json)
        json_begin(&a);
    audit_run(c->loop, c->store, &a.cfg, on_check, on_audited, &a);
    bool complete = ctl_wait_on(c, AUDIT_TIMEOUT_MS);
    if (a.json)
        json_end(&a, complete);
    else
        print_sum(&a);
    if (ctl_timed_out(c)) /* it still works on what lies here */
        ctl_leave(c);
    buf_free(&a.out);
    ctl_history_free(history);
    return !complete ? ctl_status(c) : a.verdicts[AUDIT_FAIL] ? 1 : EX_OK;
}
