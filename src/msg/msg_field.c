/* Field tables: printing a struct and freeing it. Parsing is in msg_field_parse.c, schemas in
 * msg_field_schema.c. */
#include "msg/msg_field.h"

bool msg_field_same(const struct msg_field *a, const struct msg_field *b)
{
    return a->offset == b->offset && a->type != MSG_OBJECT && b->type != MSG_OBJECT && a->type != MSG_CONST &&
           b->type != MSG_CONST;
}

static int64_t get_i64(const struct msg_field *f, const char *from)
{
    return *(const int64_t *)(const void *)(from + f->offset);
}

static const char *get_pointer(const struct msg_field *f, const char *from)
{
    return *(char *const *)(const void *)(from + f->offset);
}

static size_t get_count(size_t offset, const char *from)
{
    return *(const size_t *)(const void *)(from + offset);
}

static bool is_null(const struct msg_field *f, const char *from)
{
    switch (f->type) {
    case MSG_STRING:
        return !get_pointer(f, from);
    case MSG_I64:
    case MSG_MONEY:
    case MSG_MONEY_FIXED:
    case MSG_DATE_ISO:
    case MSG_DATE_ISO_US:
    case MSG_DATE_BLANK:
        return ((f->flags & MSG_ZERO_IS_NULL) && get_i64(f, from) == 0) ||
               ((f->flags & MSG_NEG_IS_NULL) && get_i64(f, from) < 0);
    default:
        return false;
    }
}

static void write_value(struct msg_json *j, const struct msg_field *f, unsigned view, const char *from)
{
    if (is_null(f, from)) {
        msg_json_null(j);
        return;
    }
    switch (f->type) {
    case MSG_I64:
        msg_json_i64(j, get_i64(f, from));
        break;
    case MSG_COUNT:
        msg_json_i64(j, (int64_t)get_count(f->offset, from));
        break;
    case MSG_BOOL:
        msg_json_bool(j, *(const bool *)(from + f->offset));
        break;
    case MSG_STRING:
        msg_json_string(j, get_pointer(f, from));
        break;
    case MSG_MONEY:
        msg_json_money(j, get_i64(f, from));
        break;
    case MSG_MONEY_FIXED:
        msg_json_money_fixed(j, get_i64(f, from));
        break;
    case MSG_DATE_ISO:
        msg_json_date_iso(j, get_i64(f, from));
        break;
    case MSG_DATE_ISO_US:
        msg_json_date_iso_us(j, get_i64(f, from));
        break;
    case MSG_DATE_BLANK:
        msg_json_date_blank(j, get_i64(f, from));
        break;
    case MSG_CONST:
        msg_json_string(j, f->example);
        break;
    case MSG_OBJECT:
        msg_field_write(j, f->sub, view, from + f->offset);
        break;
    case MSG_ARRAY:
        msg_field_write_array(j, f->sub, view, get_pointer(f, from), get_count(f->count_offset, from));
        break;
    }
}

void msg_field_write(struct msg_json *j, const struct msg_table *table, unsigned view, const void *from)
{
    const struct msg_field *f = table->fields;
    if (!f->name) {
        write_value(j, f, view, from);
        return;
    }
    msg_json_object(j);
    for (; f < table->fields + table->nfields; f++) {
        if (f->views && !(f->views & view))
            continue;
        if ((f->flags & MSG_OMIT_NULL) && is_null(f, from))
            continue;
        msg_json_key(j, f->name);
        write_value(j, f, view, from);
    }
    msg_json_object_end(j);
}

void msg_field_write_array(struct msg_json *j, const struct msg_table *table, unsigned view,
                           const void *first, size_t n)
{
    msg_json_array(j);
    for (size_t i = 0; i < n; i++)
        msg_field_write(j, table, view, (const char *)first + i * table->size);
    msg_json_array_end(j);
}

void msg_field_print_view(struct buf *out, const struct msg_table *table, unsigned view, const void *from)
{
    struct msg_json j = MSG_JSON(out);
    msg_field_write(&j, table, view, from);
}

void msg_field_print(struct buf *out, const struct msg_table *table, const void *from)
{
    msg_field_print_view(out, table, ~0u, from);
}

static void free_pointer(char *of)
{
    mem_free(*(char **)(void *)of);
    *(char **)(void *)of = NULL;
}

/* Free what the members point to, except arrays themselves: several spellings of one array, each knowing
 * other members of its elements, have to look at the elements first. */
static void free_inner(const struct msg_table *table, char *of)
{
    for (const struct msg_field *f = table->fields; f < table->fields + table->nfields; f++) {
        if (f->type == MSG_STRING) {
            free_pointer(of + f->offset);
        } else if (f->type == MSG_OBJECT) {
            free_inner(f->sub, of + f->offset);
        } else if (f->type == MSG_ARRAY) {
            char *first = *(char **)(void *)(of + f->offset);
            for (size_t i = 0; first && i < get_count(f->count_offset, of); i++)
                free_inner(f->sub, first + i * f->sub->size);
        }
    }
}

static void free_arrays(const struct msg_table *table, char *of)
{
    for (const struct msg_field *f = table->fields; f < table->fields + table->nfields; f++) {
        if (f->type == MSG_OBJECT)
            free_arrays(f->sub, of + f->offset);
        if (f->type != MSG_ARRAY)
            continue;
        char *first = *(char **)(void *)(of + f->offset);
        for (size_t i = 0; first && i < get_count(f->count_offset, of); i++)
            free_arrays(f->sub, first + i * f->sub->size);
        free_pointer(of + f->offset);
    }
}

void msg_field_free(const struct msg_table *table, void *of)
{
    free_inner(table, of);
    free_arrays(table, of);
    memset(of, 0, table->size);
}
