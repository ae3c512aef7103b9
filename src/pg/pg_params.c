/* Parameters that outlive the call they were given to. */
#include "pg/pg_internal.h"

struct pg_params *pg_params_copy(const struct pg_params *params)
{
    size_t sizes[PG_MAX_PARAMS], total = sizeof(*params);
    ASSERT(params->n <= PG_MAX_PARAMS);
    for (int i = 0; i < params->n; i++) {
        sizes[i] = params->values[i] ? strlen(params->values[i]) + 1 : 0;
        total += sizes[i];
    }
    struct pg_params *copy = mem_alloc(total);
    *copy = *params;
    char *p = (char *)(copy + 1);
    for (int i = 0; i < params->n; p += sizes[i], i++)
        if (params->values[i])
            copy->values[i] = memcpy(p, params->values[i], sizes[i]);
    return copy;
}
