/* rushctl dlq list: the newest dead letters, and how many there are of each topic. Letters are read one after the other; only
 * as many as are shown are kept. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "ctl/ctl_dlq.h"
#include "ctl/ctl_table.h"

#define DEFAULT_LIMIT 50
#define MAX_LIMIT     100000
#define REASON_MAX    100

static const struct ctl_column columns[] = {{"LETTER", false}, {"TIME", false},     {"FROM", false},
                                            {"KEY", false},    {"REDRIVEN", false}, {"EXCEPTION", false},
                                            {"MESSAGE", false}};

/* One letter as it will be shown. */
struct shown {
    int64_t timestamp_ms, order; /* in the order of reading */
    char *cells[ARRAY_LEN(columns)];
    char *json;
};

struct counted {
    char topic[DEAD_LETTER_TOPIC_SIZE];
    int64_t letters, redriven;
};

struct listing {
    struct dlq dlq;
    bool json, open_only, filtered;
    int64_t limit, matching;
    struct shown *shown; /* at most twice the limit */
    size_t n;
    struct counted *topics;
    size_t ntopics;
};

static void shown_free(struct shown *s)
{
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        mem_free(s->cells[i]);
    mem_free(s->json);
}

static int newest_last(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;
    if (x->timestamp_ms != y->timestamp_ms)
        return x->timestamp_ms < y->timestamp_ms ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Keep the newest. */
static void cut(struct listing *list)
{
    qsort(list->shown, list->n, sizeof *list->shown, newest_last);
    if (list->n <= (size_t)list->limit)
        return;
    size_t drop = list->n - (size_t)list->limit;
    for (size_t i = 0; i < drop; i++)
        shown_free(&list->shown[i]);
    memmove(list->shown, list->shown + drop, (size_t)list->limit * sizeof *list->shown);
    list->n = (size_t)list->limit;
}

static void count(struct listing *list, const char *topic, bool redriven)
{
    size_t i = 0;
    while (i < list->ntopics && strcmp(list->topics[i].topic, topic) != 0)
        i++;
    if (i == list->ntopics) {
        list->topics = mem_grow(list->topics, ++list->ntopics, sizeof *list->topics);
        list->topics[i] = (struct counted){.letters = 0};
        str_copy(list->topics[i].topic, sizeof list->topics[i].topic, topic);
    }
    list->topics[i].letters++;
    list->topics[i].redriven += redriven;
}

static char *bytes_cell(struct slice s, size_t most)
{
    struct buf b = BUF_INIT;
    bool cut_off = s.n > most;
    if (!s.p || !s.n)
        buf_putc(&b, '-');
    else
        dlq_put_bytes(&b, s.p, cut_off ? str_utf8_cut(s.p, most) : s.n);
    if (cut_off)
        buf_puts(&b, "...");
    return buf_steal(&b);
}

/* The class without its package. */
static char *class_cell(struct slice s)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '.')
            return bytes_cell((struct slice){s.p + i, s.n - i}, REASON_MAX);
    return bytes_cell(s, REASON_MAX);
}

static char *name_cell(const char *topic, int32_t partition, int64_t offset)
{
    struct buf b = BUF_INIT;
    if (partition < 0 || offset < 0)
        buf_puts(&b, *topic ? topic : "-");
    else
        dlq_put_name(&b, topic, partition, offset);
    return buf_steal(&b);
}

static char *time_cell(int64_t timestamp_ms)
{
    struct buf b = BUF_INIT;
    struct msg_json j = MSG_JSON(&b);
    if (timestamp_ms < 0)
        return mem_strdup("-");
    msg_json_date_blank(&j, timestamp_ms * 1000);
    char *quoted = buf_steal(&b), *plain = mem_strndup(quoted + 1, strlen(quoted) - 2);
    mem_free(quoted);
    return plain;
}

static char *redrive_cell(const struct dead_letter_redrive *redrive)
{
    struct buf b = BUF_INIT;
    dlq_put_redrive(&b, redrive);
    return buf_steal(&b);
}

static void on_letter(void *arg, const struct dead_letter *l, const struct dead_letter_redrive *redrive)
{
    struct listing *list = arg;
    const struct event_message *m = l->message;
    count(list, m->topic, redrive && redrive->state == DEAD_LETTER_SENT);
    if (list->open_only && redrive && redrive->state == DEAD_LETTER_SENT)
        return;
    if (list->n == 2 * (size_t)list->limit)
        cut(list);
    struct shown *s = &list->shown[list->n++];
    *s = (struct shown){.timestamp_ms = m->timestamp_ms, .order = list->matching++};
    if (list->json) {
        struct buf b = BUF_INIT;
        struct msg_json j = MSG_JSON(&b);
        msg_json_object(&j);
        dlq_put_json(&j, l, redrive);
        msg_json_object_end(&j);
        s->json = buf_steal(&b);
        return;
    }
    char *const cells[] = {name_cell(m->topic, m->partition, m->offset),
                           time_cell(m->timestamp_ms),
                           name_cell(l->topic, l->partition, l->offset),
                           bytes_cell(m->key, REASON_MAX),
                           redrive_cell(redrive),
                           class_cell(l->exception),
                           bytes_cell(l->reason, REASON_MAX)};
    memcpy(s->cells, cells, sizeof cells);
}

static void put_json(const struct listing *list, struct buf *out)
{
    struct msg_json j = MSG_JSON(out);
    msg_json_object(&j);
    msg_json_key(&j, "topics"), msg_json_array(&j);
    for (size_t i = 0; i < list->ntopics; i++) {
        msg_json_object(&j);
        msg_json_key(&j, "topic"), msg_json_string(&j, list->topics[i].topic);
        msg_json_key(&j, "letters"), msg_json_i64(&j, list->topics[i].letters);
        msg_json_key(&j, "redriven"), msg_json_i64(&j, list->topics[i].redriven);
        msg_json_object_end(&j);
    }
    msg_json_array_end(&j);
    msg_json_key(&j, "matching"), msg_json_i64(&j, list->matching);
    msg_json_key(&j, "letters"), msg_json_array(&j);
    for (size_t i = 0; i < list->n; i++)
        msg_json_raw(&j, list->shown[i].json, strlen(list->shown[i].json));
    msg_json_array_end(&j);
    msg_json_object_end(&j);
    buf_putc(out, '\n');
}

static void put_text(const struct listing *list, struct buf *out)
{
    struct ctl_table table = CTL_TABLE(columns);
    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < ARRAY_LEN(columns); k++)
            ctl_table_text(&table, list->shown[i].cells[k]);
    if (list->n)
        ctl_table_print(&table, out), buf_putc(out, '\n');
    if (list->matching > (int64_t)list->n)
        buf_printf(out, "%lld older ones are not shown (--limit)\n",
                   (long long)(list->matching - (int64_t)list->n));
    for (size_t i = 0; i < list->ntopics; i++) {
        const struct counted *t = &list->topics[i];
        buf_printf(out, "%s: %lld letter%s, %lld redriven\n", t->topic, (long long)t->letters,
                   t->letters == 1 ? "" : "s", (long long)t->redriven);
    }
    if (!list->ntopics)
        buf_puts(out, list->filtered ? "no such letters\n" : "no dead letters\n");
    ctl_table_free(&table);
}

static int run(struct listing *list)
{
    int code = dlq_open(&list->dlq, 0);
    if (code != EX_OK)
        return code;
    list->shown = mem_array((size_t)list->limit * 2, sizeof *list->shown);
    if (!dlq_read(&list->dlq, on_letter, list))
        return ctl_status(list->dlq.c);
    cut(list);
    struct buf out = BUF_INIT;
    list->json ? put_json(list, &out) : put_text(list, &out);
    fputs(buf_str(&out), stdout);
    buf_free(&out);
    return EX_OK;
}

int ctl_dlq_list(struct ctl *c)
{
    struct listing list = {.limit = DEFAULT_LIMIT};
    struct dlq_filter_options f = {0};
    const char *limit = NULL;
    dlq_init(&list.dlq, c);
    if (!ctl_options(c, (struct ctl_option[]){{"--json", NULL, &list.json},
                                              {"--open", NULL, &list.open_only},
                                              {"--limit", &limit, NULL},
                                              {"--topic", &f.topic, NULL},
                                              {"--since", &f.since, NULL},
                                              {"--key", &f.key, NULL},
                                              {0}}))
        return EX_USAGE;
    if (c->argc == 1 && f.topic)
        return ctl_usage_error(c, "the topic is given twice");
    if (c->argc == 1)
        f.topic = c->argv[0];
    else if (!ctl_operands(c, 0))
        return EX_USAGE;
    if ((limit && !ctl_number_between(c, "--limit", limit, 1, MAX_LIMIT, &list.limit)) ||
        !dlq_filter_set(&list.dlq, &f))
        return EX_USAGE;
    list.filtered = f.topic || f.since || f.key;
    int code = run(&list);
    dlq_free(&list.dlq);
    for (size_t i = 0; i < list.n; i++)
        shown_free(&list.shown[i]);
    mem_free(list.shown);
    mem_free(list.topics);
    return code;
}
