/* /actuator/metrics in the shapes of Micrometer's endpoint, and /actuator/prometheus. */
#include "api/api_internal.h"

#include "base/metric.h"
#include "http/http_field.h"

#define TAGS_MAX 8 /* in one request */

void api_metrics_list(struct api_call *c, const struct http_request *req)
{
    metric_collect();
    buf_clear(&c->api->out);
    struct msg_json j = MSG_JSON(&c->api->out);
    msg_json_object(&j);
    msg_json_key(&j, "names");
    msg_json_array(&j);
    for (const struct metric *m = metric_next(NULL); m; m = metric_next(m))
        if (metric_series_next(m, NULL))
            msg_json_string(&j, metric_def_of(m)->name);
    msg_json_array_end(&j);
    msg_json_object_end(&j);
    api_send_actuator(c, 200, buf_slice(&c->api->out));
}

void api_metrics_prometheus(struct api_call *c, const struct http_request *req)
{
    metric_collect();
    buf_clear(&c->api->out);
    metric_print_prometheus(&c->api->out);
    api_send(c, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&c->api->out));
}

/* --- one metric --- */

/* The conditions of a request, "key:value" each. */
struct tags {
    struct buf text[TAGS_MAX];
    size_t n;
};

static void tags_free(struct tags *t)
{
    for (size_t i = 0; i < TAGS_MAX; i++)
        buf_free(&t->text[i]);
}

/* Read every parameter named tag; false when one is malformed or there are too many. */
static bool tags_read(struct slice query, struct tags *t)
{
    while (query.n) {
        const char *end = memchr(query.p, '&', query.n);
        struct slice pair = {query.p, end ? (size_t)(end - query.p) : query.n};
        size_t skip = end ? pair.n + 1 : pair.n;
        query.p += skip;
        query.n -= skip;
        if (pair.n < 4 || memcmp(pair.p, "tag=", 4) != 0)
            continue;
        if (t->n == TAGS_MAX)
            return false;
        struct buf *text = &t->text[t->n++];
        if (!http_percent_decode((struct slice){pair.p + 4, pair.n - 4}, true, text) ||
            !strchr(buf_str(text), ':'))
            return false;
    }
    return true;
}

static const char *label_of(const struct metric_def *def, size_t i)
{
    return i < METRIC_MAX_LABELS ? def->labels[i] : NULL;
}

/* True if a tag of the request is about this label; value (may be NULL) gets what it asks for. */
static bool tag_is_for(const struct buf *tag, const char *label, const char **value)
{
    size_t n = strlen(label);
    if (strncmp(tag->data, label, n) != 0 || tag->data[n] != ':')
        return false;
    if (value)
        *value = tag->data + n + 1;
    return true;
}

static bool series_matches(const struct metric_def *def, const struct metric_series *s, const struct tags *t)
{
    for (size_t i = 0; i < t->n; i++) {
        bool matches = false;
        const char *label, *want = NULL;
        for (size_t k = 0; (label = label_of(def, k)) && !matches; k++)
            matches = tag_is_for(&t->text[i], label, &want) && strcmp(want, metric_label_value(s, k)) == 0;
        if (!matches)
            return false;
    }
    return true;
}

struct totals {
    size_t series;
    double value, sum, max;
    uint64_t count;
};

static struct totals add_up(const struct metric *m, const struct tags *t)
{
    struct totals total = {0};
    const struct metric_series *s = NULL;
    while ((s = metric_series_next(m, s))) {
        struct metric_value v;
        if (!series_matches(metric_def_of(m), s, t))
            continue;
        metric_read(s, &v);
        total.series++;
        total.value += v.value;
        total.count += v.count;
        total.sum += v.sum;
        total.max = v.max > total.max ? v.max : total.max;
    }
    return total;
}

static void put_measurement(struct msg_json *j, const char *statistic, double value)
{
    msg_json_object(j);
    msg_json_key(j, "statistic");
    msg_json_string(j, statistic);
    msg_json_key(j, "value");
    msg_json_double(j, value);
    msg_json_object_end(j);
}

static void put_measurements(struct msg_json *j, enum metric_type type, const struct totals *total)
{
    msg_json_key(j, "measurements");
    msg_json_array(j);
    if (type == METRIC_COUNTER || type == METRIC_GAUGE) {
        put_measurement(j, type == METRIC_COUNTER ? "COUNT" : "VALUE", total->value);
    } else {
        put_measurement(j, "COUNT", (double)total->count);
        put_measurement(j, type == METRIC_TIMER ? "TOTAL_TIME" : "TOTAL", total->sum);
        put_measurement(j, "MAX", total->max);
    }
    msg_json_array_end(j);
}

/* True if an earlier matching series has the same value of the label. */
static bool seen_before(const struct metric *m, const struct metric_series *s, const struct tags *t,
                        size_t label)
{
    const struct metric_series *x = NULL;
    while ((x = metric_series_next(m, x)) != s)
        if (strcmp(metric_label_value(x, label), metric_label_value(s, label)) == 0 &&
            series_matches(metric_def_of(m), x, t))
            return true;
    return false;
}

/* Labels that are not conditions yet, each with the values that would be left. */
static void put_tags(struct msg_json *j, const struct metric *m, const struct tags *t)
{
    const struct metric_def *def = metric_def_of(m);
    const char *label;
    msg_json_key(j, "availableTags");
    msg_json_array(j);
    for (size_t k = 0; (label = label_of(def, k)); k++) {
        bool asked = false;
        for (size_t i = 0; i < t->n; i++)
            asked = asked || tag_is_for(&t->text[i], label, NULL);
        if (asked)
            continue;
        msg_json_object(j);
        msg_json_key(j, "tag");
        msg_json_string(j, label);
        msg_json_key(j, "values");
        msg_json_array(j);
        for (const struct metric_series *s = NULL; (s = metric_series_next(m, s));)
            if (series_matches(def, s, t) && !seen_before(m, s, t, k))
                msg_json_string(j, metric_label_value(s, k));
        msg_json_array_end(j);
        msg_json_object_end(j);
    }
    msg_json_array_end(j);
}

static void send_metric(struct api_call *c, const struct metric *m, const struct tags *t,
                        const struct totals *total)
{
    const struct metric_def *def = metric_def_of(m);
    const char *unit = def->type == METRIC_TIMER ? "seconds" : def->unit;
    buf_clear(&c->api->out);
    struct msg_json j = MSG_JSON(&c->api->out);
    msg_json_object(&j);
    msg_json_key(&j, "name");
    msg_json_string(&j, def->name);
    if (def->help)
        msg_json_key(&j, "description"), msg_json_string(&j, def->help);
    if (unit)
        msg_json_key(&j, "baseUnit"), msg_json_string(&j, unit);
    put_measurements(&j, def->type, total);
    put_tags(&j, m, t);
    msg_json_object_end(&j);
    api_send_actuator(c, 200, buf_slice(&c->api->out));
}

void api_metrics_get(struct api_call *c, const struct http_request *req)
{
    struct tags tags = {0};
    if (!tags_read(req->query, &tags)) {
        api_refuse_name(c, REFUSAL_INVALID_PARAMETER, "tag");
        tags_free(&tags);
        return;
    }
    metric_collect();
    struct buf *name = &c->api->scratch;
    buf_clear(name);
    buf_put_slice(name, req->params[0]);
    const struct metric *m = metric_find(buf_str(name));
    struct totals total = {0};
    if (m)
        total = add_up(m, &tags);
    if (total.series)
        send_metric(c, m, &tags, &total);
    else
        api_refuse_code(c, REFUSAL_NOT_FOUND);
    tags_free(&tags);
}
