/* Reads the sources of the configuration into cells, one after the other, and validates each value where it
 * stands: a fault is reported with the line that has it, even if a later source would replace it. */
#include "base/option_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/properties.h"

#define CONFIG_MAX (4 << 20)
#define SECRET_MAX (64 << 10)
#define SHOWN_MAX  64 /* bytes of a key or value in a message */

struct loader {
    struct option_snapshot *to;
    enum option_source source;
    const char *file; /* OPTION_FROM_FILE: its name */
    int line;
    option_note_fn *note;
    void *arg;
};

/* A pair as it was written. */
struct pair {
    struct slice key;
    struct slice value;
};

static void put_clipped(struct buf *out, struct slice s)
{
    if (s.n <= SHOWN_MAX) {
        buf_put_slice(out, s);
    } else {
        buf_put(out, s.p, str_utf8_cut(s.p, SHOWN_MAX));
        buf_puts(out, "...");
    }
}

static void put_origin(const struct loader *l, struct buf *out)
{
    switch (l->source) {
    case OPTION_FROM_DEFAULT:
        buf_puts(out, "default");
        break;
    case OPTION_FROM_FILE:
        buf_printf(out, "%s:%d", l->file, l->line);
        break;
    case OPTION_FROM_ENVIRONMENT:
        buf_puts(out, "environment");
        break;
    case OPTION_FROM_SET:
        buf_puts(out, "--set");
        break;
    }
}

/* Set e to "ORIGIN: KEY = VALUE: why" and return false. */
PRINTF_LIKE(5, 6)
static bool fault(const char *origin, struct pair p, bool secret, struct error *e, const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    size_t n = strlen(origin);
    buf_printf(&text, "%s%s: ", n > 2 * SHOWN_MAX ? "..." : "",
               n > 2 * SHOWN_MAX ? origin + n - 2 * SHOWN_MAX : origin);
    put_clipped(&text, p.key);
    buf_puts(&text, " = ");
    put_clipped(&text, secret && p.value.n ? SLICE(OPTION_MASK) : p.value);
    buf_puts(&text, ": ");
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    error_set(e, ERROR_PERMANENT, "CONFIG", "%s", buf_str(&text));
    buf_free(&text);
    return false;
}

PRINTF_LIKE(3, 4) static void note(const struct loader *l, bool warning, const char *fmt, ...)
{
    if (!l->note)
        return;
    struct buf text = BUF_INIT;
    put_origin(l, &text);
    buf_puts(&text, ": ");
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    l->note(l->arg, warning, buf_str(&text));
    buf_free(&text);
}

static bool unknown_key(const char *origin, struct pair p, struct error *e)
{
    struct buf near = BUF_INIT;
    struct option_target target = {0};
    option_nearest(p.key, false, &near);
    bool secret = option_key_secret(p.key);
    if (near.len) {
        option_lookup(buf_slice(&near), &target);
        secret = secret || (option_at(target.index)->flags & OPTION_SECRET);
        fault(origin, p, secret, e, "unknown key, the nearest is %s", buf_str(&near));
    } else {
        fault(origin, p, secret, e, "unknown key, rushd --dump-config prints all");
    }
    buf_free(&near);
    return false;
}

static bool unacceptable(const char *origin, struct pair p, const struct option *o, bool secret,
                         struct error *e)
{
    struct buf expected = BUF_INIT;
    option_value_describe(o, &expected);
    fault(origin, p, secret, e, "expected %s", buf_str(&expected));
    buf_free(&expected);
    return false;
}

/* One line of printable text: what the file's format can hold, asked of all: a dump is read back. */
static bool is_line(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return str_is_utf8(s.p, s.n);
}

static struct option_cell *find_cell(struct option_cells *cells, const char *sub)
{
    for (size_t i = 0; i < cells->len; i++)
        if (!cells->items[i].sub || strcmp(cells->items[i].sub, sub) == 0)
            return &cells->items[i];
    return NULL;
}

static void cell_free(struct option_cell *c)
{
    mem_free(c->sub);
    mem_free(c->text);
    mem_free(c->path);
    mem_free(c->origin);
}

/* Two pairs of the same source that say different things about one key. Only --set may repeat itself. */
static bool contradicts(const struct option_cell *c, enum option_source source, bool file, struct slice value)
{
    if (c->source != source)
        return false;
    if (file != (c->path != NULL))
        return true;
    return source == OPTION_FROM_FILE && !slice_eq(value, file ? c->path : c->text);
}

static bool store(struct loader *l, const char *origin, struct pair p, const struct option_target *target,
                  struct error *e)
{
    const struct option *o = option_at(target->index);
    struct option_cells *cells = &l->to->cells[target->index];
    struct option_cell *c = find_cell(cells, target->sub);
    bool secret = !target->file && option_is_secret(o, target->sub);
    if (c && contradicts(c, l->source, target->file, p.value))
        return fault(origin, p, secret, e, "contradicts %s%s of %s", c->sub ? c->sub : o->key,
                     c->path ? OPTION_FILE_SUFFIX : "", c->origin);
    struct option_cell next = {.source = l->source, .origin = mem_strdup(origin)};
    next.sub = o->type == OPTION_MAP ? mem_strdup(target->sub) : NULL;
    next.text = target->file ? mem_strdup("") : mem_strndup(p.value.p, p.value.n);
    next.path = target->file ? mem_strndup(p.value.p, p.value.n) : NULL;
    if (c) {
        cell_free(c);
    } else {
        cells->items = mem_grow(cells->items, cells->len + 1, sizeof(*cells->items));
        c = &cells->items[cells->len++];
    }
    *c = next;
    return true;
}

static void note_alias(const struct loader *l, struct slice key, const struct option_target *target)
{
    int n = (int)(key.n < SHOWN_MAX ? key.n : SHOWN_MAX);
    if (target->kind == OPTION_TARGET_IGNORED)
        note(l, false, "%.*s has no meaning here%s%s", n, key.p, target->why ? ": " : "",
             target->why ? target->why : "");
    else if (target->why)
        note(l, false, "%.*s is read as %s: %s", n, key.p, option_at(target->index)->key, target->why);
}

/* Take one pair from the current source. */
static bool assign(struct loader *l, struct slice key, struct slice value, struct error *e)
{
    struct option_target target;
    struct buf origin = BUF_INIT;
    struct pair p = {key, slice_trim(value)};
    put_origin(l, &origin);
    option_lookup(key, &target);
    bool ok = true;
    if (!is_line(p.value)) {
        ok = fault(buf_str(&origin), (struct pair){key, SLICE("...")}, false, e,
                   "expected one line of text in UTF-8");
    } else if (target.kind == OPTION_TARGET_NONE) {
        ok = unknown_key(buf_str(&origin), p, e);
    } else if (target.kind == OPTION_TARGET_VALUE) {
        const struct option *o = option_at(target.index);
        union option_value parsed;
        if (!target.file && !option_value_parse(o, p.value, &parsed))
            ok = unacceptable(buf_str(&origin), p, o, option_is_secret(o, target.sub), e);
        else
            ok = store(l, buf_str(&origin), p, &target, e);
    }
    if (ok)
        note_alias(l, key, &target);
    buf_free(&origin);
    return ok;
}

/* Append the content of a file. Returns NULL or what went wrong. */
static const char *read_whole(const char *path, size_t max, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return strerror(errno);
    const char *why = NULL;
    while (!why) {
        ssize_t n = read(fd, buf_reserve(out, 4096), 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            why = strerror(errno);
        if (n <= 0)
            break;
        out->len += (size_t)n;
        if (out->len > max)
            why = "it is too large";
    }
    close(fd);
    return why;
}

static bool on_pair(void *arg, int line, struct slice key, struct slice value, struct error *e)
{
    struct loader *l = arg;
    l->line = line;
    return assign(l, key, value, e);
}

static bool load_file(struct loader *l, const char *file, struct error *e)
{
    struct buf text = BUF_INIT;
    const char *why = read_whole(file, CONFIG_MAX, &text);
    bool ok = false;
    l->source = OPTION_FROM_FILE;
    l->file = file;
    if (why) {
        error_set(e, ERROR_PERMANENT, "CONFIG", "%s: cannot be read: %s", file, why);
    } else {
        struct error inner = ERROR_INIT;
        int line;
        ok = properties_parse(text.data, text.len, on_pair, l, &inner);
        /* The reader knows lines only; faults of pairs name the file themselves. */
        if (!ok && sscanf(inner.text, "line %d: ", &line) == 1)
            error_set(e, inner.kind, inner.code, "%s:%d%s", file, line, strchr(inner.text, ':'));
        else if (!ok && e)
            *e = inner;
    }
    buf_free(&text);
    return ok;
}

/* The key that a variable of the environment stands for. */
static bool key_of_variable(struct slice name, struct buf *key)
{
    static const char spring[] = OPTION_ENVIRONMENT_PREFIX "SPRING_";
    struct buf plain = BUF_INIT, candidate = BUF_INIT;
    size_t skip = name.n >= sizeof(spring) - 1 && memcmp(name.p, spring, sizeof(spring) - 1) == 0
                      ? sizeof(spring) - 1
                      : sizeof(OPTION_ENVIRONMENT_PREFIX) - 1;
    buf_puts(&plain, OPTION_ENVIRONMENT_PREFIX);
    buf_put(&plain, name.p + skip, name.n - skip);
    bool found = false;
    const struct option *o;
    const struct option_alias *a;
    for (size_t i = 0; !found && (o = option_at(i)); i++) {
        for (int file = 0; !found && file <= ((o->flags & OPTION_SECRET) ? 1 : 0); file++) {
            buf_clear(key);
            buf_printf(key, "%s%s", o->key, file ? OPTION_FILE_SUFFIX : "");
            option_key_environment(buf_slice(key), &candidate);
            found = o->type != OPTION_MAP && slice_eq(buf_slice(&plain), buf_str(&candidate));
        }
    }
    for (size_t i = 0; !found && (a = option_alias_at(i)); i++) {
        buf_clear(key);
        buf_put_slice(key, option_key_plain(slice_of(a->from)));
        option_key_environment(buf_slice(key), &candidate);
        found = slice_eq(buf_slice(&plain), buf_str(&candidate));
    }
    buf_free(&plain);
    buf_free(&candidate);
    return found;
}

static bool load_environment(struct loader *l, char *const *environment, struct error *e)
{
    struct buf key = BUF_INIT;
    bool ok = true;
    l->source = OPTION_FROM_ENVIRONMENT;
    for (; ok && *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        struct slice name = {*environment, (size_t)(equals - *environment)};
        if (key_of_variable(name, &key)) {
            ok = assign(l, buf_slice(&key), slice_of(equals + 1), e);
            continue;
        }
        struct buf near = BUF_INIT;
        option_nearest(name, true, &near);
        note(l, true, "%.*s is no known key%s%s", (int)(name.n < SHOWN_MAX ? name.n : SHOWN_MAX), name.p,
             near.len ? ", the nearest is " : "", buf_str(&near));
        buf_free(&near);
    }
    buf_free(&key);
    return ok;
}

static bool load_sets(struct loader *l, char *const *sets, struct error *e)
{
    l->source = OPTION_FROM_SET;
    for (; *sets; sets++) {
        const char *equals = strchr(*sets, '=');
        struct slice key =
            slice_trim((struct slice){*sets, equals ? (size_t)(equals - *sets) : strlen(*sets)});
        if (!equals || key.n == 0 || !is_line(key)) {
            error_set(e, ERROR_PERMANENT, "CONFIG", "--set: expected KEY=VALUE");
            return false;
        }
        if (!assign(l, key, slice_of(equals + 1), e))
            return false;
    }
    return true;
}

static void load_defaults(struct loader *l)
{
    const struct option *o;
    l->source = OPTION_FROM_DEFAULT;
    for (size_t i = 0; (o = option_at(i)); i++) {
        if (o->type == OPTION_MAP)
            continue;
        struct option_cells *cells = &l->to->cells[i];
        cells->items = mem_zalloc(sizeof(*cells->items));
        cells->len = 1;
        cells->items[0].text = mem_strdup(o->def);
        cells->items[0].origin = mem_strdup("default");
        cells->items[0].source = OPTION_FROM_DEFAULT;
    }
}

/* Put what the file of a secret holds into its cell. */
static bool load_secret(const struct option *o, struct option_cell *c, struct error *e)
{
    struct buf key = BUF_INIT, text = BUF_INIT;
    struct slice prefix = slice_of(o->key);
    option_key_prefix(o->key, &prefix);
    buf_put_slice(&key, prefix);
    buf_printf(&key, "%s" OPTION_FILE_SUFFIX, c->sub ? c->sub : "");
    struct pair p = {buf_slice(&key), slice_of(c->path)};
    union option_value parsed;
    const char *why = read_whole(c->path, SECRET_MAX, &text);
    while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    bool ok = false;
    if (why)
        fault(c->origin, p, false, e, "cannot be read: %s", why);
    else if (!str_is_utf8(text.data, text.len))
        fault(c->origin, p, false, e, "expected a file with text in UTF-8");
    else if (!option_value_parse(o, buf_slice(&text), &parsed))
        unacceptable(c->origin, p, o, false, e);
    else
        ok = true;
    mem_free(c->text);
    c->text = buf_steal(&text);
    buf_free(&key);
    return ok;
}

static bool load_secrets(struct loader *l, struct error *e)
{
    for (size_t i = 0; i < l->to->len; i++)
        for (size_t k = 0; k < l->to->cells[i].len; k++) {
            struct option_cell *c = &l->to->cells[i].items[k];
            if (c->path && *c->path && !load_secret(option_at(i), c, e))
                return false;
        }
    return true;
}

bool option_snapshot_read(struct option_snapshot *out, const struct option_sources *from,
                          option_note_fn *note_fn, void *arg, struct error *e)
{
    size_t n = 0;
    while (option_at(n))
        n++;
    *out = (struct option_snapshot){.cells = mem_array(n, sizeof(*out->cells)), .len = n};
    struct loader l = {.to = out, .note = note_fn, .arg = arg};
    load_defaults(&l);
    return (!from->file || load_file(&l, from->file, e)) && load_environment(&l, from->environment, e) &&
           load_sets(&l, from->sets, e) && load_secrets(&l, e);
}

void option_cells_free(struct option_cells *cells)
{
    for (size_t i = 0; i < cells->len; i++)
        cell_free(&cells->items[i]);
    mem_free(cells->items);
    *cells = (struct option_cells){0};
}

void option_snapshot_free(struct option_snapshot *s)
{
    for (size_t i = 0; i < s->len; i++)
        option_cells_free(&s->cells[i]);
    mem_free(s->cells);
    *s = (struct option_snapshot){0};
}
