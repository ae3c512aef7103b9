/* Field tables: a message or HTTP body is described once, as a table over a C struct, and printing, parsing
 * and its schema for OpenAPI come from the table.
 *
 *     static const struct msg_field item_fields[] = {
 *         MSG_FIELD_I64("productId", struct item, product_id, MSG_REQUIRED, .min = 1, .max = INT64_MAX),
 *         MSG_FIELD_STRING("productName", struct item, name, 0, .help = "as it was when ordered"),
 *     };
 *     static const struct msg_table item_table = MSG_TABLE("OrderItem", struct item, item_fields);
 *
 * The macros refuse a member of another type at compile time. Fields of a table with the same offset are
 * spellings of one value: printed each, and when several come in, the first of the table that is not null
 * wins.
 */
#ifndef RUSHD_MSG_MSG_FIELD_H
#define RUSHD_MSG_MSG_FIELD_H

#include "base/error.h"
#include "msg/msg_json.h"

/* What a member is in C and in JSON. Input is more generous than output (contract sections 3 and 5): whole
 * numbers and money also as decimal text, with fraction or exponent as long as the value fits exactly; dates
 * in every form of msg_date_parse and as Jackson's arrays. */
enum msg_type {
    MSG_I64,         /* int64_t */
    MSG_COUNT,       /* size_t; never parsed */
    MSG_BOOL,        /* bool */
    MSG_STRING,      /* char *, owned by the struct; NULL is null */
    MSG_MONEY,       /* money, printed 50000 or 1234.50 */
    MSG_MONEY_FIXED, /* money, printed 50000.00 */
    MSG_DATE_ISO, /* int64_t microseconds since the epoch, printed with T, fraction only when there is one */
    MSG_DATE_ISO_US, /* the same with always six digits */
    MSG_DATE_BLANK,  /* the same as yyyy-MM-dd HH:mm:ss */
    MSG_CONST,       /* no member: always the text `example`; ignored in input */
    MSG_OBJECT,      /* struct embedded at offset, described by sub; absent input leaves it zeroed */
    MSG_ARRAY,       /* T *, owned by the struct, with a size_t count at count_offset; T described by sub */
};

enum msg_flag {
    MSG_REQUIRED = 1,     /* input: an absent or null one is an error (any spelling will do) */
    MSG_ZERO_IS_NULL = 2, /* numbers, money, dates: 0 stands for null */
    MSG_NEG_IS_NULL = 4,  /* numbers, money: below 0 stands for null; an absent one is parsed as -1 */
    MSG_OMIT_NULL = 8,    /* output: left out instead of written as null */
    MSG_OUT_ONLY = 16,    /* input: ignored like an unknown field */
    MSG_EXPECTED = 32, /* schema: as MSG_REQUIRED; parsed as if optional, the caller refuses what is absent */
};

struct msg_table;

struct msg_field {
    const char *name; /* must not need escapes; NULL: the table is one bare value (elements of an array) */
    enum msg_type type;
    unsigned flags;
    unsigned views; /* printed in these views only (bit mask of the caller's meaning); 0: in all */
    size_t offset;
    size_t count_offset;
    /* Input bounds, both 0: none. Numbers: value (money in cents); STRING: bytes; ARRAY: elements, max is a
     * must. */
    int64_t min, max;
    const struct msg_table *sub;
    const char *help;    /* one sentence for OpenAPI; may be NULL */
    const char *example; /* JSON text for OpenAPI (MSG_CONST: the plain text); may be NULL */
};

struct msg_table {
    const char *name; /* name of the schema in OpenAPI */
    size_t size;      /* of the struct */
    const struct msg_field *fields;
    size_t nfields; /* at most MSG_MAX_FIELDS */
};

#define MSG_MAX_FIELDS 64

#define MSG_TABLE(table_name, type, field_array)                                                             \
    {                                                                                                        \
        .name = (table_name), .size = sizeof(type), .fields = (field_array),                                 \
        .nfields = ARRAY_LEN(field_array)                                                                    \
    }

/* offsetof, refusing a member of another type. */
#define MSG_OFFSET(want, type, member)                                                                       \
    (offsetof(type, member) +                                                                                \
     0 * sizeof(char[__builtin_types_compatible_p(want, __typeof__(((type *)0)->member)) ? 1 : -1]))

#define MSG_FIELD(msg_type, want, field_name, type_, member, flags_, ...)                                    \
    {                                                                                                        \
        .name = (field_name), .type = (msg_type), .offset = MSG_OFFSET(want, type_, member),                 \
        .flags = (flags_), ##__VA_ARGS__                                                                     \
    }
#define MSG_FIELD_I64(n, t, m, f, ...)         MSG_FIELD(MSG_I64, int64_t, n, t, m, f, ##__VA_ARGS__)
#define MSG_FIELD_COUNT(n, t, m, f, ...)       MSG_FIELD(MSG_COUNT, size_t, n, t, m, f, ##__VA_ARGS__)
#define MSG_FIELD_BOOL(n, t, m, f, ...)        MSG_FIELD(MSG_BOOL, bool, n, t, m, f, ##__VA_ARGS__)
#define MSG_FIELD_STRING(n, t, m, f, ...)      MSG_FIELD(MSG_STRING, char *, n, t, m, f, ##__VA_ARGS__)
#define MSG_FIELD_MONEY(n, t, m, f, ...)       MSG_FIELD(MSG_MONEY, money, n, t, m, f, ##__VA_ARGS__)
#define MSG_FIELD_MONEY_FIXED(n, t, m, f, ...) MSG_FIELD(MSG_MONEY_FIXED, money, n, t, m, f, ##__VA_ARGS__)
/* kind: MSG_DATE_ISO, MSG_DATE_ISO_US or MSG_DATE_BLANK */
#define MSG_FIELD_DATE(kind, n, t, m, f, ...) MSG_FIELD(kind, int64_t, n, t, m, f, ##__VA_ARGS__)
#define MSG_FIELD_CONST(n, text, ...)                                                                        \
    {                                                                                                        \
        .name = (n), .type = MSG_CONST, .example = (text), ##__VA_ARGS__                                     \
    }
/* An embedded struct. */
#define MSG_FIELD_OBJECT(n, t, m, f, table, ...)                                                             \
    {                                                                                                        \
        .name = (n), .type = MSG_OBJECT, .offset = offsetof(t, m), .flags = (f), .sub = (table),             \
        ##__VA_ARGS__                                                                                        \
    }
/* An inner JSON object that is made of members of the same struct. */
#define MSG_FIELD_GROUP(n, f, table, ...)                                                                    \
    {                                                                                                        \
        .name = (n), .type = MSG_OBJECT, .flags = (f), .sub = (table), ##__VA_ARGS__                         \
    }
/* m points to count_m elements of the table's struct. most bounds input. */
#define MSG_FIELD_ARRAY(n, t, m, count_m, most, f, table, ...)                                               \
    {                                                                                                        \
        .name = (n), .type = MSG_ARRAY, .offset = offsetof(t, m),                                            \
        .count_offset = MSG_OFFSET(size_t, t, count_m), .max = (most), .flags = (f), .sub = (table),         \
        ##__VA_ARGS__                                                                                        \
    }

/* True if two fields of a table are spellings of one value. */
bool msg_field_same(const struct msg_field *a, const struct msg_field *b);

/* Print the struct as one JSON object behind what is in the buffer. */
void msg_field_print(struct buf *out, const struct msg_table *table, const void *from);
/* The same in one view: fields whose views are 0 or have a bit of view. */
void msg_field_print_view(struct buf *out, const struct msg_table *table, unsigned view, const void *from);
/* The same as a value inside other JSON, and an array of n such structs. */
void msg_field_write(struct msg_json *j, const struct msg_table *table, unsigned view, const void *from);
void msg_field_write_array(struct msg_json *j, const struct msg_table *table, unsigned view,
                           const void *first, size_t n);

/* Parse one JSON object (RFC 8259, strict UTF-8, nothing behind it) into the struct, which is zeroed first.
 * Unknown members are ignored, a duplicate key anywhere is an error. On success what the struct points to
 * belongs to it: msg_field_free. On failure: false, nothing is held, *e is ERROR_PERMANENT with the code
 *   JSON_SYNTAX     not JSON, not UTF-8, not an object
 *   JSON_LIMIT      deeper than 32, more than 256 unknown members in one object (msg_scan.h)
 *   JSON_DUPLICATE  a key twice in one object
 *   FIELD_MISSING   a required field is absent or null
 *   FIELD_TYPE      not what the table says
 *   FIELD_RANGE     of the right type but beyond the bounds
 * and the text "path: what is wrong" ("orderItems[2].quantity: 0 is below 1"). */
bool msg_field_parse(const struct msg_table *table, const char *text, size_t n, void *to, struct error *e);

/* Free what the members point to and zero the struct. A zeroed struct is fine. */
void msg_field_free(const struct msg_table *table, void *of);

enum msg_direction {
    MSG_IN, /* a request body: required are the MSG_REQUIRED fields */
    MSG_OUT /* an answer: required is what is always there */
};
/* Print the JSON Schema (OpenAPI 3.1 dialect) of the table's object, sub-objects inline. */
void msg_field_schema(struct msg_json *j, const struct msg_table *table, enum msg_direction direction);

#endif
