/* Aligned columns for a terminal. The locale is not asked: what rushd prints is UTF-8. */
#include "ctl/ctl_table.h"

#include "msg/msg_date.h"

static uint32_t code_point(const char *s, size_t n)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)s[0] & first_bits[n];
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s[i] & 0x3f);
    return c;
}

/* Ranges of the East Asian Width property that take two places. */
static bool is_wide(uint32_t c)
{
    static const uint32_t ranges[][2] = {{0x1100, 0x115f},   {0x2e80, 0x303e},  {0x3041, 0xa4cf},
                                         {0xa960, 0xa97f},   {0xac00, 0xd7a3},  {0xf900, 0xfaff},
                                         {0xfe30, 0xfe6f},   {0xff00, 0xff60},  {0xffe0, 0xffe6},
                                         {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

void ctl_put_text(struct buf *out, const char *s)
{
    size_t left = strlen(s);
    while (left) {
        size_t n = str_utf8_next(s, left);
        uint32_t c = n ? code_point(s, n) : 0;
        /* C0, DEL, C1, and what turns the direction of writing. */
        bool steers = c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x200b && c <= 0x200f) ||
                      (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
        if (steers)
            buf_putc(out, '?');
        else
            buf_put(out, s, n);
        s += n ? n : 1;
        left -= n ? n : 1;
    }
}

size_t ctl_width(const char *s)
{
    size_t width = 0, left = strlen(s);
    while (left) {
        size_t n = str_utf8_next(s, left);
        width += n && is_wide(code_point(s, n)) ? 2 : 1;
        s += n ? n : 1;
        left -= n ? n : 1;
    }
    return width;
}

static void add_cell(struct ctl_table *t, struct buf *text)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->cells = mem_grow(t->cells, t->cap, sizeof *t->cells);
    }
    t->cells[t->n++] = mem_strdup(buf_str(text));
    buf_free(text);
}

void ctl_table_text(struct ctl_table *t, const char *s)
{
    struct buf text = BUF_INIT;
    ctl_put_text(&text, s);
    add_cell(t, &text);
}

void ctl_table_i64(struct ctl_table *t, int64_t v)
{
    struct buf text = BUF_INIT;
    buf_put_i64(&text, v);
    add_cell(t, &text);
}

void ctl_table_date(struct ctl_table *t, int64_t us)
{
    struct buf text = BUF_INIT;
    if (us)
        msg_date_blank(&text, us);
    else
        buf_putc(&text, '-');
    add_cell(t, &text);
}

static size_t column_width(const struct ctl_table *t, size_t column)
{
    size_t width = ctl_width(t->columns[column].title);
    for (size_t i = column; i < t->n; i += t->ncolumns) {
        size_t w = ctl_width(t->cells[i]);
        width = w > width ? w : width;
    }
    return width;
}

static void put_cell(const struct ctl_column *column, size_t width, const char *text, bool last,
                     struct buf *out)
{
    size_t pad = width - ctl_width(text);
    for (size_t i = 0; column->right && i < pad; i++)
        buf_putc(out, ' ');
    buf_puts(out, text);
    for (size_t i = 0; !column->right && !last && i < pad; i++)
        buf_putc(out, ' ');
    buf_puts(out, last ? "\n" : "  ");
}

void ctl_table_print(const struct ctl_table *t, struct buf *out)
{
    ASSERT(t->n % t->ncolumns == 0);
    size_t *widths = mem_array(t->ncolumns, sizeof *widths);
    for (size_t k = 0; k < t->ncolumns; k++)
        widths[k] = column_width(t, k);
    for (size_t k = 0; k < t->ncolumns; k++)
        put_cell(&t->columns[k], widths[k], t->columns[k].title, k + 1 == t->ncolumns, out);
    for (size_t i = 0; i < t->n; i++) {
        size_t k = i % t->ncolumns;
        put_cell(&t->columns[k], widths[k], t->cells[i], k + 1 == t->ncolumns, out);
    }
    mem_free(widths);
}

void ctl_table_free(struct ctl_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        mem_free(t->cells[i]);
    mem_free(t->cells);
    t->cells = NULL;
    t->n = t->cap = 0;
}
