/* Reading path, query, headers and body; what is wrong with them is answered here. */
#include "api/api_internal.h"

#include <inttypes.h>

enum {
    PAGE_DEFAULT = 20,
    PAGE_MAX = 100,
    FINGERPRINT_TEXT_MAX = 200,
};

bool api_path_i64(struct api_call *c, const struct http_request *req, size_t index, const char *name,
                  int64_t *out)
{
    ASSERT(index < req->nparams);
    if (str_to_i64(req->params[index].p, req->params[index].n, out))
        return true;
    api_refuse_name(c, REFUSAL_INVALID_PARAMETER, name);
    return false;
}

/* 1: there; 0: absent or empty; -1: malformed, and refused. */
static int query_number(struct api_call *c, const struct http_request *req, const char *name, int64_t *out)
{
    struct buf *text = &c->api->scratch;
    buf_clear(text);
    int found = http_request_query(req, name, text);
    if (found == 0 || (found > 0 && text->len == 0))
        return 0;
    if (found > 0 && str_to_i64(text->data, text->len, out))
        return 1;
    api_refuse_name(c, REFUSAL_INVALID_PARAMETER, name);
    return -1;
}

bool api_query_i64(struct api_call *c, const struct http_request *req, const char *name, int64_t *out)
{
    int found = query_number(c, req, name, out);
    if (found == 0)
        api_refuse_name(c, REFUSAL_MISSING_PARAMETER, name);
    return found > 0;
}

bool api_query_page(struct api_call *c, const struct http_request *req)
{
    int64_t limit = PAGE_DEFAULT;
    c->cursor = 0;
    int found = query_number(c, req, "cursor", &c->cursor);
    if (found < 0)
        return false;
    if (found > 0 && c->cursor <= 0) {
        api_refuse_name(c, REFUSAL_INVALID_PARAMETER, "cursor");
        return false;
    }
    if (query_number(c, req, "limit", &limit) < 0)
        return false;
    if (limit < 1 || limit > PAGE_MAX) {
        api_refuse_name(c, REFUSAL_INVALID_PARAMETER, "limit");
        return false;
    }
    c->limit = (size_t)limit;
    return true;
}

/* The text of an error of msg_field_parse() begins with the path of the field. */
static void refuse_field(struct api_call *c, enum refusal_code code, const struct error *e)
{
    struct refusal why = {.code = code};
    const char *end = strstr(e->text, ": ");
    size_t n = end ? (size_t)(end - e->text) : strlen(e->text);
    if (n >= sizeof why.name)
        n = str_utf8_cut(e->text, sizeof why.name - 1);
    memcpy(why.name, e->text, n);
    api_refuse(c, &why);
}

bool api_body(struct api_call *c, const struct http_request *req, const struct msg_table *table, void *to)
{
    struct error e = ERROR_INIT;
    if (msg_field_parse(table, req->body.p, req->body.n, to, &e))
        return true;
    if (strcmp(e.code, "FIELD_MISSING") == 0)
        refuse_field(c, REFUSAL_MISSING_PARAMETER, &e);
    else if (strcmp(e.code, "FIELD_TYPE") == 0 || strcmp(e.code, "FIELD_RANGE") == 0)
        refuse_field(c, REFUSAL_INVALID_PARAMETER, &e);
    else
        api_refuse_code(c, REFUSAL_MALFORMED_JSON);
    return false;
}

bool api_idempotency_key(struct api_call *c, const struct http_request *req, char out[API_KEY_MAX + 1])
{
    struct slice key = http_request_header(req, "Idempotency-Key");
    out[0] = '\0';
    if (!key.p)
        return true;
    bool valid = key.n >= 1 && key.n <= API_KEY_MAX;
    for (size_t i = 0; valid && i < key.n; i++)
        valid = key.p[i] > ' ' && key.p[i] < 0x7f;
    if (!valid) {
        api_refuse_name(c, REFUSAL_INVALID_PARAMETER, "Idempotency-Key");
        return false;
    }
    memcpy(out, key.p, key.n);
    out[key.n] = '\0';
    return true;
}

/* Let every bit of the input reach every bit of the output (the finisher of murmur3). */
static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

void api_fingerprint(struct slice canonical, struct buf *out)
{
    if (canonical.n <= FINGERPRINT_TEXT_MAX) {
        buf_put_slice(out, canonical);
        return;
    }
    uint64_t fnv = UINT64_C(0xcbf29ce484222325), chain = canonical.n;
    for (size_t i = 0; i < canonical.n; i++) {
        fnv = (fnv ^ (unsigned char)canonical.p[i]) * UINT64_C(0x100000001b3);
        chain = mix(chain + (unsigned char)canonical.p[i] + UINT64_C(0x9e3779b97f4a7c15));
    }
    buf_printf(out, "#%zu:%016" PRIx64 "%016" PRIx64, canonical.n, mix(fnv), chain);
}
