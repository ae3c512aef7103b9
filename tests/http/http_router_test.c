/* Routes: literal before placeholder, coming back from a dead end, methods of a path. */
#include "http/http_router.h"
#include "tests/http/suites.h"

static void handler(void *arg, const struct http_request *req, http_reply reply)
{
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", handler},
    {HTTP_GET, "/api/products/{productId}", handler},
    {HTTP_GET, "/api/products/popular", handler},
    {HTTP_GET, "/api/products/{productId}/reviews", handler},
    {HTTP_DELETE, "/api/products/{productId}", handler},
    {HTTP_POST, "/api/orders", handler},
    {HTTP_GET, "/api/{kind}/{id}/x/{z}", handler},
    {HTTP_OPTIONS, "/own", handler},
    {HTTP_HEAD, "/head", handler},
};

/* "index[params]", "allow ..." or "none" */
static void lookup(const struct http_router *r, enum http_method method, const char *path, struct buf *out)
{
    struct slice segments[HTTP_MAX_SEGMENTS];
    struct buf scratch = BUF_INIT;
    struct http_match m;
    size_t n = http_path_split(slice_of(path), &scratch, segments);
    enum http_match_result result = http_router_find(r, method, segments, n, &m);
    buf_clear(out);
    if (result == HTTP_MATCH_NONE) {
        buf_puts(out, "none");
    } else if (result == HTTP_MATCH_METHOD) {
        char allow[HTTP_ALLOW_SIZE];
        http_allow_print(m.allow, allow);
        buf_printf(out, "allow %s", allow);
    } else {
        buf_printf(out, "%zu", m.index);
        for (size_t i = 0; i < m.nparams; i++)
            buf_printf(out, " %.*s", (int)m.params[i].n, m.params[i].p);
    }
    buf_free(&scratch);
}

START_TEST(router_finds_routes)
{
    static const struct {
        enum http_method method;
        const char *path, *expected;
    } rows[] = {
        {HTTP_GET, "/", "0"},
        {HTTP_GET, "/api/products/17", "1 17"},
        {HTTP_GET, "/api/products/popular", "2"},
        {HTTP_GET, "/api/products/popula%72", "2"},
        {HTTP_GET, "/api/products/a%2Fb", "1 a/b"},
        {HTTP_GET, "/api/products/%ec%9b%90", "1 원"},
        {HTTP_GET, "/api/products/popular/reviews", "3 popular"},
        {HTTP_GET, "/api/products/popular/x/1", "6 products popular 1"},
        {HTTP_GET, "/api/orders/7/x/1", "6 orders 7 1"},
        {HTTP_DELETE, "/api/products/popular", "4 popular"},
        {HTTP_HEAD, "/api/products/popular", "2"},
        {HTTP_HEAD, "/head", "8"},
        {HTTP_GET, "/head", "allow HEAD, OPTIONS"},
        {HTTP_OPTIONS, "/own", "7"},
        {HTTP_PUT, "/api/products/popular", "allow GET, HEAD, DELETE, OPTIONS"},
        {HTTP_OPTIONS, "/api/orders", "allow POST, OPTIONS"},
        {HTTP_HEAD, "/api/orders", "allow POST, OPTIONS"},
        {HTTP_GET, "/api", "none"},
        {HTTP_GET, "/api/products", "none"},
        {HTTP_GET, "/api/products/", "none"},
        {HTTP_GET, "/api/products/1/", "none"},
        {HTTP_GET, "//", "none"},
        {HTTP_GET, "/API/products/1", "none"},
        {HTTP_GET, "/api/products/%", "none"},
        {HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12", "none"},
        {HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14", "none"},
        {HTTP_GET, "", "none"},
        {HTTP_GET, "api", "none"},
    };
    struct http_router *r = http_router_new();
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        ck_assert_uint_eq(http_router_add(r, &routes[i]), i);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        lookup(r, rows[i].method, rows[i].path, &out);
        ck_assert_msg(strcmp(buf_str(&out), rows[i].expected) == 0, "%s %s: expected %s, got %s",
                      http_method_name(rows[i].method), rows[i].path, rows[i].expected, buf_str(&out));
    }
    ck_assert_str_eq(http_router_at(r, 5)->pattern, "/api/orders");
    ck_assert_ptr_null(http_router_at(r, ARRAY_LEN(routes)));
    buf_free(&out);
    http_router_free(r);
}
END_TEST

Suite *http_router_suite(void)
{
    Suite *s = suite_create("http_router");
    TCase *t = tcase_create("http_router");
    tcase_add_test(t, router_finds_routes);
    suite_add_tcase(s, t);
    return s;
}
