/* Field tables: parsing. The scanner hands out tokens, each is stored where the table says; what no table
 * knows is skipped. Everything that was stored is freed through the same table when something is wrong. */
#include <stdio.h>

#include "msg/msg_date.h"
#include "msg/msg_field.h"
#include "msg/msg_scan.h"

/* Where we are, for error texts: a chain of frames on the stack. */
struct path {
    const struct path *up;
    const char *name; /* NULL: an element */
    size_t index;
};

struct parser {
    struct msg_scan scan;
    struct buf scratch;
    struct error *e;
};

#define ECHO_MAX 48 /* bytes of a wrong value that an error text repeats */

static size_t path_print(const struct path *path, char *out, size_t size)
{
    size_t n = path->up ? path_print(path->up, out, size) : 0;
    if (n >= size)
        return n;
    int more;
    if (path->name)
        more = snprintf(out + n, size - n, "%s%s", n ? "." : "", path->name);
    else
        more = snprintf(out + n, size - n, "[%zu]", path->index);
    return n + (size_t)more;
}

static bool fail(struct parser *p, const struct path *at, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static bool fail(struct parser *p, const struct path *at, const char *code, const char *fmt, ...)
{
    char where[112] = "", what[112];
    path_print(at, where, sizeof(where));
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    error_set(p->e, ERROR_PERMANENT, code, "%s: %s", where, what);
    return false;
}

/* Report a value of the wrong type or form, as it is written. */
static bool wrong(struct parser *p, const struct path *at, const struct msg_token *token, const char *what)
{
    if (token->type == MSG_TOKEN_OBJECT)
        return fail(p, at, "FIELD_TYPE", "an object %s", what);
    if (token->type == MSG_TOKEN_ARRAY)
        return fail(p, at, "FIELD_TYPE", "an array %s", what);
    size_t n = token->text.n;
    bool cut = n > ECHO_MAX;
    if (cut)
        n = str_utf8_cut(token->text.p, ECHO_MAX);
    const char *quote = token->type == MSG_TOKEN_STRING ? "\"" : "";
    return fail(p, at, "FIELD_TYPE", "%s%.*s%s%s %s", quote, (int)n, token->text.p, cut ? "..." : "", quote,
                what);
}

static bool is_integer(const struct slice *text)
{
    return !memchr(text->p, '.', text->n) && !memchr(text->p, 'e', text->n) && !memchr(text->p, 'E', text->n);
}

static bool parse_i64(struct parser *p, const struct path *at, const struct msg_token *token, int64_t *out)
{
    const struct slice *text = &token->text;
    bool number = token->type == MSG_TOKEN_NUMBER;
    if (!number && (token->type != MSG_TOKEN_STRING || !text->n || token->escaped))
        return wrong(p, at, token, "is not a whole number");
    if (str_to_i64(text->p, text->n, out))
        return true;
    money v;
    if (number && !is_integer(text) && money_parse(text->p, text->n, &v) && v % 100 == 0) {
        *out = v / 100;
        return true;
    }
    size_t sign = text->p[0] == '-';
    bool digits = text->n > sign;
    for (size_t i = sign; i < text->n; i++)
        digits = digits && text->p[i] >= '0' && text->p[i] <= '9';
    if (digits)
        return fail(p, at, "FIELD_RANGE", "does not fit into 64 bits");
    return wrong(p, at, token, "is not a whole number");
}

static bool parse_money(struct parser *p, const struct path *at, const struct msg_token *token, int64_t *out)
{
    bool text = token->type == MSG_TOKEN_NUMBER || token->type == MSG_TOKEN_STRING;
    if (text && money_parse(token->text.p, token->text.n, out))
        return true;
    return wrong(p, at, token, "is not an amount of at most 13 digits and 2 decimals");
}

/* The rest of an array of numbers, Jackson's form of a date: [year, month, day, hour, minute, second, ns]. */
static bool parse_date_fields(struct parser *p, const struct path *at, int64_t *out)
{
    int64_t v[7];
    size_t n = 0;
    int more;
    for (; (more = msg_scan_element(&p->scan, n == 0)) > 0; n++) {
        struct path element = {at, NULL, n};
        struct msg_token token = msg_scan_value(&p->scan);
        if (token.type == MSG_TOKEN_ERROR)
            return false;
        if (n == ARRAY_LEN(v))
            return fail(p, at, "FIELD_TYPE", "more than 7 numbers are not a date");
        if (!parse_i64(p, &element, &token, &v[n]))
            return false;
    }
    if (more < 0)
        return false;
    return msg_date_from_fields(v, n, out) || fail(p, at, "FIELD_TYPE", "the array is not a date");
}

static bool parse_date(struct parser *p, const struct path *at, const struct msg_token *token, int64_t *out)
{
    if (token->type == MSG_TOKEN_ARRAY)
        return parse_date_fields(p, at, out);
    if (token->type == MSG_TOKEN_STRING) {
        struct slice text = msg_scan_text(token, &p->scratch);
        if (msg_date_parse(text.p, text.n, out))
            return true;
    }
    return wrong(p, at, token, "is not a date");
}

static bool parse_bool(struct parser *p, const struct path *at, const struct msg_token *token, bool *out)
{
    if (token->type != MSG_TOKEN_TRUE && token->type != MSG_TOKEN_FALSE)
        return wrong(p, at, token, "is neither true nor false");
    *out = token->type == MSG_TOKEN_TRUE;
    return true;
}

static bool parse_string(struct parser *p, const struct path *at, const struct msg_field *f,
                         const struct msg_token *token, char **out)
{
    if (token->type != MSG_TOKEN_STRING)
        return wrong(p, at, token, "is not a text");
    struct slice text = msg_scan_text(token, &p->scratch);
    if (f->max && (int64_t)text.n > f->max)
        return fail(p, at, "FIELD_RANGE", "is longer than %lld bytes", (long long)f->max);
    if ((int64_t)text.n < f->min)
        return fail(p, at, "FIELD_RANGE", "is shorter than %lld bytes", (long long)f->min);
    mem_free(*out);
    *out = text.n ? mem_strndup(text.p, text.n) : mem_strdup("");
    return true;
}

static bool check_bounds(struct parser *p, const struct path *at, const struct msg_field *f, int64_t v)
{
    if ((f->min == 0 && f->max == 0) || (v >= f->min && v <= f->max))
        return true;
    int64_t bound = v < f->min ? f->min : f->max;
    const char *side = v < f->min ? "below" : "above";
    if (f->type == MSG_I64)
        return fail(p, at, "FIELD_RANGE", "%lld is %s %lld", (long long)v, side, (long long)bound);
    char value[MONEY_PRINT_SIZE], limit[MONEY_PRINT_SIZE];
    money_print_short(v, value);
    money_print_short(bound, limit);
    return fail(p, at, "FIELD_RANGE", "%s is %s %s", value, side, limit);
}

static bool parse_value(struct parser *p, const struct path *at, const struct msg_field *f,
                        const struct msg_token *token, char *to);
static bool parse_struct(struct parser *p, const struct path *at, const struct msg_table *table, char *to);

static bool parse_element(struct parser *p, const struct path *at, const struct msg_table *table, char *to)
{
    struct msg_token token = msg_scan_value(&p->scan);
    if (token.type == MSG_TOKEN_ERROR)
        return false;
    if (!table->fields->name)
        return parse_value(p, at, table->fields, &token, to);
    if (token.type != MSG_TOKEN_OBJECT)
        return wrong(p, at, &token, "is not an object");
    return parse_struct(p, at, table, to);
}

/* Elements are counted before they are parsed, so that the caller frees a half-parsed one too. */
static bool parse_array(struct parser *p, const struct path *at, const struct msg_field *f,
                        const struct msg_token *token, char *to)
{
    char **first = (char **)(void *)(to + f->offset);
    size_t *count = (size_t *)(void *)(to + f->count_offset), cap = 0;
    if (token->type != MSG_TOKEN_ARRAY)
        return wrong(p, at, token, "is not an array");
    ASSERT(!*first && f->max > 0);
    int more;
    for (*count = 0; (more = msg_scan_element(&p->scan, *count == 0)) > 0;) {
        struct path element = {at, NULL, *count};
        if ((int64_t)*count == f->max)
            return fail(p, at, "FIELD_RANGE", "has more than %lld elements", (long long)f->max);
        if (*count == cap) {
            cap = cap ? cap * 2 : 4;
            *first = mem_grow(*first, cap, f->sub->size);
        }
        char *slot = *first + (*count)++ * f->sub->size;
        memset(slot, 0, f->sub->size);
        if (!parse_element(p, &element, f->sub, slot))
            return false;
    }
    if (more == 0 && (int64_t)*count < f->min)
        return fail(p, at, "FIELD_RANGE", "has fewer than %lld elements", (long long)f->min);
    return more == 0;
}

static bool parse_value(struct parser *p, const struct path *at, const struct msg_field *f,
                        const struct msg_token *token, char *to)
{
    int64_t *number = (int64_t *)(void *)(to + f->offset);
    switch (f->type) {
    case MSG_I64:
        return parse_i64(p, at, token, number) && check_bounds(p, at, f, *number);
    case MSG_MONEY:
    case MSG_MONEY_FIXED:
        return parse_money(p, at, token, number) && check_bounds(p, at, f, *number);
    case MSG_DATE_ISO:
    case MSG_DATE_ISO_US:
    case MSG_DATE_BLANK:
        return parse_date(p, at, token, number);
    case MSG_BOOL:
        return parse_bool(p, at, token, (bool *)(to + f->offset));
    case MSG_STRING:
        return parse_string(p, at, f, token, (char **)(void *)(to + f->offset));
    case MSG_OBJECT:
        if (token->type != MSG_TOKEN_OBJECT)
            return wrong(p, at, token, "is not an object");
        return parse_struct(p, at, f->sub, to + f->offset);
    case MSG_ARRAY:
        return parse_array(p, at, f, token, to);
    case MSG_COUNT:
    case MSG_CONST:
        break;
    }
    return msg_scan_skip(&p->scan, token);
}

/* The fields of an object that have come in: bit i is fields[i]. */
struct seen {
    uint64_t keys;   /* its key was there */
    uint64_t values; /* and was not null */
};

/* Index of the field of that name, searched from `from` on (members mostly come in the order of the table),
 * or nfields. */
static size_t find_field(const struct msg_table *table, struct slice name, size_t from)
{
    for (size_t k = 0; name.n && k < table->nfields; k++) {
        size_t i = from + k < table->nfields ? from + k : from + k - table->nfields;
        const char *candidate = table->fields[i].name;
        if (candidate[0] == name.p[0] && strncmp(candidate, name.p, name.n) == 0 && candidate[name.n] == '\0')
            return i;
    }
    return table->nfields;
}

/* Make room for a value of field i. False when an earlier spelling of it has come in, which wins over this
 * one as this one wins over a later. */
static bool take_turn(const struct msg_table *table, size_t i, const struct seen *seen, char *to)
{
    const struct msg_field *f = &table->fields[i];
    for (size_t k = 0; k < table->nfields; k++) {
        if (k == i || !(seen->values & (UINT64_C(1) << k)) || !msg_field_same(&table->fields[k], f))
            continue;
        if (k < i)
            return false;
        if (f->type == MSG_ARRAY)
            msg_field_free(&(struct msg_table){.fields = &table->fields[k], .nfields = 1}, to);
    }
    return true;
}

/* Store the value of field i, whose key was just taken. */
static bool parse_member(struct parser *p, const struct path *up, const struct msg_table *table, size_t i,
                         struct seen *seen, char *to)
{
    const struct msg_field *f = &table->fields[i];
    struct path at = {up, f->name, 0};
    uint64_t bit = UINT64_C(1) << i;
    if (seen->keys & bit)
        return fail(p, &at, "JSON_DUPLICATE", "is there twice");
    seen->keys |= bit;
    struct msg_token token = msg_scan_value(&p->scan);
    if (token.type == MSG_TOKEN_ERROR)
        return false;
    if (token.type == MSG_TOKEN_NULL)
        return true;
    if ((f->flags & MSG_OUT_ONLY) || !take_turn(table, i, seen, to))
        return msg_scan_skip(&p->scan, &token);
    seen->values |= bit;
    return parse_value(p, &at, f, &token, to);
}

static bool check_required(struct parser *p, const struct path *up, const struct msg_table *table,
                           const struct seen *seen)
{
    for (size_t i = 0; i < table->nfields; i++) {
        const struct msg_field *f = &table->fields[i];
        if (!(f->flags & MSG_REQUIRED))
            continue;
        bool there = false;
        for (size_t k = 0; k < table->nfields; k++)
            there = there || ((seen->values & (UINT64_C(1) << k)) && msg_field_same(&table->fields[k], f));
        there = there || (seen->values & (UINT64_C(1) << i));
        struct path at = {up, f->name, 0};
        if (!there)
            return fail(p, &at, "FIELD_MISSING", seen->keys & (UINT64_C(1) << i) ? "is null" : "is missing");
    }
    return true;
}

/* What stands for an absent value where 0 does not. */
static void set_nulls(const struct msg_table *table, char *to)
{
    for (const struct msg_field *f = table->fields; f < table->fields + table->nfields; f++)
        if (f->flags & MSG_NEG_IS_NULL)
            *(int64_t *)(void *)(to + f->offset) = -1;
}

/* The members of an object whose bracket was taken. */
static bool parse_struct(struct parser *p, const struct path *at, const struct msg_table *table, char *to)
{
    struct seen seen = {0};
    struct msg_token key;
    size_t base = p->scan.nkeys, guess = 0;
    int more;
    ASSERT(table->nfields <= MSG_MAX_FIELDS);
    set_nulls(table, to);
    for (bool first = true; (more = msg_scan_key(&p->scan, first, &key)) > 0; first = false) {
        size_t i = find_field(table, msg_scan_text(&key, &p->scratch), guess);
        if (i < table->nfields) {
            if (!parse_member(p, at, table, i, &seen, to))
                return false;
            guess = i + 1;
            continue;
        }
        if (!msg_scan_remember(&p->scan, base, &key))
            return false;
        struct msg_token token = msg_scan_value(&p->scan);
        if (token.type == MSG_TOKEN_ERROR || !msg_scan_skip(&p->scan, &token))
            return false;
    }
    p->scan.nkeys = base;
    return more == 0 && check_required(p, at, table, &seen);
}

static bool parse_text(struct parser *p, const struct msg_table *table, void *to)
{
    struct msg_token token = msg_scan_value(&p->scan);
    if (token.type == MSG_TOKEN_ERROR)
        return false;
    if (token.type != MSG_TOKEN_OBJECT) {
        error_set(p->e, ERROR_PERMANENT, "JSON_SYNTAX", "byte 0: not an object");
        return false;
    }
    return parse_struct(p, NULL, table, to) && msg_scan_end(&p->scan);
}

bool msg_field_parse(const struct msg_table *table, const char *text, size_t n, void *to, struct error *e)
{
    struct parser p = {.scratch = BUF_INIT, .e = e};
    memset(to, 0, table->size);
    msg_scan_init(&p.scan, text, n, e);
    bool ok = parse_text(&p, table, to);
    if (!ok)
        msg_field_free(table, to);
    msg_scan_free(&p.scan);
    buf_free(&p.scratch);
    return ok;
}
