/* Reading replies without trusting their shape: a wrong type reads as nothing. */
#include "redis/redis_internal.h"

#include <hiredis/hiredis.h>

static const redisReply *raw(const struct redis_reply *r)
{
    return (const redisReply *)(const void *)r;
}

enum redis_type redis_reply_type(const struct redis_reply *r)
{
    if (!r)
        return REDIS_NIL;
    switch (raw(r)->type) {
    case REDIS_REPLY_INTEGER:
        return REDIS_INTEGER;
    case REDIS_REPLY_STRING:
        return REDIS_STRING;
    case REDIS_REPLY_STATUS:
        return REDIS_STATUS;
    case REDIS_REPLY_ARRAY:
        return REDIS_ARRAY;
    case REDIS_REPLY_ERROR:
        return REDIS_ERROR;
    default:
        return REDIS_NIL;
    }
}

bool redis_reply_is_i64(const struct redis_reply *r, int64_t *out)
{
    switch (redis_reply_type(r)) {
    case REDIS_INTEGER:
        *out = raw(r)->integer;
        return true;
    case REDIS_STRING:
        return str_to_i64(raw(r)->str, raw(r)->len, out);
    default:
        return false;
    }
}

int64_t redis_reply_i64(const struct redis_reply *r)
{
    int64_t v = 0;
    return redis_reply_is_i64(r, &v) ? v : 0;
}

struct slice redis_reply_text(const struct redis_reply *r)
{
    enum redis_type type = redis_reply_type(r);
    if (type != REDIS_STRING && type != REDIS_STATUS)
        return (struct slice){"", 0};
    return (struct slice){raw(r)->str, raw(r)->len};
}

size_t redis_reply_len(const struct redis_reply *r)
{
    return redis_reply_type(r) == REDIS_ARRAY ? raw(r)->elements : 0;
}

const struct redis_reply *redis_reply_at(const struct redis_reply *r, size_t i)
{
    if (i >= redis_reply_len(r))
        return NULL;
    return (const struct redis_reply *)(const void *)raw(r)->element[i];
}

static bool is_retriable(const char *code)
{
    static const char *const codes[] = {"LOADING",  "READONLY",    "MASTERDOWN", "OOM",    "BUSY",
                                        "TRYAGAIN", "CLUSTERDOWN", "NOREPLICAS", "MISCONF"};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

void redis_reply_error(const struct redis_reply *r, struct error *e)
{
    const char *text = raw(r)->str;
    char code[sizeof(e->code)];
    size_t n = strcspn(text, " \r\n");
    if (n >= sizeof(code))
        n = sizeof(code) - 1;
    memcpy(code, text, n);
    code[n] = '\0';
    error_set(e, is_retriable(code) ? ERROR_RETRIABLE : ERROR_PERMANENT, code, "%s", text);
}
