/* What is made from the tables for people: the dump of the values in use and the sample file. */
#include "base/option_private.h"

#define TEXT_WIDTH 100

/* "a.b.c", for a MAP the prefix with what is below it. */
static void put_key(const struct option *o, const char *sub, struct buf *out)
{
    struct slice prefix = slice_of(o->key);
    option_key_prefix(o->key, &prefix);
    buf_put_slice(out, prefix);
    buf_puts(out, sub ? sub : "");
}

static void dump_cell(const struct option *o, const struct option_cell *c, struct buf *out)
{
    buf_printf(out, "# %s%s\n", c->origin, o->flags & OPTION_RELOAD ? " (reloadable)" : "");
    bool masked = !c->path && *c->text && option_is_secret(o, c->sub);
    /* A masked value stays a comment, or the output would set the mask as the secret. */
    buf_puts(out, masked ? "# " : "");
    put_key(o, c->sub, out);
    buf_puts(out, c->path ? OPTION_FILE_SUFFIX : "");
    const char *text = masked ? OPTION_MASK : c->path ? c->path : c->text;
    buf_printf(out, *text ? " = %s\n" : " =%s\n", text);
}

void option_dump(struct buf *out)
{
    const struct option *o;
    for (size_t i = 0; (o = option_at(i)); i++) {
        const struct option_cells *cells = option_cells_at(i);
        for (size_t k = 0; cells && k < cells->len; k++)
            dump_cell(o, &cells->items[k], out);
    }
}

/* Write text as comment lines. */
static void put_comment(const char *text, struct buf *out)
{
    size_t column = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column && column + 1 + word > TEXT_WIDTH) {
            buf_putc(out, '\n');
            column = 0;
        }
        buf_puts(out, column ? " " : "# ");
        buf_put(out, text, word);
        column += word + (column ? 1 : 2);
        text += word;
        while (*text == ' ')
            text++;
    }
    if (column)
        buf_putc(out, '\n');
}

static void put_facts(const struct option *o, struct buf *out)
{
    struct buf facts = BUF_INIT;
    if (o->type == OPTION_MAP) {
        buf_puts(&facts, "Any key below the prefix.");
    } else {
        option_value_describe(o, &facts);
        if (facts.data[0] >= 'a' && facts.data[0] <= 'z')
            facts.data[0] = (char)(facts.data[0] - 'a' + 'A');
        buf_putc(&facts, '.');
    }
    if (o->flags & OPTION_SECRET)
        buf_printf(&facts, " Secret: may be given as %s" OPTION_FILE_SUFFIX " = PATH, read again at SIGHUP.",
                   o->key);
    if (o->flags & OPTION_RELOAD)
        buf_puts(&facts, " Reloadable.");
    put_comment(buf_str(&facts), out);
    buf_free(&facts);
}

void option_sample(struct buf *out)
{
    const struct option *o;
    for (size_t i = 0; (o = option_at(i)); i++) {
        if (i)
            buf_putc(out, '\n');
        put_comment(o->help, out);
        put_facts(o, out);
        buf_putc(out, '#');
        if (o->type == OPTION_MAP) {
            put_key(o, "NAME = VALUE", out);
        } else {
            buf_puts(out, o->key);
            buf_printf(out, *o->def ? " = %s" : " =%s", o->def);
        }
        buf_putc(out, '\n');
    }
}
