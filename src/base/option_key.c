/* Keys: where each leads to, its name in the environment, and the nearest one for a slip of the pen. */
#include "base/option_private.h"

#define SPRING           "spring."
#define LONGEST_COMPARED 96
#define LONGEST_SLIP     4

struct slice option_key_plain(struct slice key)
{
    size_t n = sizeof(SPRING) - 1;
    if (key.n > n && memcmp(key.p, SPRING, n) == 0)
        return (struct slice){key.p + n, key.n - n};
    return key;
}

bool option_key_prefix(const char *pattern, struct slice *prefix)
{
    size_t n = strlen(pattern);
    if (n < 2 || strcmp(pattern + n - 2, ".*") != 0)
        return false;
    *prefix = (struct slice){pattern, n - 1};
    return true;
}

static bool contains_fold(struct slice s, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.n; i++)
        if (slice_ieq((struct slice){s.p + i, n}, word))
            return true;
    return false;
}

bool option_key_secret(struct slice key)
{
    static const char *const words[] = {
        "pass", "secret", "token", "credential", "jaas", "oauthbearer.config", "key.pem"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (contains_fold(key, words[i]))
            return true;
    return false;
}

bool option_is_secret(const struct option *o, const char *sub)
{
    if (o->flags & OPTION_SECRET)
        return true;
    return o->type == OPTION_MAP && sub && option_key_secret(slice_of(sub));
}

void option_key_environment(struct slice key, struct buf *out)
{
    buf_clear(out);
    buf_puts(out, OPTION_ENVIRONMENT_PREFIX);
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        buf_putc(out, c == '.' || c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
}

static bool starts_with(struct slice key, struct slice prefix)
{
    return key.n >= prefix.n && memcmp(key.p, prefix.p, prefix.n) == 0;
}

/* Without "-file"; *cut says whether it was there. */
static struct slice without_file(struct slice key, bool *cut)
{
    size_t n = sizeof(OPTION_FILE_SUFFIX) - 1;
    *cut = key.n > n && memcmp(key.p + key.n - n, OPTION_FILE_SUFFIX, n) == 0;
    return *cut ? (struct slice){key.p, key.n - n} : key;
}

static bool find_option(struct slice key, struct option_target *out)
{
    bool cut;
    struct slice secret = without_file(key, &cut);
    const struct option *o;
    for (size_t i = 0; (o = option_at(i)); i++) {
        if (o->type == OPTION_MAP)
            continue;
        bool file = cut && (o->flags & OPTION_SECRET) && slice_eq(secret, o->key);
        if (!file && !slice_eq(key, o->key))
            continue;
        out->kind = OPTION_TARGET_VALUE;
        out->index = i;
        out->file = file;
        return true;
    }
    return false;
}

/* A key below the prefix of a map; returns the length of the prefix, 0 when there is none. */
static size_t find_map(struct slice key, struct option_target *out)
{
    size_t longest = 0;
    const struct option *o;
    for (size_t i = 0; (o = option_at(i)); i++) {
        struct slice prefix;
        if (o->type != OPTION_MAP || !option_key_prefix(o->key, &prefix) || prefix.n <= longest ||
            key.n <= prefix.n || key.n - prefix.n >= sizeof(out->sub) || !starts_with(key, prefix))
            continue;
        longest = prefix.n;
        bool cut;
        struct slice sub = without_file((struct slice){key.p + prefix.n, key.n - prefix.n}, &cut);
        out->file = cut && ((o->flags & OPTION_SECRET) || option_key_secret(sub));
        if (cut && !out->file)
            sub.n += sizeof(OPTION_FILE_SUFFIX) - 1;
        memcpy(out->sub, sub.p, sub.n);
        out->sub[sub.n] = '\0';
        out->kind = OPTION_TARGET_VALUE;
        out->index = i;
    }
    return longest;
}

/* The alias that fits best: the key itself, else the longest prefix. *rest gets what its star stands for. */
static const struct option_alias *find_alias(struct slice key, size_t *weight, struct slice *rest)
{
    const struct option_alias *best = NULL, *a;
    *weight = 0;
    for (size_t i = 0; (a = option_alias_at(i)); i++) {
        struct slice from = option_key_plain(slice_of(a->from)), prefix;
        bool star = option_key_prefix(from.p, &prefix);
        if (!star && slice_eq(key, from.p)) {
            *weight = SIZE_MAX;
            *rest = (struct slice){0};
            return a;
        }
        if (star && prefix.n > *weight && key.n > prefix.n && starts_with(key, prefix)) {
            best = a;
            *weight = prefix.n;
            *rest = (struct slice){key.p + prefix.n, key.n - prefix.n};
        }
    }
    return best;
}

static void lookup(struct slice key, int depth, struct option_target *out);

/* Go on with the key that an alias stands for. */
static void follow(const struct option_alias *a, struct slice rest, int depth, struct option_target *out)
{
    if (!a->to) {
        *out = (struct option_target){.kind = OPTION_TARGET_IGNORED, .why = a->why};
        return;
    }
    ASSERT(depth < 4); /* else a table's aliases form a ring */
    struct buf to = BUF_INIT;
    struct slice prefix;
    if (option_key_prefix(a->to, &prefix)) {
        buf_put_slice(&to, prefix);
        buf_put_slice(&to, rest);
    } else {
        buf_puts(&to, a->to);
    }
    lookup(buf_slice(&to), depth + 1, out);
    if (out->kind == OPTION_TARGET_VALUE && !out->why)
        out->why = a->why;
    buf_free(&to);
}

static void lookup(struct slice key, int depth, struct option_target *out)
{
    *out = (struct option_target){0};
    key = option_key_plain(key);
    if (find_option(key, out))
        return;
    size_t weight;
    struct slice rest;
    const struct option_alias *a = find_alias(key, &weight, &rest);
    if (find_map(key, out) >= weight && out->kind == OPTION_TARGET_VALUE)
        return;
    if (a) {
        follow(a, rest, depth, out);
        return;
    }
    /* The file of a secret under its other name. */
    bool cut;
    struct slice secret = without_file(key, &cut);
    a = cut ? find_alias(secret, &weight, &rest) : NULL;
    if (!a || !a->to)
        return;
    follow(a, rest, depth, out);
    if (out->kind == OPTION_TARGET_VALUE && option_is_secret(option_at(out->index), out->sub))
        out->file = true;
    else
        *out = (struct option_target){0};
}

void option_lookup(struct slice key, struct option_target *out)
{
    lookup(key, 0, out);
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c == '_' ? '-' : c;
}

/* Optimal string alignment: insertions, deletions, changes, and two neighbours swapped, row by row. */
size_t option_key_distance(struct slice a, struct slice b)
{
    size_t rows[3][LONGEST_COMPARED + 1];
    size_t slips = a.n / 3 < LONGEST_SLIP ? a.n / 3 : LONGEST_SLIP;
    if (a.n > LONGEST_COMPARED || b.n > LONGEST_COMPARED)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            bool same = fold(a.p[i - 1]) == fold(b.p[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + !same);
            if (i > 1 && j > 1 && fold(a.p[i - 1]) == fold(b.p[j - 2]) &&
                fold(a.p[i - 2]) == fold(b.p[j - 1]) && above2[j - 2] + 1 < row[j])
                row[j] = above2[j - 2] + 1;
        }
    }
    size_t distance = rows[a.n % 3][b.n];
    return distance <= slips ? distance : SIZE_MAX;
}

void option_nearest(struct slice key, bool environment, struct buf *out)
{
    struct buf name = BUF_INIT;
    size_t best = SIZE_MAX;
    const struct option *o;
    buf_clear(out);
    key = option_key_plain(key);
    for (size_t i = 0; (o = option_at(i)); i++) {
        struct slice prefix;
        if (option_key_prefix(o->key, &prefix))
            continue;
        for (int file = 0; file <= ((o->flags & OPTION_SECRET) ? 1 : 0); file++) {
            buf_clear(&name);
            buf_printf(&name, "%s%s", o->key, file ? OPTION_FILE_SUFFIX : "");
            if (environment) {
                struct buf plain = name;
                name = BUF_INIT;
                option_key_environment(buf_slice(&plain), &name);
                buf_free(&plain);
            }
            size_t distance = option_key_distance(key, buf_slice(&name));
            if (distance < best) {
                best = distance;
                buf_clear(out);
                buf_put_slice(out, buf_slice(&name));
            }
        }
    }
    buf_free(&name);
}
