/* /actuator, /actuator/health and /actuator/info. */
#include "base/component.h"
#include "tests/api/api_suites.h"
#include "tests/api/site.h"

#define V3 "Content-Type: application/vnd.spring-boot.actuator.v3+json"

static struct component db = {.name = "db", .groups = COMPONENT_READINESS};
static struct component kafka = {.name = "kafka"};

static void setup(void)
{
    api_site_setup();
    component_register(&db);
    component_register(&kafka);
    component_set(&db, COMPONENT_UP, NULL);
    component_set(&kafka, COMPONENT_UP, NULL);
    component_detail(&db, "database", "PostgreSQL \"15\"");
    component_detail_int(&db, "pool", 8);
}

static bool has(const char *answer, const char *text)
{
    return strstr(answer_body(answer), text) != NULL;
}

START_TEST(liveness)
{
    const char *answer = ask("GET /actuator/health/liveness", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    expect_header(answer, V3);
    ck_assert_str_eq(answer_body(answer),
                     "{\"status\":\"UP\",\"components\":{\"livenessState\":{\"status\":\"UP\"}}}");
    component_set(&db, COMPONENT_DOWN, "away");
    expect("GET /actuator/health/liveness", NULL, 200, NULL);
    answer = ask("HEAD /actuator/health/liveness", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
}
END_TEST

START_TEST(readiness)
{
    expect(
        "GET /actuator/health/readiness", NULL, 200,
        "{\"status\":\"UP\",\"components\":{\"readinessState\":{\"status\":\"UP\"},\"db\":{\"status\":\"UP\","
        "\"details\":{\"database\":\"PostgreSQL \\\"15\\\"\",\"pool\":8}}}}");
    component_set(&db, COMPONENT_DOWN, "run rushctl migrate");
    expect("GET /actuator/health/readiness", NULL, 503,
           "{\"status\":\"DOWN\",\"components\":{\"readinessState\":{\"status\":\"UP\"},\"db\":{\"status\":"
           "\"DOWN\",\"details\":{\"database\":\"PostgreSQL \\\"15\\\"\",\"pool\":8,\"error\":"
           "\"run rushctl migrate\"}}}}");
    component_set(&db, COMPONENT_UNKNOWN, NULL);
    const char *answer = ask("GET /actuator/health/readiness", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 503);
    ck_assert_ptr_nonnull(strstr(answer, "{\"status\":\"DOWN\",\"components\""));
    component_set(&db, COMPONENT_UP, NULL);
    api_set_ready(api_site, false);
    answer = ask("GET /actuator/health/readiness", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 503);
    ck_assert(has(answer, "{\"status\":\"OUT_OF_SERVICE\",\"components\""));
    ck_assert(has(answer, "\"readinessState\":{\"status\":\"OUT_OF_SERVICE\""));
    api_set_ready(api_site, true);
    expect("GET /actuator/health/readiness", NULL, 200, NULL);
}
END_TEST

START_TEST(whole)
{
    const char *answer = ask("GET /actuator/health", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    expect_header(answer, V3);
    ck_assert(has(answer, "{\"status\":\"UP\",\"components\":{\"ping\":{\"status\":\"UP\"},\"diskSpace\":"
                          "{\"status\":\"UP\",\"details\":{\"total\":"));
    ck_assert(has(answer, "\"threshold\":10485760"));
    ck_assert(has(answer, "\"livenessState\":{\"status\":\"UP\"},\"readinessState\":{\"status\":\"UP\"}"));
    ck_assert(has(answer, "\"groups\":[\"liveness\",\"readiness\"]}"));
    component_set(&kafka, COMPONENT_DOWN, "no broker");
    answer = ask("GET /actuator/health", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    ck_assert(has(answer, "{\"status\":\"UP\""));
    ck_assert(has(answer, "\"kafka\":{\"status\":\"DOWN\",\"details\":{\"error\":\"no broker\"}}"));
    component_set(&db, COMPONENT_DOWN, "away");
    answer = ask("GET /actuator/health", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 503);
    ck_assert(has(answer, "{\"status\":\"DOWN\""));
}
END_TEST

START_TEST(single)
{
    expect("GET /actuator/health/kafka", NULL, 200, "{\"status\":\"UP\"}");
    component_set(&kafka, COMPONENT_DOWN, NULL);
    expect("GET /actuator/health/kafka", NULL, 503, "{\"status\":\"DOWN\"}");
    ck_assert(has(ask("GET /actuator/health/diskSpace", NULL, NULL), "\"free\":"));
    expect("GET /actuator/health/none", NULL, 404, NULL);
}
END_TEST

START_TEST(without_details)
{
    struct api_config cfg = api_site_config;
    cfg.health_details = false;
    api_site_start(&cfg, false);
    expect("GET /actuator/health", NULL, 200, "{\"status\":\"UP\",\"groups\":[\"liveness\",\"readiness\"]}");
    expect("GET /actuator/health/liveness", NULL, 200, "{\"status\":\"UP\"}");
    expect("GET /actuator/health/ping", NULL, 404, NULL);
    api_site_teardown();
}
END_TEST

START_TEST(media_types)
{
    static const struct {
        const char *accept, *type;
    } cases[] = {
        {"*/*", V3},
        {"application/*", V3},
        {"application/json", "Content-Type: application/json"},
        {"application/json, text/plain, */*", "Content-Type: application/json"},
        {"application/json;q=0.5, */*", V3},
        {"application/vnd.spring-boot.actuator.v2+json",
         "Content-Type: application/vnd.spring-boot.actuator.v2+json"},
        {"application/vnd.spring-boot.actuator.v3+json;q=0, */*",
         "Content-Type: application/vnd.spring-boot.actuator.v2+json"},
    };
    struct buf header = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&header);
        buf_printf(&header, "Accept: %s\r\n", cases[i].accept);
        const char *answer = ask("GET /actuator/health/liveness", buf_str(&header), NULL);
        ck_assert_int_eq(answer_status(answer), 200);
        expect_header(answer, cases[i].type);
    }
    expect_with("GET /actuator/health", "Accept: text/html\r\n", NULL, 406, NULL);
    buf_free(&header);
}
END_TEST

struct link {
    const char *name, *path;
};

/* The whole list; a path with a placeholder is templated. */
static void expect_links(const struct link *links, size_t n)
{
    struct buf want = BUF_INIT;
    buf_puts(&want, "{\"_links\":{");
    for (size_t i = 0; i < n; i++)
        buf_printf(&want, "%s\"%s\":{\"href\":\"http://shop:8083/actuator%s\",\"templated\":%s}",
                   i ? "," : "", links[i].name, links[i].path, strchr(links[i].path, '{') ? "true" : "false");
    buf_puts(&want, "}}");
    expect("GET /actuator", NULL, 200, buf_str(&want));
    buf_free(&want);
}

START_TEST(links)
{
    static const struct link all[] = {
        {"self", ""},
        {"health", "/health"},
        {"health-path", "/health/{*path}"},
        {"info", "/info"},
        {"metrics", "/metrics"},
        {"metrics-requiredMetricName", "/metrics/{requiredMetricName}"},
        {"prometheus", "/prometheus"},
        {"loggers", "/loggers"},
        {"loggers-name", "/loggers/{name}"},
    };
    expect_links(all, ARRAY_LEN(all));
}
END_TEST

START_TEST(exposure)
{
    static const struct link some[] = {
        {"self", ""}, {"health", "/health"}, {"health-path", "/health/{*path}"}, {"info", "/info"}};
    struct api_config cfg = api_site_config;
    cfg.expose = API_EXPOSE_HEALTH | API_EXPOSE_INFO;
    api_site_start(&cfg, false);
    expect_links(some, ARRAY_LEN(some));
    expect("GET /actuator/info", NULL, 200, NULL);
    expect("GET /actuator/metrics", NULL, 404, NULL);
    expect("GET /actuator/prometheus", NULL, 404, NULL);
    expect("GET /actuator/loggers", NULL, 404, NULL);
    expect("POST /actuator/loggers/root", "{}", 404, NULL);
    api_site_teardown();
}
END_TEST

START_TEST(own_server)
{
    api_site_start(&api_site_config, true);
    expect("GET /actuator/health", NULL, 404, NULL);
    expect("GET /actuator", NULL, 404, NULL);
    expect("GET /api/coupons/1", NULL, 200, NULL);
    expect("GET /v3/api-docs", NULL, 200, NULL);
    ck_assert_int_eq(answer_status(ask_management("GET /actuator/health")), 200);
    ck_assert_int_eq(answer_status(ask_management("GET /actuator/prometheus")), 200);
    ck_assert_int_eq(answer_status(ask_management("GET /api/coupons/1")), 404);
    api_site_teardown();
}
END_TEST

START_TEST(info)
{
    const char *answer = ask("GET /actuator/info", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    ck_assert(has(answer,
                  "{\"build\":{\"name\":\"rushd\",\"version\":\"1.2.3\"},\"node\":{\"id\":\"node-1\","
                  "\"startedAt\":\"2025-11-23T18:22:35.12\",\"uptimeSeconds\":90},\"process\":{\"pid\":"));
    ck_assert(has(answer, "\"os\":{\"name\":\"Linux\""));
}
END_TEST

Suite *health_suite(void)
{
    Suite *s = suite_create("health");
    TCase *t = tcase_create("health");
    tcase_add_checked_fixture(t, setup, api_site_teardown);
    tcase_add_test(t, liveness);
    tcase_add_test(t, readiness);
    tcase_add_test(t, whole);
    tcase_add_test(t, single);
    tcase_add_test(t, media_types);
    tcase_add_test(t, links);
    tcase_add_test(t, info);
    suite_add_tcase(s, t);
    TCase *other = tcase_create("configurations");
    tcase_add_test(other, without_details);
    tcase_add_test(other, exposure);
    tcase_add_test(other, own_server);
    suite_add_tcase(s, other);
    return s;
}
