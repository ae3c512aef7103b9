/* Field tables: the JSON Schema of a table, in the dialect of OpenAPI 3.1. */
#include "msg/msg_field.h"

static void member(struct msg_json *j, const char *key, const char *text)
{
    msg_json_key(j, key);
    msg_json_string(j, text);
}

static const char *type_name(enum msg_type type)
{
    switch (type) {
    case MSG_I64:
    case MSG_COUNT:
        return "integer";
    case MSG_MONEY:
    case MSG_MONEY_FIXED:
        return "number";
    case MSG_BOOL:
        return "boolean";
    case MSG_OBJECT:
        return "object";
    case MSG_ARRAY:
        return "array";
    default:
        return "string";
    }
}

/* Dates have no zone, so JSON Schema's date-time does not fit. */
static const char *pattern(enum msg_type type)
{
    switch (type) {
    case MSG_DATE_ISO:
        return "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?$";
    case MSG_DATE_ISO_US:
        return "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}$";
    case MSG_DATE_BLANK:
        return "^\\d{4}-\\d{2}-\\d{2} \\d{2}:\\d{2}:\\d{2}$";
    default:
        return NULL;
    }
}

static bool nullable(const struct msg_field *f, enum msg_direction direction)
{
    if ((f->flags & (MSG_REQUIRED | MSG_EXPECTED)) || f->type == MSG_CONST)
        return false;
    if (direction == MSG_IN)
        return true;
    return !(f->flags & MSG_OMIT_NULL) &&
           (f->type == MSG_STRING || (f->flags & (MSG_ZERO_IS_NULL | MSG_NEG_IS_NULL)));
}

static bool always_there(const struct msg_field *f, enum msg_direction direction)
{
    return (f->flags & (MSG_REQUIRED | MSG_EXPECTED)) ||
           (direction == MSG_OUT && !(f->flags & MSG_OMIT_NULL));
}

static void bounds(struct msg_json *j, const struct msg_field *f, const char *min, const char *max)
{
    bool amount = f->type == MSG_MONEY || f->type == MSG_MONEY_FIXED;
    bool length = f->type == MSG_STRING || f->type == MSG_ARRAY;
    void (*number)(struct msg_json *, int64_t) = amount ? msg_json_money : msg_json_i64;
    if (f->min == 0 && f->max == 0)
        return;
    if (f->min || !length) {
        msg_json_key(j, min);
        number(j, f->min);
    }
    if (f->max != INT64_MAX && (f->max || !length)) {
        msg_json_key(j, max);
        number(j, f->max);
    }
}

static void write_object(struct msg_json *j, const struct msg_table *table, enum msg_direction direction);

static void write_type(struct msg_json *j, const struct msg_field *f, enum msg_direction direction)
{
    msg_json_key(j, "type");
    if (nullable(f, direction)) {
        msg_json_array(j);
        msg_json_string(j, type_name(f->type));
        msg_json_string(j, "null");
        msg_json_array_end(j);
    } else {
        msg_json_string(j, type_name(f->type));
    }
}

static void write_members(struct msg_json *j, const struct msg_field *f, enum msg_direction direction)
{
    switch (f->type) {
    case MSG_I64:
        member(j, "format", "int64");
        bounds(j, f, "minimum", "maximum");
        break;
    case MSG_MONEY:
    case MSG_MONEY_FIXED:
        msg_json_key(j, "multipleOf");
        msg_json_raw(j, "0.01", 4);
        bounds(j, f, "minimum", "maximum");
        break;
    case MSG_STRING:
        bounds(j, f, "minLength", "maxLength");
        break;
    case MSG_ARRAY:
        msg_json_key(j, "items");
        msg_field_schema(j, f->sub, direction);
        if (direction == MSG_IN)
            bounds(j, f, "minItems", "maxItems");
        break;
    case MSG_OBJECT:
        write_object(j, f->sub, direction);
        break;
    case MSG_CONST:
        member(j, "const", f->example);
        break;
    default:
        if (pattern(f->type))
            member(j, "pattern", pattern(f->type));
    }
}

static void write_field(struct msg_json *j, const struct msg_field *f, enum msg_direction direction)
{
    msg_json_object(j);
    write_type(j, f, direction);
    write_members(j, f, direction);
    if (f->help)
        member(j, "description", f->help);
    if (f->example && f->type != MSG_CONST) {
        msg_json_key(j, "examples");
        msg_json_array(j);
        msg_json_raw(j, f->example, strlen(f->example));
        msg_json_array_end(j);
    }
    msg_json_object_end(j);
}

/* A name may stand in a table more than once, for different views: the first one describes it. A request is
 * asked for in the first spelling only. */
static bool is_described(const struct msg_table *table, const struct msg_field *f,
                         enum msg_direction direction)
{
    if (direction == MSG_IN && (f->flags & MSG_OUT_ONLY))
        return false;
    for (const struct msg_field *earlier = table->fields; earlier < f; earlier++)
        if (strcmp(earlier->name, f->name) == 0 || (direction == MSG_IN && msg_field_same(earlier, f)))
            return false;
    return true;
}

static void write_object(struct msg_json *j, const struct msg_table *table, enum msg_direction direction)
{
    const struct msg_field *end = table->fields + table->nfields;
    bool required = false;
    msg_json_key(j, "properties");
    msg_json_object(j);
    for (const struct msg_field *f = table->fields; f < end; f++)
        if (is_described(table, f, direction)) {
            msg_json_key(j, f->name);
            write_field(j, f, direction);
        }
    msg_json_object_end(j);
    for (const struct msg_field *f = table->fields; f < end; f++) {
        if (!is_described(table, f, direction) || !always_there(f, direction))
            continue;
        if (!required) {
            msg_json_key(j, "required");
            msg_json_array(j);
        }
        required = true;
        msg_json_string(j, f->name);
    }
    if (required)
        msg_json_array_end(j);
}

void msg_field_schema(struct msg_json *j, const struct msg_table *table, enum msg_direction direction)
{
    if (!table->fields->name) {
        write_field(j, table->fields, direction);
        return;
    }
    msg_json_object(j);
    member(j, "type", "object");
    member(j, "title", table->name);
    write_object(j, table, direction);
    msg_json_object_end(j);
}
