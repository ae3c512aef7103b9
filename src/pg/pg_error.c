/* From SQLSTATEs and libpq's messages to struct error. */
#include "pg/pg_internal.h"

LOG_DEFINE(log_pg, "rushd.pg");

bool pg_error_is_stale_session(const PGresult *res)
{
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);
    if (!sqlstate)
        return false;
    return strcmp(sqlstate, "25006") == 0 || /* read-only: the server is no longer the primary */
           strcmp(sqlstate, "26000") == 0 || /* the prepared statement is gone */
           /* "cached plan must not change result type": 0A000 alone says too little, and texts are translated
            */
           (strcmp(sqlstate, "0A000") == 0 && function && strcmp(function, "RevalidateCachedQuery") == 0);
}

bool pg_error_is_retriable(const char *sqlstate)
{
    static const char *const prefixes[] = {
        "08",    /* connection */
        "25P03", /* idle in transaction too long */
        "40001", /* serialization */
        "40P01", /* deadlock */
        "53",    /* out of resources */
        "55P03", /* lock timeout */
        "57",    /* cancelled, shutting down, starting */
    };
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts_with(sqlstate, prefixes[i]))
            return true;
    return false;
}

void pg_error_of_libpq(struct error *e, const char *code, const char *message)
{
    if (!message || !*message)
        message = "connection lost";
    error_set(e, ERROR_RETRIABLE, code, "%.*s", (int)strcspn(message, "\r\n"), message);
}

void pg_error_of_result(struct error *e, const PGresult *res)
{
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    if (!sqlstate) {
        pg_error_of_libpq(e, "CONNECTION_LOST", PQresultErrorMessage(res));
        return;
    }
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    bool retriable = pg_error_is_retriable(sqlstate) || pg_error_is_stale_session(res);
    error_set(e, retriable ? ERROR_RETRIABLE : ERROR_PERMANENT, sqlstate, "%s", text ? text : "refused");
}

bool pg_error_is_fatal(const PGresult *res)
{
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (!severity)
        return !PQresultErrorField(res, PG_DIAG_SQLSTATE);
    return strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0;
}
