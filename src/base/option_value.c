/* Typed values: text to value, and the sentence that says what would have been accepted. */
#include "base/option_private.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 86400 * 1000},
};

static const struct unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"K", INT64_C(1) << 10},
    {"KB", INT64_C(1) << 10},
    {"M", INT64_C(1) << 20},
    {"MB", INT64_C(1) << 20},
    {"G", INT64_C(1) << 30},
    {"GB", INT64_C(1) << 30},
};

/* Digits and one of the units behind them. */
static bool parse_with_unit(struct slice text, const struct unit *units, size_t nunits, int64_t *out)
{
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    struct slice name = {text.p + digits, text.n - digits};
    int64_t v;
    if (!str_to_i64(text.p, digits, &v))
        return false;
    for (size_t i = 0; i < nunits; i++)
        if (slice_ieq(name, units[i].name))
            return !__builtin_mul_overflow(v, units[i].factor, out);
    return false;
}

static bool parse_bool(struct slice text, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        *out = slice_ieq(text, yes[i]);
        if (*out || slice_ieq(text, no[i]))
            return true;
    }
    return false;
}

/* Cut the next of the parts between separators off the front. False when there is none left. */
static bool next_part(struct slice *rest, char separator, struct slice *part)
{
    if (!rest->p)
        return false;
    const char *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
    size_t n = at ? (size_t)(at - rest->p) : rest->n;
    *part = (struct slice){rest->p, n};
    *rest = at ? (struct slice){at + 1, rest->n - n - 1} : (struct slice){0};
    return true;
}

/* The number of the choice with this name, or -1. */
static int find_choice(const struct option *o, struct slice text)
{
    for (int i = 0; o->choices[i]; i++) {
        struct slice names = slice_of(o->choices[i]), name;
        while (next_part(&names, '|', &name))
            if (slice_iequal(name, text))
                return i;
    }
    return -1;
}

static bool parse_set(const struct option *o, struct slice text, uint64_t *out)
{
    *out = 0;
    if (text.n == 0)
        return true;
    struct slice part;
    while (next_part(&text, ',', &part)) {
        part = slice_trim(part);
        int choice = find_choice(o, part);
        if (slice_eq(part, "*"))
            for (int i = 0; o->choices[i]; i++)
                *out |= UINT64_C(1) << i;
        else if (choice >= 0)
            *out |= UINT64_C(1) << choice;
        else
            return false;
    }
    return true;
}

static bool has_max(const struct option *o)
{
    return o->max != 0 || o->min < 0;
}

static bool within_bounds(const struct option *o, int64_t v)
{
    if (o->min == 0 && o->max == 0)
        return true;
    return v >= o->min && (!has_max(o) || v <= o->max);
}

bool option_value_parse(const struct option *o, struct slice text, union option_value *out)
{
    switch (o->type) {
    case OPTION_STRING:
    case OPTION_MAP:
        return true;
    case OPTION_BOOL:
        return parse_bool(text, &out->flag);
    case OPTION_INT:
        return str_to_i64(text.p, text.n, &out->n) && within_bounds(o, out->n);
    case OPTION_DURATION:
        return parse_with_unit(text, durations, ARRAY_LEN(durations), &out->n) && within_bounds(o, out->n);
    case OPTION_SIZE:
        return parse_with_unit(text, sizes, ARRAY_LEN(sizes), &out->n) && within_bounds(o, out->n);
    case OPTION_ENUM:
        out->index = find_choice(o, text);
        return out->index >= 0;
    case OPTION_SET:
        return parse_set(o, text, &out->set);
    }
    return false;
}

/* In the largest unit that leaves no rest. Units with one name in the table come last of their size. */
static void print_bound(const struct option *o, int64_t v, struct buf *out)
{
    const struct unit *units = o->type == OPTION_DURATION ? durations : sizes;
    size_t n = o->type == OPTION_DURATION ? ARRAY_LEN(durations) : ARRAY_LEN(sizes);
    if (o->type != OPTION_INT && v > 0) {
        while (v % units[n - 1].factor != 0)
            n--;
        buf_put_i64(out, v / units[n - 1].factor);
        buf_puts(out, units[n - 1].name);
    } else {
        buf_put_i64(out, v);
    }
}

static void describe_bounds(const struct option *o, struct buf *out)
{
    if (o->min == 0 && o->max == 0)
        return;
    buf_puts(out, has_max(o) ? " from " : " of at least ");
    print_bound(o, o->min, out);
    if (has_max(o)) {
        buf_puts(out, " to ");
        print_bound(o, o->max, out);
    }
}

static void describe_choices(const struct option *o, struct buf *out)
{
    for (int i = 0; o->choices[i]; i++) {
        struct slice names = slice_of(o->choices[i]), name;
        for (int k = 0; next_part(&names, '|', &name); k++) {
            buf_puts(out, k == 1 ? " (also " : i + k ? ", " : "");
            buf_put_slice(out, name);
        }
        if (strchr(o->choices[i], '|'))
            buf_putc(out, ')');
    }
}

void option_value_describe(const struct option *o, struct buf *out)
{
    switch (o->type) {
    case OPTION_STRING:
    case OPTION_MAP:
        buf_puts(out, "a text");
        break;
    case OPTION_BOOL:
        buf_puts(out, "true or false");
        break;
    case OPTION_INT:
        buf_puts(out, "a whole number");
        describe_bounds(o, out);
        break;
    case OPTION_DURATION:
        buf_puts(out, "a duration (500ms, 5s, 1m, 25h, 7d)");
        describe_bounds(o, out);
        break;
    case OPTION_SIZE:
        buf_puts(out, "a size (512B, 64KB, 32MB, 1GB)");
        describe_bounds(o, out);
        break;
    case OPTION_ENUM:
        buf_puts(out, "one of ");
        describe_choices(o, out);
        break;
    case OPTION_SET:
        buf_puts(out, "a comma list of ");
        describe_choices(o, out);
        buf_puts(out, ", or * for all");
        break;
    }
}
