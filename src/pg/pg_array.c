/* Array literals in text form: numbers bare, text always quoted, NULL as a bare word (library facts 4.3). */
#include "pg/pg.h"

void pg_array_begin(struct buf *b)
{
    buf_putc(b, '{');
}

/* Elements never end with an opening brace unless they are quoted, so this brace is the one of the beginning.
 */
static void separate(struct buf *b)
{
    ASSERT(b->len > 0);
    if (b->data[b->len - 1] != '{')
        buf_putc(b, ',');
}

void pg_array_i64(struct buf *b, int64_t v)
{
    separate(b);
    buf_put_i64(b, v);
}

void pg_array_money(struct buf *b, money v)
{
    char text[MONEY_PRINT_SIZE];
    separate(b);
    buf_put(b, text, money_print_fixed(v, text));
}

void pg_array_text(struct buf *b, const char *s)
{
    if (s)
        pg_array_text_slice(b, slice_of(s));
    else
        pg_array_null(b);
}

void pg_array_text_slice(struct buf *b, struct slice s)
{
    separate(b);
    buf_reserve(b, s.n + 2);
    buf_putc(b, '"');
    for (size_t i = 0, from = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '"' && s.p[i] != '\\')
            continue;
        buf_put(b, s.p + from, i - from);
        if (i < s.n)
            buf_putc(b, '\\');
        from = i;
    }
    buf_putc(b, '"');
}

void pg_array_raw(struct buf *b, const char *s)
{
    ASSERT(*s);
    separate(b);
    buf_puts(b, s);
}

void pg_array_null(struct buf *b)
{
    separate(b);
    buf_puts(b, "NULL");
}

void pg_array_end(struct buf *b)
{
    buf_putc(b, '}');
}
