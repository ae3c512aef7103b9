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

static void copy_word(char *to, size_t size, const char *word)
{
    size_t n = strcspn(word, " \r\n");
    if (n >= size)
        n = size - 1;
    memcpy(to, word, n);
    to[n] = '\0';
}

/* Before Redis 7 a command that fails inside a script is told as "ERR Error running script (call to f_...): @user_script:12:
 * @user_script: 12: -READONLY You can't write ...", with or without the sign. */
static void code_of(char *code, size_t size, const char *text)
{
    copy_word(code, size, text);
    if (!str_starts_with(text, "ERR Error running script"))
        return;
    for (const char *at = strchr(text, ' '); at; at = strchr(at, ' ')) {
        char word[16];
        at += strspn(at, " ");
        copy_word(word, sizeof word, *at == '-' ? at + 1 : at);
        if (is_retriable(word)) {
            str_copy(code, size, word);
            return;
        }
    }
}

void redis_reply_error(const struct redis_reply *r, struct error *e)
{
    const char *text = raw(r)->str;
    char code[sizeof(e->code)];
    code_of(code, sizeof code, text);
    error_set(e, is_retriable(code) ? ERROR_RETRIABLE : ERROR_PERMANENT, code, "%s", text);
}
