/* Printing of the refusal table: codes, sentences and error bodies. */
#include "service/refusal.h"

#include "msg/msg_date.h"
#include "msg/msg_json.h"

struct refusal_row {
    const char *word;
    int status;
    const char *korean;
    const char *english;
};

static const struct refusal_row rows[REFUSAL_COUNT] = {[REFUSAL_NONE] = {"", 0, "", ""},
#define X(code, status, ko, en) [REFUSAL_##code] = {#code, status, ko, en},
                                                       REFUSAL_TABLE(X)
#undef X
};

const char *refusal_word(enum refusal_code code)
{
    ASSERT(code < REFUSAL_COUNT);
    return rows[code].word;
}

enum refusal_code refusal_of_word(const char *word)
{
    for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
        if (strcmp(rows[i].word, word) == 0)
            return (enum refusal_code)i;
    return REFUSAL_NONE;
}

int refusal_status(enum refusal_code code)
{
    ASSERT(code < REFUSAL_COUNT);
    return rows[code].status;
}

struct refusal_sentences refusal_sentences(enum refusal_code code)
{
    ASSERT(code < REFUSAL_COUNT);
    return (struct refusal_sentences){rows[code].korean, rows[code].english};
}

static void put_money(struct buf *out, money v)
{
    char text[MONEY_PRINT_SIZE];
    buf_put(out, text, money_print_short(v, text));
}

/* Write the value of one {placeholder}; false when the name is none. */
static bool put_value(struct buf *out, const struct refusal *r, struct slice name)
{
    if (slice_eq(name, "name"))
        buf_puts(out, r->name);
    else if (slice_eq(name, "id"))
        buf_put_i64(out, r->id);
    else if (slice_eq(name, "n"))
        buf_put_i64(out, r->n);
    else if (slice_eq(name, "a"))
        put_money(out, r->a);
    else if (slice_eq(name, "b"))
        put_money(out, r->b);
    else
        return false;
    return true;
}

void refusal_text(struct buf *out, const struct refusal *r, unsigned form)
{
    ASSERT(r->code < REFUSAL_COUNT);
    const char *p = (form & REFUSAL_ENGLISH) ? rows[r->code].english : rows[r->code].korean;
    for (;;) {
        size_t plain = strcspn(p, "{");
        buf_put(out, p, plain);
        p += plain;
        if (!*p)
            return;
        const char *end = strchr(p, '}');
        if (end && put_value(out, r, (struct slice){p + 1, (size_t)(end - p - 1)}))
            p = end + 1;
        else
            buf_putc(out, *p++);
    }
}

/* RFC 9457: type is left at about:blank by not naming it; title is the code, for programs. */
static void problem_body(struct msg_json *j, const struct refusal *r, const char *text)
{
    msg_json_key(j, "title");
    msg_json_string(j, refusal_word(r->code));
    msg_json_key(j, "status");
    msg_json_i64(j, refusal_status(r->code));
    msg_json_key(j, "detail");
    msg_json_string(j, text);
}

/* The body up to its code. */
static void put_head(struct buf *out, const struct refusal *r, unsigned form)
{
    struct buf text = BUF_INIT;
    refusal_text(&text, r, form);
    struct msg_json j = MSG_JSON(out);
    msg_json_object(&j);
    if (form & REFUSAL_PROBLEM)
        problem_body(&j, r, buf_str(&text));
    else {
        msg_json_key(&j, "message");
        msg_json_string_n(&j, text.data, text.len);
    }
    msg_json_key(&j, "code");
    msg_json_string(&j, refusal_word(r->code));
    buf_free(&text);
}

/* The same for each request unless the sentence takes values: made once, for the many that are refused when all is given out. */
static struct slice plain_head(const struct refusal *r, unsigned form)
{
    static struct buf heads[REFUSAL_COUNT][(REFUSAL_ENGLISH | REFUSAL_PROBLEM) + 1];
    struct buf *head = &heads[r->code][form & (REFUSAL_ENGLISH | REFUSAL_PROBLEM)];
    if (!head->len && !strchr(rows[r->code].korean, '{'))
        put_head(head, r, form);
    return buf_slice(head);
}

void refusal_body(struct buf *out, const struct refusal *r, unsigned form, int64_t now_us)
{
    struct slice head = plain_head(r, form);
    if (head.n)
        buf_put_slice(out, head);
    else
        put_head(out, r, form);
    buf_puts(out, ",\"timestamp\":\"");
    msg_date_iso(out, now_us);
    buf_puts(out, "\"}");
}

const char *refusal_content_type(unsigned form)
{
    return (form & REFUSAL_PROBLEM) ? "application/problem+json" : "application/json";
}

const char *refusal_body_type(struct slice body)
{
    static const struct slice problem = {"{\"title\":", 9};
    bool is_problem = body.n >= problem.n && memcmp(body.p, problem.p, problem.n) == 0;
    return refusal_content_type(is_problem ? REFUSAL_PROBLEM : 0);
}
