/* Writes JSON text into a buffer: commas, escapes and exact numbers by itself, no tree in between.
 *
 *     struct msg_json j = MSG_JSON(&out);
 *     msg_json_object(&j);
 *     msg_json_key(&j, "id"), msg_json_i64(&j, 7);
 *     msg_json_object_end(&j);
 *
 * The writer holds no memory of its own. Using it out of turn (a value without a key in an object is not
 * seen, an end without a begin is) is a bug of rushd. */
#ifndef RUSHD_MSG_MSG_JSON_H
#define RUSHD_MSG_MSG_JSON_H

#include "base/buf.h"
#include "base/money.h"

#define MSG_JSON_DEPTH 32 /* objects and arrays within each other; deeper is a bug */

struct msg_json {
    struct buf *out;
    bool comma; /* a value stands before, the next key or value needs a comma */
    int depth;
};

#define MSG_JSON(buffer) ((struct msg_json){.out = (buffer)})

/* Open and close an object or an array; each is a value where it stands. */
void msg_json_object(struct msg_json *j);
void msg_json_object_end(struct msg_json *j);
void msg_json_array(struct msg_json *j);
void msg_json_array_end(struct msg_json *j);

/* What msg_json_key() does. */
void msg_json_key_plain(struct msg_json *j, const char *name, size_t n);
/* Write a member's name. name must not need escapes (our own constants); for names from outside use
 * msg_json_key_n. */
static inline void msg_json_key(struct msg_json *j, const char *name)
{
    msg_json_key_plain(j, name, strlen(name)); /* of a constant the compiler knows the length */
}
void msg_json_key_n(struct msg_json *j, const char *name, size_t n);

/* Write a text value; NULL writes null. Valid UTF-8 passes through, a byte that is none becomes U+FFFD. */
void msg_json_string(struct msg_json *j, const char *s);
void msg_json_string_n(struct msg_json *j, const char *s, size_t n);

/* Write a value. Money has two forms, both exact. */
void msg_json_i64(struct msg_json *j, int64_t v);
void msg_json_money(struct msg_json *j, money v);       /* 50000, 1234.50: HTTP (contract section 3) */
void msg_json_money_fixed(struct msg_json *j, money v); /* 50000.00: messages (contract section 5) */
void msg_json_bool(struct msg_json *j, bool v);
void msg_json_null(struct msg_json *j);

/* Write a double with the fewest digits that read back the same, whole ones as 1.0 (as Java writes them);
 * what JSON has no number for ("NaN", "Infinity", "-Infinity") as text, as Spring's actuator does. */
void msg_json_double(struct msg_json *j, double v);

/* Write dates, microseconds since the epoch in the server's time zone (msg_date.h): with T and a fraction
 * only when there is one; with T and always six digits; "yyyy-MM-dd HH:mm:ss". */
void msg_json_date_iso(struct msg_json *j, int64_t us);
void msg_json_date_iso_us(struct msg_json *j, int64_t us);
void msg_json_date_blank(struct msg_json *j, int64_t us);

/* Write finished JSON text of one value as it is. */
void msg_json_raw(struct msg_json *j, const char *json, size_t n);

#endif
