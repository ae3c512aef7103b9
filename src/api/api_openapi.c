/* The OpenAPI 3.1 document, printed from the route table, the field tables and the refusal table. Nothing in it is
 * written down twice. */
#include "api/api_internal.h"
#include "api/api_tables.h"

#define JSON_TYPE "application/json"

static void key_text(struct msg_json *j, const char *key, const char *value)
{
    msg_json_key(j, key);
    msg_json_string(j, value);
}

static void open_object(struct msg_json *j, const char *key)
{
    msg_json_key(j, key);
    msg_json_object(j);
}

static void open_array(struct msg_json *j, const char *key)
{
    msg_json_key(j, key);
    msg_json_array(j);
}

static void put_ref(struct msg_json *j, const struct msg_table *table)
{
    struct buf ref = BUF_INIT;
    buf_printf(&ref, "#/components/schemas/%s", table->name);
    msg_json_object(j);
    key_text(j, "$ref", buf_str(&ref));
    msg_json_object_end(j);
    buf_free(&ref);
}

/* --- parameters --- */

struct param {
    unsigned bit;
    const char *name, *in;
    bool required;
    const char *schema; /* JSON */
    const char *help;
};

#define INTEGER "\"type\":\"integer\",\"format\":\"int64\""

static const struct param params[] = {
    {API_USER_ID, "userId", "query", true, "{" INTEGER "}", "The user."},
    {API_PAGING, "cursor", "query", false, "{\"type\":\"string\"}",
     "nextCursor of the page before; left out for the first page."},
    {API_PAGING, "limit", "query", false,
     "{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":20}", "Elements of a page."},
    {API_KEY, "Idempotency-Key", "header", false,
     "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255,\"pattern\":\"^[!-~]+$\"}",
     "The decided answer is stored under it for 24 hours and repeated for the same user and body."},
    {API_TAG, "tag", "query", false, "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
     "name:value, several times to narrow further."},
};

static void put_param(struct msg_json *j, const struct param *p)
{
    msg_json_object(j);
    key_text(j, "name", p->name);
    key_text(j, "in", p->in);
    msg_json_key(j, "required");
    msg_json_bool(j, p->required);
    if (p->help)
        key_text(j, "description", p->help);
    msg_json_key(j, "schema");
    msg_json_raw(j, p->schema, strlen(p->schema));
    msg_json_object_end(j);
}

/* The {placeholders} of the pattern: ids below /api, names below /actuator. */
static void put_path_params(struct msg_json *j, const struct api_route *r)
{
    const char *schema = r->place == API_SHOP ? "{" INTEGER "}" : "{\"type\":\"string\"}";
    for (const char *p = r->pattern; (p = strchr(p, '{')); p++) {
        char *name = mem_strndup(p + 1, strcspn(p + 1, "}"));
        put_param(j, &(struct param){.name = name, .in = "path", .required = true, .schema = schema});
        mem_free(name);
    }
}

static void put_params(struct msg_json *j, const struct api_route *r)
{
    if (!r->params && !strchr(r->pattern, '{'))
        return;
    open_array(j, "parameters");
    put_path_params(j, r);
    for (size_t i = 0; i < ARRAY_LEN(params); i++)
        if (params[i].bit & r->params)
            put_param(j, &params[i]);
    msg_json_array_end(j);
}

/* --- bodies --- */

static void put_request_body(struct msg_json *j, const struct api_route *r)
{
    if (!r->in)
        return;
    open_object(j, "requestBody");
    msg_json_key(j, "required");
    msg_json_bool(j, true);
    open_object(j, "content");
    open_object(j, JSON_TYPE);
    msg_json_key(j, "schema");
    put_ref(j, r->in);
    msg_json_object_end(j);
    msg_json_object_end(j);
    msg_json_object_end(j);
}

static void put_array_of(struct msg_json *j, const struct msg_table *table)
{
    msg_json_object(j);
    key_text(j, "type", "array");
    msg_json_key(j, "items");
    put_ref(j, table);
    msg_json_object_end(j);
}

static void put_page_of(struct msg_json *j, const struct msg_table *table)
{
    static const char cursor[] =
        "{\"type\":[\"string\",\"null\"],\"description\":\"For the next page; null at the end.\"}";
    msg_json_object(j);
    key_text(j, "type", "object");
    open_object(j, "properties");
    msg_json_key(j, "content");
    put_array_of(j, table);
    msg_json_key(j, "nextCursor");
    msg_json_raw(j, cursor, sizeof cursor - 1);
    msg_json_object_end(j);
    open_array(j, "required");
    msg_json_string(j, "content");
    msg_json_string(j, "nextCursor");
    msg_json_array_end(j);
    msg_json_object_end(j);
}

static void put_success_schema(struct msg_json *j, const struct api_route *r)
{
    static const char any[] = "{\"type\":\"object\"}", text[] = "{\"type\":\"string\"}";
    switch (r->shape) {
    case API_OBJECT:
        put_ref(j, r->out);
        break;
    case API_ARRAY:
        put_array_of(j, r->out);
        break;
    case API_PAGE:
        put_page_of(j, r->out);
        break;
    case API_TEXT:
        msg_json_raw(j, text, sizeof text - 1);
        break;
    default:
        msg_json_raw(j, any, sizeof any - 1);
    }
}

static void open_status(struct msg_json *j, int status)
{
    char text[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};
    open_object(j, text);
}

static void put_success(struct msg_json *j, const struct api_route *r)
{
    const char *type = r->shape == API_TEXT         ? "text/plain"
                       : r->place == API_MANAGEMENT ? "application/vnd.spring-boot.actuator.v3+json"
                                                    : JSON_TYPE;
    open_status(j, r->status);
    key_text(j, "description", r->summary);
    if (r->shape != API_NOTHING) {
        open_object(j, "content");
        open_object(j, type);
        msg_json_key(j, "schema");
        put_success_schema(j, r);
        msg_json_object_end(j);
        msg_json_object_end(j);
    }
    msg_json_object_end(j);
}

/* --- errors --- */

#define ERRORS_MAX 32

/* The codes of a route: its own and those that come with its parameters and body. */
static size_t errors_of(const struct api_route *r, enum refusal_code *out)
{
    size_t n = 0;
    bool query = r->params & (API_USER_ID | API_PAGING), body = r->in != NULL;
    bool number = r->place == API_SHOP && strchr(r->pattern, '{');
    if (body)
        out[n++] = REFUSAL_MALFORMED_JSON;
    if ((r->params & API_USER_ID) || body)
        out[n++] = REFUSAL_MISSING_PARAMETER;
    if (query || body || number || r->params)
        out[n++] = REFUSAL_INVALID_PARAMETER;
    for (const enum refusal_code *e = r->errors; e && *e != REFUSAL_NONE; e++)
        out[n++] = *e;
    if (r->params & API_KEY)
        out[n++] = REFUSAL_REQUEST_IN_PROGRESS, out[n++] = REFUSAL_IDEMPOTENCY_KEY_REUSED;
    if (body)
        out[n++] = REFUSAL_PAYLOAD_TOO_LARGE, out[n++] = REFUSAL_UNSUPPORTED_MEDIA_TYPE;
    if (r->shape != API_TEXT && r->shape != API_NOTHING)
        out[n++] = REFUSAL_NOT_ACCEPTABLE;
    ASSERT(n <= ERRORS_MAX);
    return n;
}

static void put_error_content(struct msg_json *j)
{
    static const struct {
        const char *type;
        const struct msg_table *table;
    } forms[] = {{JSON_TYPE, &body_error_table}, {"application/problem+json", &body_problem_table}};
    open_object(j, "content");
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        open_object(j, forms[i].type);
        msg_json_key(j, "schema");
        put_ref(j, forms[i].table);
        msg_json_object_end(j);
    }
    msg_json_object_end(j);
}

/* One line per code, with the sentences as the table has them. */
static void put_sentences(struct buf *out, enum refusal_code code)
{
    struct refusal_sentences s = refusal_sentences(code);
    if (out->len)
        buf_putc(out, '\n');
    buf_printf(out, "- `%s`: %s (%s)", refusal_word(code), s.korean, s.english);
}

static void put_errors_of_status(struct msg_json *j, int status, const enum refusal_code *codes, size_t n)
{
    struct buf text = BUF_INIT;
    open_status(j, status);
    for (size_t i = 0; i < n; i++)
        if (refusal_status(codes[i]) == status)
            put_sentences(&text, codes[i]);
    key_text(j, "description", buf_str(&text));
    open_array(j, "x-codes");
    for (size_t i = 0; i < n; i++)
        if (refusal_status(codes[i]) == status)
            msg_json_string(j, refusal_word(codes[i]));
    msg_json_array_end(j);
    put_error_content(j);
    msg_json_object_end(j);
    buf_free(&text);
}

static void put_responses(struct msg_json *j, const struct api_route *r)
{
    enum refusal_code codes[ERRORS_MAX];
    size_t n = errors_of(r, codes);
    open_object(j, "responses");
    put_success(j, r);
    for (size_t i = 0; i < n; i++) {
        bool done = false;
        for (size_t k = 0; k < i; k++)
            done = done || refusal_status(codes[k]) == refusal_status(codes[i]);
        if (!done)
            put_errors_of_status(j, refusal_status(codes[i]), codes, n);
    }
    open_object(j, "default");
    key_text(j, "description", "Any other error of the server.");
    put_error_content(j);
    msg_json_object_end(j);
    msg_json_object_end(j);
}

/* --- document --- */

static void put_operation(struct msg_json *j, const struct api_route *r)
{
    open_object(j, r->method == HTTP_POST ? "post" : "get");
    key_text(j, "operationId", r->name);
    open_array(j, "tags");
    msg_json_string(j, r->tag);
    msg_json_array_end(j);
    key_text(j, "summary", r->summary);
    put_params(j, r);
    put_request_body(j, r);
    put_responses(j, r);
    msg_json_object_end(j);
}

static bool path_is_done(const struct api *a, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (api_route_served(a, &api_routes[k]) && strcmp(api_routes[k].pattern, api_routes[i].pattern) == 0)
            return true;
    return false;
}

static void put_paths(struct msg_json *j, const struct api *a)
{
    open_object(j, "paths");
    for (size_t i = 0; i < api_nroutes; i++) {
        if (!api_route_served(a, &api_routes[i]) || path_is_done(a, i))
            continue;
        open_object(j, api_routes[i].pattern);
        for (size_t k = i; k < api_nroutes; k++)
            if (api_route_served(a, &api_routes[k]) &&
                strcmp(api_routes[k].pattern, api_routes[i].pattern) == 0)
                put_operation(j, &api_routes[k]);
        msg_json_object_end(j);
    }
    msg_json_object_end(j);
}

static void put_schema(struct msg_json *j, const struct msg_table *table, enum msg_direction direction)
{
    msg_json_key(j, table->name);
    msg_field_schema(j, table, direction);
}

static bool schema_is_done(const struct api *a, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (api_route_served(a, &api_routes[k]) && api_routes[k].out == api_routes[i].out)
            return true;
    return false;
}

/* No table is the body of two requests. */
static void put_components(struct msg_json *j, const struct api *a)
{
    open_object(j, "components");
    open_object(j, "schemas");
    for (size_t i = 0; i < api_nroutes; i++) {
        if (!api_route_served(a, &api_routes[i]))
            continue;
        if (api_routes[i].in)
            put_schema(j, api_routes[i].in, MSG_IN);
        if (api_routes[i].out && !schema_is_done(a, i))
            put_schema(j, api_routes[i].out, MSG_OUT);
    }
    put_schema(j, &body_error_table, MSG_OUT);
    put_schema(j, &body_problem_table, MSG_OUT);
    msg_json_object_end(j);
    msg_json_object_end(j);
}

void api_openapi(const struct api *a, struct buf *out)
{
    struct msg_json j = MSG_JSON(out);
    msg_json_object(&j);
    key_text(&j, "openapi", "3.1.0");
    open_object(&j, "info");
    key_text(&j, "title", "rushd");
    key_text(&j, "version", a->cfg.version);
    key_text(&j, "description",
             "Orders and first-come coupons. Money is exact to two decimals, local dates have no zone. In "
             "requests "
             "a whole number may also come as a decimal string, unknown fields are ignored.");
    msg_json_object_end(&j);
    put_paths(&j, a);
    put_components(&j, a);
    msg_json_object_end(&j);
}

void api_openapi_get(struct api_call *c, const struct http_request *req)
{
    buf_clear(&c->api->out);
    api_openapi(c->api, &c->api->out);
    api_send(c, 200, JSON_TYPE, buf_slice(&c->api->out));
}
