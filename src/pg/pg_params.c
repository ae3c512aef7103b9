/* Parameters of statements. */
#include "pg/pg_internal.h"

void pg_params_text(struct pg_params *p, const char *text)
{
    ASSERT(p->n < PG_MAX_PARAMS);
    p->sizes[p->n] = 0;
    p->values[p->n++] = text;
}

/* Bytes of a parameter; a text with its end. */
static size_t size_of(const struct pg_params *params, int i)
{
    if (params->sizes[i])
        return (size_t)params->sizes[i];
    return params->values[i] ? strlen(params->values[i]) + 1 : 0;
}

struct pg_params *pg_params_copy(const struct pg_params *params)
{
    size_t total = sizeof(*params);
    ASSERT(params->n <= PG_MAX_PARAMS);
    for (int i = 0; i < params->n; i++)
        total += size_of(params, i);
    struct pg_params *copy = mem_alloc(total);
    *copy = *params;
    char *p = (char *)(copy + 1);
    for (int i = 0; i < params->n; i++) {
        size_t size = size_of(params, i);
        if (params->values[i])
            copy->values[i] = memcpy(p, params->values[i], size);
        p += size;
    }
    return copy;
}
