/* The status of the node's parts. */
#include "test_base.h"

#include "base/clock.h"
#include "base/component.h"
#include "base/log.h"

static struct component db, redis, kafka;
static int64_t now_us = 1000;
static struct buf lines;

static int64_t test_clock(void *self)
{
    return now_us;
}

static const struct clock_ops test_clock_ops = {test_clock, test_clock, NULL};

static void to_buffer(void *arg, const char *line, size_t n)
{
    buf_put(&lines, line, n);
}

static void setup(void)
{
    db = (struct component){.name = "db", .groups = COMPONENT_READINESS};
    redis = (struct component){.name = "redis", .groups = COMPONENT_READINESS | COMPONENT_LIVENESS};
    kafka = (struct component){.name = "kafka"};
    clock_use(&test_clock_ops);
    log_set_sink(to_buffer, NULL);
    component_register(&db);
    component_register(&redis);
    component_register(&kafka);
}

static void teardown(void)
{
    component_reset();
    log_reset();
    clock_use(NULL);
    buf_free(&lines);
}

START_TEST(components_are_listed_in_order)
{
    component_register(&redis);
    ck_assert_ptr_eq(component_first(), &db);
    ck_assert_ptr_eq(db.next, &redis);
    ck_assert_ptr_eq(redis.next, &kafka);
    ck_assert_ptr_null(kafka.next);
    component_reset();
    ck_assert_ptr_null(component_first());
    ck_assert_ptr_null(db.next);
}
END_TEST

START_TEST(a_change_is_logged_once)
{
    now_us = 5000;
    ck_assert(component_set(&db, COMPONENT_DOWN, "connection refused"));
    ck_assert_int_eq(db.changed_us, 5000);
    ck_assert_ptr_nonnull(strstr(buf_str(&lines), " level=warn logger=rushd.health msg=\"component changed\" "
                                                  "component=db status=DOWN before=UNKNOWN "
                                                  "reason=\"connection refused\"\n"));
    buf_clear(&lines);
    now_us = 6000;
    ck_assert(!component_set(&db, COMPONENT_DOWN, "no route"));
    ck_assert_int_eq(db.changed_us, 5000);
    ck_assert_uint_eq(lines.len, 0);
    ck_assert_uint_eq(db.ndetails, 1);
    ck_assert_str_eq(db.details[0].key, "error");
    ck_assert_str_eq(db.details[0].value, "no route");
    ck_assert(component_set(&db, COMPONENT_UP, "ignored"));
    ck_assert_int_eq(db.changed_us, 6000);
    ck_assert_uint_eq(db.ndetails, 0);
    ck_assert_ptr_nonnull(strstr(buf_str(&lines), " level=info "));
    ck_assert(component_set(&db, COMPONENT_OUT_OF_SERVICE, NULL));
    ck_assert_uint_eq(db.ndetails, 0);
}
END_TEST

START_TEST(details_keep_their_order)
{
    component_detail(&db, "database", "PostgreSQL");
    component_detail_int(&db, "connections", -8);
    component_detail(&db, "version", "15");
    ck_assert_uint_eq(db.ndetails, 3);
    ck_assert(db.details[1].number);
    ck_assert_str_eq(db.details[1].value, "-8");
    component_detail(&db, "connections", "none");
    ck_assert(!db.details[1].number);
    component_detail(&db, "database", NULL);
    component_detail(&db, "unknown", NULL);
    ck_assert_uint_eq(db.ndetails, 2);
    ck_assert_str_eq(db.details[0].key, "connections");
    ck_assert_str_eq(db.details[1].key, "version");
    component_detail(&db, "version", NULL);
    ck_assert_uint_eq(db.ndetails, 1);
    char longer[1000];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    component_detail(&db, "longer", longer);
    ck_assert_uint_eq(strlen(db.details[1].value), sizeof(db.details[1].value) - 1);
    component_detail(&db, "longer", NULL);
    ck_assert_uint_eq(db.ndetails, 1);
}
END_TEST

START_TEST(the_worst_status_counts)
{
    ck_assert_int_eq(component_worst(0), COMPONENT_UNKNOWN);
    component_set(&db, COMPONENT_UP, NULL);
    component_set(&redis, COMPONENT_UP, NULL);
    ck_assert_int_eq(component_worst(COMPONENT_READINESS), COMPONENT_UP);
    ck_assert_int_eq(component_worst(0), COMPONENT_UNKNOWN);
    component_set(&kafka, COMPONENT_DOWN, NULL);
    ck_assert_int_eq(component_worst(COMPONENT_READINESS), COMPONENT_UP);
    ck_assert_int_eq(component_worst(0), COMPONENT_DOWN);
    component_set(&redis, COMPONENT_OUT_OF_SERVICE, NULL);
    component_set(&db, COMPONENT_UNKNOWN, NULL);
    ck_assert_int_eq(component_worst(COMPONENT_READINESS), COMPONENT_OUT_OF_SERVICE);
    ck_assert_int_eq(component_worst(COMPONENT_LIVENESS), COMPONENT_OUT_OF_SERVICE);
    component_set(&db, COMPONENT_DOWN, NULL);
    ck_assert_int_eq(component_worst(COMPONENT_READINESS), COMPONENT_DOWN);
    component_reset();
    ck_assert_int_eq(component_worst(0), COMPONENT_UP);
}
END_TEST

START_TEST(statuses_have_names)
{
    ck_assert_str_eq(component_status_name(COMPONENT_UNKNOWN), "UNKNOWN");
    ck_assert_str_eq(component_status_name(COMPONENT_UP), "UP");
    ck_assert_str_eq(component_status_name(COMPONENT_DOWN), "DOWN");
    ck_assert_str_eq(component_status_name(COMPONENT_OUT_OF_SERVICE), "OUT_OF_SERVICE");
}
END_TEST

Suite *component_suite(void)
{
    Suite *s = suite_create("component");
    TCase *tc = tcase_create("component");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, components_are_listed_in_order);
    tcase_add_test(tc, a_change_is_logged_once);
    tcase_add_test(tc, details_keep_their_order);
    tcase_add_test(tc, the_worst_status_counts);
    tcase_add_test(tc, statuses_have_names);
    suite_add_tcase(s, tc);
    return s;
}
