/* The OpenAPI document: valid JSON that says what is served, no more and no less. */
#include <jansson.h>
#include <strings.h>

#include "api/api_internal.h"
#include "tests/api/api_suites.h"
#include "tests/api/site.h"

static json_t *read_document(void)
{
    struct buf text = BUF_INIT;
    json_error_t e;
    api_openapi(api_site, &text);
    json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &e);
    ck_assert_msg(root != NULL, "%s at %d: %.60s", e.text, e.position, text.data + e.position);
    buf_free(&text);
    return root;
}

static json_t *operation(json_t *root, enum http_method method, const char *pattern)
{
    json_t *path = json_object_get(json_object_get(root, "paths"), pattern);
    return json_object_get(path, method == HTTP_POST ? "post" : "get");
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

START_TEST(served)
{
    const char *answer = ask("GET /v3/api-docs", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    expect_header(answer, "Content-Type: application/json");
    struct buf text = BUF_INIT;
    api_openapi(api_site, &text);
    ck_assert_str_eq(answer_body(answer), buf_str(&text));
    buf_free(&text);
}
END_TEST

/* Every route that the server has is in the document, and nothing else. */
START_TEST(complete)
{
    json_t *root = read_document(), *path;
    const char *pattern;
    size_t documented = 0;
    ck_assert_str_eq(text_of(root, "openapi"), "3.1.0");
    ck_assert_str_eq(text_of(json_object_get(root, "info"), "version"), "1.2.3");
    for (size_t i = 0; i < api_nroutes; i++)
        ck_assert_msg(operation(root, api_routes[i].method, api_routes[i].pattern) != NULL, "%s",
                      api_routes[i].pattern);
    json_object_foreach(json_object_get(root, "paths"), pattern, path) documented += json_object_size(path);
    ck_assert_uint_eq(documented, api_nroutes);
    ck_assert_ptr_null(http_server_route_at(api_site->shop, api_nroutes));
    json_decref(root);
}
END_TEST

static void check_refs(json_t *root, json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;
    json_array_foreach(value, i, member) check_refs(root, member);
    json_object_foreach(value, key, member)
    {
        check_refs(root, member);
        if (strcmp(key, "$ref") != 0)
            continue;
        const char *name = strrchr(json_string_value(member), '/') + 1;
        json_t *schemas = json_object_get(json_object_get(root, "components"), "schemas");
        ck_assert_msg(json_object_get(schemas, name) != NULL, "%s", name);
    }
}

/* Names of operations are unique, references lead somewhere, placeholders have a parameter. */
START_TEST(consistent)
{
    json_t *root = read_document(), *path, *op, *p;
    json_t *names = json_object();
    const char *pattern, *method;
    size_t i;
    check_refs(root, root);
    json_object_foreach(json_object_get(root, "paths"), pattern, path) json_object_foreach(path, method, op)
    {
        size_t placeholders = 0, in_path = 0;
        for (const char *c = pattern; *c; c++)
            placeholders += *c == '{';
        json_array_foreach(json_object_get(op, "parameters"), i, p) in_path +=
            strcmp(text_of(p, "in"), "path") == 0;
        ck_assert_msg(placeholders == in_path, "%s", pattern);
        ck_assert_ptr_nonnull(json_object_get(json_object_get(op, "responses"), "default"));
        ck_assert_ptr_null(json_object_get(names, text_of(op, "operationId")));
        json_object_set_new(names, text_of(op, "operationId"), json_true());
    }
    json_decref(names);
    json_decref(root);
}
END_TEST

static bool has_code(json_t *op, const char *status, const char *code)
{
    size_t i;
    json_t *item;
    json_t *response = json_object_get(json_object_get(op, "responses"), status);
    json_array_foreach(json_object_get(response, "x-codes"), i,
                       item) if (strcmp(json_string_value(item), code) ==
                                 0) return strstr(text_of(response, "description"), code) != NULL;
    return false;
}

START_TEST(errors)
{
    json_t *root = read_document();
    json_t *order = operation(root, HTTP_POST, "/api/orders");
    ck_assert(has_code(order, "400", "INSUFFICIENT_STOCK"));
    ck_assert(has_code(order, "400", "MALFORMED_JSON"));
    ck_assert(has_code(order, "400", "COUPON_NOT_USABLE"));
    ck_assert(has_code(order, "409", "REQUEST_IN_PROGRESS"));
    ck_assert(has_code(order, "422", "IDEMPOTENCY_KEY_REUSED"));
    ck_assert(has_code(order, "503", "OUTCOME_UNKNOWN"));
    ck_assert(has_code(order, "415", "UNSUPPORTED_MEDIA_TYPE"));
    json_t *issue = operation(root, HTTP_POST, "/api/coupons/{couponId}/issue");
    ck_assert(has_code(issue, "400", "COUPON_SOLD_OUT"));
    ck_assert(has_code(issue, "400", "MISSING_PARAMETER"));
    ck_assert(!has_code(issue, "422", "IDEMPOTENCY_KEY_REUSED"));
    json_t *status = operation(root, HTTP_GET, "/api/coupons/{couponId}/issue/status");
    ck_assert(has_code(status, "404", "COUPON_REQUEST_NOT_FOUND"));
    json_decref(root);
}
END_TEST

static bool requires(json_t *schema, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(schema, "required"), i,
                       item) if (strcmp(json_string_value(item), name) == 0) return true;
    return false;
}

START_TEST(schemas)
{
    json_t *root = read_document();
    json_t *all = json_object_get(json_object_get(root, "components"), "schemas");
    json_t *order = json_object_get(all, "OrderRequest");
    ck_assert(requires(order, "userId"));
    ck_assert(requires(order, "orderItems"));
    ck_assert(!requires(order, "userCouponId"));
    json_t *items =
        json_object_get(json_object_get(json_object_get(order, "properties"), "orderItems"), "items");
    ck_assert(requires(items, "productId"));
    ck_assert(requires(items, "quantity"));
    ck_assert(requires(json_object_get(all, "Error"), "code"));
    json_decref(root);
}
END_TEST

static void check_like(json_t *schema, json_t *value, const char *where)
{
    static const char *const types[] = {"object", "array",   "string",  "integer",
                                        "number", "boolean", "boolean", "null"};
    json_t *type = json_object_get(schema, "type");
    const char *is = types[json_typeof(value)];
    bool fits = false;
    size_t i;
    json_t *t;
    if (json_is_string(type)) {
        fits = strcmp(json_string_value(type), is) == 0 ||
               (strcmp(json_string_value(type), "number") == 0 && json_is_number(value));
    } else {
        json_array_foreach(type, i, t) fits = fits || strcmp(json_string_value(t), is) == 0;
    }
    ck_assert_msg(fits, "%s is %s", where, is);
}

/* A real answer has exactly the members that its schema describes. */
static void check_answer(const char *request, const char *schema_name, bool array)
{
    json_t *root = read_document(), *value = json_loads(answer_body(ask(request, NULL, NULL)), 0, NULL);
    json_t *schema =
        json_object_get(json_object_get(json_object_get(root, "components"), "schemas"), schema_name);
    json_t *object = array ? json_array_get(value, 0) : value, *member;
    json_t *properties = json_object_get(schema, "properties");
    const char *key;
    ck_assert_msg(json_is_object(object), "%s", request);
    ck_assert_msg(json_object_size(object) == json_object_size(properties), "%s", request);
    json_object_foreach(object, key, member)
    {
        ck_assert_msg(json_object_get(properties, key) != NULL, "%s: %s", request, key);
        check_like(json_object_get(properties, key), member, key);
    }
    json_decref(value);
    json_decref(root);
}

START_TEST(answers_are_as_described)
{
    check_answer("GET /api/orders/77", "Order", false);
    check_answer("GET /api/orders/76", "Order", false);
    check_answer("GET /api/coupons/1", "Coupon", false);
    check_answer("GET /api/coupons", "Coupon", true);
    check_answer("GET /api/coupons/users/1001", "UserCoupon", true);
    check_answer("POST /api/coupons/1/issue?userId=1", "CouponAccepted", false);
    check_answer("GET /api/coupons/1/issue/status?userId=1", "CouponRequestStatus", false);
    check_answer("GET /api/users/balance?userId=1001", "Balance", false);
    check_answer("GET /api/users/1001", "User", false);
    check_answer("GET /api/products/1", "Product", false);
    check_answer("GET /api/products/popular", "PopularProduct", true);
    check_answer("GET /api/orders/5", "Error", false);
}
END_TEST

START_TEST(only_what_is_served)
{
    struct api_config cfg = api_site_config;
    cfg.serve_shop = false;
    cfg.expose = API_EXPOSE_HEALTH;
    api_site_start(&cfg, false);
    json_t *root = read_document();
    ck_assert_ptr_null(operation(root, HTTP_POST, "/api/orders"));
    ck_assert_ptr_null(operation(root, HTTP_GET, "/actuator/loggers"));
    ck_assert_ptr_nonnull(operation(root, HTTP_GET, "/actuator/health"));
    check_refs(root, root);
    json_decref(root);
    api_site_teardown();
}
END_TEST

Suite *openapi_suite(void)
{
    Suite *s = suite_create("openapi");
    TCase *t = tcase_create("openapi");
    tcase_add_checked_fixture(t, api_site_setup, api_site_teardown);
    tcase_add_test(t, served);
    tcase_add_test(t, complete);
    tcase_add_test(t, consistent);
    tcase_add_test(t, errors);
    tcase_add_test(t, schemas);
    tcase_add_test(t, answers_are_as_described);
    suite_add_tcase(s, t);
    TCase *roles = tcase_create("roles");
    tcase_add_test(roles, only_what_is_served);
    suite_add_tcase(s, roles);
    return s;
}
