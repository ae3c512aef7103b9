/* Reading the rows of a result. A statement whose columns do not have the type that is asked for is a bug of
 * ours. */
#include "pg/pg_internal.h"

int pg_result_rows(const struct pg_result *r)
{
    return PQntuples(r->res);
}

int pg_result_columns(const struct pg_result *r)
{
    return PQnfields(r->res);
}

static void check_place(const struct pg_result *r, int row, int col)
{
    ASSERT(row >= 0 && row < PQntuples(r->res));
    ASSERT(col >= 0 && col < PQnfields(r->res));
}

bool pg_result_null(const struct pg_result *r, int row, int col)
{
    check_place(r, row, col);
    return PQgetisnull(r->res, row, col);
}

const char *pg_result_text(const struct pg_result *r, int row, int col)
{
    check_place(r, row, col);
    return PQgetvalue(r->res, row, col);
}

size_t pg_result_size(const struct pg_result *r, int row, int col)
{
    check_place(r, row, col);
    return (size_t)PQgetlength(r->res, row, col);
}

int64_t pg_result_i64(const struct pg_result *r, int row, int col)
{
    int64_t v = 0;
    ASSERT(str_to_i64(pg_result_text(r, row, col), pg_result_size(r, row, col), &v));
    return v;
}

money pg_result_money(const struct pg_result *r, int row, int col)
{
    money v = 0;
    ASSERT(money_parse(pg_result_text(r, row, col), pg_result_size(r, row, col), &v));
    return v;
}

bool pg_result_bool(const struct pg_result *r, int row, int col)
{
    const char *text = pg_result_text(r, row, col);
    ASSERT((text[0] == 't' || text[0] == 'f') && text[1] == '\0');
    return text[0] == 't';
}

int64_t pg_result_affected(const struct pg_result *r)
{
    const char *text = PQcmdTuples((PGresult *)(uintptr_t)r->res); /* reads only */
    int64_t n;
    return str_to_i64(text, strlen(text), &n) ? n : -1;
}

const char *pg_result_tag(const struct pg_result *r)
{
    return PQcmdStatus((PGresult *)(uintptr_t)r->res); /* reads only */
}
