/* The registered tables, the values in use, and the change from one set of values to the next. */
#include "base/option.h"

#include "base/option_private.h"

static struct {
    const struct option_table **tables;
    size_t ntables;
    const struct option **options; /* of all tables, in order of registration */
    size_t noptions;
    const struct option_alias **aliases;
    size_t naliases;
    struct option_snapshot current; /* what the values in use were made from */
    struct option_sources sources;
} state;

/* A table that contradicts itself is a bug; say which key. */
static void require(bool holds, const struct option *o)
{
    if (!holds)
        base_bug(__FILE__, __LINE__, o->key);
}

static void check_definition(const struct option *o)
{
    struct slice prefix;
    union option_value parsed;
    bool is_map = option_key_prefix(o->key, &prefix);
    require(is_map == (o->type == OPTION_MAP), o);
    require((o->def == NULL) == is_map, o);
    require(o->value != NULL && o->help != NULL, o);
    require(o->choices || (o->type != OPTION_ENUM && o->type != OPTION_SET), o);
    require(is_map || option_value_parse(o, slice_of(o->def), &parsed), o);
    /* Keys must also differ in the environment, where '.' and '-' are the same. */
    struct buf a = BUF_INIT, b = BUF_INIT;
    option_key_environment(slice_of(o->key), &a);
    for (size_t i = 0; i < state.noptions; i++) {
        option_key_environment(slice_of(state.options[i]->key), &b);
        require(!slice_eq(buf_slice(&a), buf_str(&b)), o);
    }
    buf_free(&a);
    buf_free(&b);
}

void option_register(const struct option_table *table)
{
    ASSERT(state.current.cells == NULL); /* before loading */
    state.tables = mem_grow(state.tables, state.ntables + 1, sizeof(*state.tables));
    state.tables[state.ntables++] = table;
    for (const struct option *o = table->options; o->key; o++) {
        check_definition(o);
        state.options = mem_grow(state.options, state.noptions + 1, sizeof(*state.options));
        state.options[state.noptions++] = o;
    }
    for (const struct option_alias *a = table->aliases; a && a->from; a++) {
        state.aliases = mem_grow(state.aliases, state.naliases + 1, sizeof(*state.aliases));
        state.aliases[state.naliases++] = a;
    }
}

const struct option *option_at(size_t index)
{
    return index < state.noptions ? state.options[index] : NULL;
}

const struct option_alias *option_alias_at(size_t index)
{
    return index < state.naliases ? state.aliases[index] : NULL;
}

const struct option_cells *option_cells_at(size_t index)
{
    return index < state.current.len ? &state.current.cells[index] : NULL;
}

static void map_clear_values(struct option_map *map)
{
    for (size_t i = 0; i < map->len; i++) {
        mem_free(map->entries[i].key);
        mem_free(map->entries[i].value);
    }
    mem_free(map->entries);
    *map = (struct option_map){0};
}

static void apply_map(struct option_map *map, const struct option_cells *cells)
{
    map_clear_values(map);
    map->entries = mem_array(cells->len, sizeof(*map->entries));
    map->len = cells->len;
    for (size_t i = 0; i < cells->len; i++) {
        map->entries[i].key = mem_strdup(cells->items[i].sub);
        map->entries[i].value = mem_strdup(cells->items[i].text);
    }
}

/* Write the value of the cells to where its owner reads it. owned: the engine wrote there before. */
static void apply(const struct option *o, const struct option_cells *cells, bool owned)
{
    union option_value v = {0};
    if (o->type == OPTION_MAP) {
        if (!owned)
            *(struct option_map *)o->value = (struct option_map){0};
        apply_map(o->value, cells);
        return;
    }
    const char *text = cells->items[0].text;
    /* A secret's file was checked as a whole, a default when it was registered. */
    ASSERT(option_value_parse(o, slice_of(text), &v));
    switch (o->type) {
    case OPTION_STRING:
        if (owned)
            mem_free(*(char **)o->value);
        *(char **)o->value = mem_strdup(text);
        break;
    case OPTION_BOOL:
        *(bool *)o->value = v.flag;
        break;
    case OPTION_INT:
    case OPTION_DURATION:
    case OPTION_SIZE:
        *(int64_t *)o->value = v.n;
        break;
    case OPTION_ENUM:
        *(int *)o->value = v.index;
        break;
    case OPTION_SET:
        *(uint64_t *)o->value = v.set;
        break;
    case OPTION_MAP:
        break;
    }
}

static bool run_checks(struct error *e)
{
    for (size_t i = 0; i < state.ntables; i++)
        if (state.tables[i]->check && !state.tables[i]->check(e))
            return false;
    return true;
}

static void list_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        mem_free(list[i]);
    mem_free(list);
}

/* Copy the strings of a NULL-terminated list that start with prefix and hold a '='. */
static char **list_copy(const char *const *list, const char *prefix, bool assignments)
{
    size_t n = 0;
    char **copy = mem_zalloc(sizeof(*copy));
    for (; list && *list; list++) {
        if (!str_starts_with(*list, prefix) || (assignments && !strchr(*list, '=')))
            continue;
        copy = mem_grow(copy, n + 2, sizeof(*copy));
        copy[n++] = mem_strdup(*list);
        copy[n] = NULL;
    }
    return copy;
}

static void sources_free(void)
{
    mem_free(state.sources.file);
    list_free(state.sources.environment);
    list_free(state.sources.sets);
    state.sources = (struct option_sources){0};
}

/* Free the values in use. */
static void values_free(void)
{
    for (size_t i = 0; i < state.current.len; i++) {
        const struct option *o = state.options[i];
        if (o->type == OPTION_STRING) {
            mem_free(*(char **)o->value);
            *(char **)o->value = NULL;
        } else if (o->type == OPTION_MAP) {
            map_clear_values(o->value);
        }
    }
    option_snapshot_free(&state.current);
}

bool option_load(const char *file, char *const *environment, const char *const *sets, option_note_fn *note,
                 void *arg, struct error *e)
{
    struct option_snapshot next;
    values_free();
    sources_free();
    state.sources.file = file ? mem_strdup(file) : NULL;
    state.sources.environment = list_copy((const char *const *)environment, OPTION_ENVIRONMENT_PREFIX, true);
    state.sources.sets = list_copy(sets, "", false);
    if (!option_snapshot_read(&next, &state.sources, note, arg, e)) {
        option_snapshot_free(&next);
        return false;
    }
    state.current = next;
    for (size_t i = 0; i < state.noptions; i++)
        apply(state.options[i], &next.cells[i], false);
    return run_checks(e);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_values(const struct option_cells *a, const struct option_cells *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (!same_text(a->items[i].sub, b->items[i].sub) || strcmp(a->items[i].text, b->items[i].text) != 0)
            return false;
    return true;
}

enum change {
    CHANGE_NONE,
    CHANGE_NOW,   /* takes effect */
    CHANGE_LATER, /* needs a restart: the value in use stays */
};

static enum change change_of(size_t i, const struct option_snapshot *next)
{
    if (same_values(&state.current.cells[i], &next->cells[i]))
        return CHANGE_NONE;
    return state.options[i]->flags & (OPTION_RELOAD | OPTION_SECRET) ? CHANGE_NOW : CHANGE_LATER;
}

/* Write the values of all keys that change now, from one set of cells or the other. */
static void apply_changes(const struct option_snapshot *next, const struct option_snapshot *from)
{
    for (size_t i = 0; i < state.noptions; i++)
        if (change_of(i, next) == CHANGE_NOW)
            apply(state.options[i], &from->cells[i], true);
}

/* Take over the cells of what is in use now and tell what happened. */
static void adopt(struct option_snapshot *next, option_note_fn *note, void *arg)
{
    for (size_t i = 0; i < state.noptions; i++) {
        enum change change = change_of(i, next);
        if (change != CHANGE_NONE && note) {
            struct buf text = BUF_INIT;
            buf_printf(&text, "%s changed%s", state.options[i]->key,
                       change == CHANGE_LATER ? ", which takes effect at the next start" : "");
            note(arg, change == CHANGE_LATER, buf_str(&text));
            buf_free(&text);
        }
        if (change == CHANGE_LATER)
            continue;
        struct option_cells old = state.current.cells[i];
        state.current.cells[i] = next->cells[i];
        next->cells[i] = old;
    }
}

bool option_reload(option_note_fn *note, void *arg, struct error *e)
{
    struct option_snapshot next;
    ASSERT(state.current.cells != NULL);
    bool ok = option_snapshot_read(&next, &state.sources, NULL, NULL, e);
    if (ok) {
        apply_changes(&next, &next);
        ok = run_checks(e);
        if (ok)
            adopt(&next, note, arg);
        else
            apply_changes(&next, &state.current);
    }
    option_snapshot_free(&next);
    return ok;
}

const char *option_origin(const char *key)
{
    struct option_target target;
    option_lookup(slice_of(key), &target);
    const struct option_cells *cells =
        target.kind == OPTION_TARGET_VALUE ? option_cells_at(target.index) : NULL;
    for (size_t i = 0; cells && i < cells->len; i++)
        if (!cells->items[i].sub || strcmp(cells->items[i].sub, target.sub) == 0)
            return cells->items[i].origin;
    return NULL;
}

void option_reset(void)
{
    values_free();
    sources_free();
    mem_free(state.tables);
    mem_free(state.options);
    mem_free(state.aliases);
    memset(&state, 0, sizeof(state));
}
