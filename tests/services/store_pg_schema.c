/* Migrations, demo data, settings, ids. */
#include "store_pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/embed.h"
#include "store/schema.h"
#include "store/store_internal.h"

struct migrated {
    struct outcome outcome;
    int applied, announced;
};

static void on_each(void *arg, int version, const char *name)
{
    struct migrated *m = arg;
    m->announced++;
    if (version == 1)
        ck_assert_str_eq(name, "initial");
}

static void on_migrated(void *arg, int applied, const struct error *e)
{
    struct migrated *m = arg;
    m->applied = applied;
    on_done(&m->outcome, e);
}

struct checked {
    struct outcome outcome;
    enum schema_state state;
    int version;
    char text[200];
};

static void on_checked(void *arg, enum schema_state state, int version, const char *text,
                       const struct error *e)
{
    struct checked *c = arg;
    c->state = state;
    c->version = version;
    snprintf(c->text, sizeof(c->text), "%s", text);
    on_done(&c->outcome, e);
}

static enum schema_state state_now(const char *zone, int version)
{
    struct checked c = {0};
    schema_check(node.store, zone, on_checked, &c);
    AWAIT_OK(&c.outcome);
    ck_assert_int_eq(c.version, version);
    ck_assert_str_ne(c.text, "");
    return c.state;
}

START_TEST(every_migration_says_whom_it_serves)
{
    for (const struct embed_file *f = schema_files; f->name; f++)
        ck_assert_msg(schema_serves(atoi(f->name)) > 0, "%s", f->name);
    ck_assert_int_eq(schema_serves(999), 0);
}
END_TEST

START_TEST(an_empty_database_is_migrated_once)
{
    struct migrated first = {0}, second = {0};
    ck_assert_int_eq(state_now(ZONE, 0), SCHEMA_MISSING);
    schema_migrate(node.store, ZONE, on_each, on_migrated, &first);
    ck_assert(!first.outcome.fired);
    AWAIT_OK(&first.outcome);
    ck_assert_int_eq(first.applied, schema_latest());
    ck_assert_int_eq(first.announced, schema_latest());
    ck_assert_int_eq(state_now(ZONE, schema_latest()), SCHEMA_CURRENT);
    schema_migrate(node.store, ZONE, on_each, on_migrated, &second);
    AWAIT_OK(&second.outcome);
    ck_assert_int_eq(second.applied, 0);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM schema_migrations WHERE time_zone = '" ZONE
                             "' AND applied_at <= now()"),
                     schema_latest());
}
END_TEST

START_TEST(two_nodes_migrate_at_once)
{
    struct node other;
    struct migrated a = {0}, b = {0}, c = {0};
    node_open(&other);
    schema_migrate(node.store, ZONE, NULL, on_migrated, &a);
    schema_migrate(other.store, ZONE, NULL, on_migrated, &b);
    schema_migrate(other.store, ZONE, NULL, on_migrated, &c);
    AWAIT_OK(&a.outcome);
    AWAIT_OK(&b.outcome);
    AWAIT_OK(&c.outcome);
    ck_assert_int_eq(a.applied + b.applied + c.applied, schema_latest());
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM schema_migrations"), schema_latest());
    node_close(&other);
}
END_TEST

START_TEST(another_time_zone_is_noticed)
{
    struct migrated m = {0};
    ck_assert_int_eq(state_now("UTC", schema_latest()), SCHEMA_OTHER_ZONE);
    schema_migrate(node.store, "UTC", NULL, on_migrated, &m);
    await(&m.outcome.fired);
    ck_assert_int_eq(m.outcome.e.kind, ERROR_PERMANENT);
    ck_assert_str_eq(m.outcome.e.code, "OTHER_ZONE");
}
END_TEST

START_TEST(a_later_schema_is_noticed_unless_it_serves_us)
{
    int later = schema_latest() + 1;
    sql("INSERT INTO schema_migrations (version, serves, name, time_zone) VALUES (%d, %d, 'later', '" ZONE
        "')",
        later, later);
    ck_assert_int_eq(state_now(ZONE, later), SCHEMA_NEWER);
    sql("UPDATE schema_migrations SET serves = %d WHERE version = %d", schema_latest(), later);
    ck_assert_int_eq(state_now(ZONE, later), SCHEMA_CURRENT);
    sql("DELETE FROM schema_migrations");
    ck_assert_int_eq(state_now(ZONE, 0), SCHEMA_MISSING);
}
END_TEST

/* A file whose own SQL fails is an error, not a lost race, and leaves nothing behind. */
START_TEST(a_failing_migration_is_reported)
{
    struct migrated m = {0};
    sql("CREATE TABLE users (user_id bigint)");
    schema_migrate(node.store, ZONE, NULL, on_migrated, &m);
    await(&m.outcome.fired);
    ck_assert_int_eq(m.outcome.e.kind, ERROR_PERMANENT);
    ck_assert_str_eq(m.outcome.e.code, "42P07");
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM schema_migrations"), 0);
    /* The same with a duplicate inside the file, whose SQLSTATE is that of a lost race. */
    struct migrated duplicate = {0};
    sql("DROP TABLE users; CREATE UNIQUE INDEX one_name ON schema_migrations (time_zone);"
        "CREATE FUNCTION doubled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.version < 1000 THEN INSERT INTO schema_migrations VALUES (1000, 1, '', NEW.time_zone); END "
        "IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER doubled AFTER INSERT ON schema_migrations FOR EACH ROW EXECUTE FUNCTION doubled()");
    schema_migrate(node.store, ZONE, NULL, on_migrated, &duplicate);
    await(&duplicate.outcome.fired);
    ck_assert_int_eq(duplicate.outcome.e.kind, ERROR_PERMANENT);
    ck_assert_str_eq(duplicate.outcome.e.code, "23505");
}
END_TEST

START_TEST(demo_data_is_loaded_once_and_the_books_agree)
{
    struct outcome again = {0};
    sql("UPDATE products SET stock = 7 WHERE id = 1; DELETE FROM products WHERE id = 20;"
        "UPDATE balances SET amount = amount + 5 WHERE user_id = 1001;"
        "INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after) VALUES (1001, 'CHARGE', 5, "
        "1000005)");
    schema_seed(node.store, on_done, &again);
    AWAIT_OK(&again);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM users"), 1000);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM products"), 20);
    ck_assert_int_eq(sql_i64("SELECT stock FROM products WHERE id = 1"), 7);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM coupons"), 10);
    ck_assert_int_eq(
        sql_i64("SELECT count(*) FROM balances b WHERE amount <> (SELECT sum(amount) FROM user_balance_tx t"
                " WHERE t.user_id = b.user_id)"),
        0);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM user_balance_tx"), 1001);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM (SELECT DISTINCT ON (user_id) tx_type FROM user_balance_tx"
                             " ORDER BY user_id, id) AS opening WHERE tx_type <> 'DEPOSIT'"),
                     0);
    ck_assert_int_eq(
        sql_i64(
            "SELECT count(*) FROM coupons WHERE status = 'ACTIVE' AND now() BETWEEN valid_from AND valid_to"),
        6);
    ck_assert_int_eq(
        sql_i64("SELECT max_issuance_count FROM coupons WHERE coupon_id = 1 AND discount_amount = 1000"),
        100);
}
END_TEST

static int warnings;

static void on_warning(void *arg, const char *component, const char *setting, const char *value,
                       const char *why)
{
    ck_assert_str_eq(component, "db");
    ck_assert_str_eq(value, "off");
    ck_assert_str_eq(sql_text("SELECT setting FROM pg_settings WHERE name = '%s'", setting), "off");
    warnings++;
}

START_TEST(dangerous_settings_are_named)
{
    struct outcome o = {0};
    warnings = 0;
    store_check_pg_settings(node.store, on_warning, on_done, &o);
    AWAIT_OK(&o);
    ck_assert_int_eq(warnings,
                     sql_i64("SELECT count(*) FROM pg_settings WHERE name IN ('fsync', 'full_page_writes')"
                             " AND setting = 'off'"));
}
END_TEST

START_TEST(ids_are_reserved_in_blocks)
{
    struct outcome o = {0}, many = {0};
    ck_assert_uint_eq(store_ids_left(node.store, STORE_ID_ORDER), 0);
    store_ids_ensure(node.store, STORE_ID_ORDER, 10, DEADLINE_MS, on_done, &o);
    ck_assert(!o.fired);
    AWAIT_OK(&o);
    ck_assert_uint_ge(store_ids_left(node.store, STORE_ID_ORDER), 10);
    int64_t last = 0;
    for (int i = 0; i < 10; i++) {
        int64_t id = store_ids_take(node.store, STORE_ID_ORDER);
        ck_assert_int_gt(id, last);
        last = id;
    }
    ck_assert_int_ge(sql_i64("SELECT last_value FROM orders_id_seq"), last);
    o = (struct outcome){0};
    store_ids_ensure(node.store, STORE_ID_ORDER, 10, DEADLINE_MS, on_done, &o);
    ck_assert_msg(!o.fired, "done fired before the call returned");
    AWAIT_OK(&o);
    store_ids_ensure(node.store, STORE_ID_ORDER, 20000, DEADLINE_MS, on_done, &many);
    AWAIT_OK(&many);
    ck_assert_uint_ge(store_ids_left(node.store, STORE_ID_ORDER), 20000);
}
END_TEST

/* Whoever takes ids steadily never waits for them. */
START_TEST(the_next_block_comes_before_the_last_id)
{
    struct outcome o = {0};
    store_ids_ensure(node.store, STORE_ID_ORDER, 1, DEADLINE_MS, on_done, &o);
    AWAIT_OK(&o);
    for (int i = 0; i < 50; i++) {
        size_t left = store_ids_left(node.store, STORE_ID_ORDER);
        ck_assert_uint_ge(left, 1000);
        for (int k = 0; k < 1000; k++)
            store_ids_take(node.store, STORE_ID_ORDER);
        for (int turn = 0; turn < 1000 && store_ids_left(node.store, STORE_ID_ORDER) < 1000; turn++)
            run_for(5);
    }
    ck_assert_int_lt(sql_i64("SELECT last_value FROM orders_id_seq"), 100000); /* none were thrown away */
}
END_TEST

/* Of another program that draws from the sequence, and of one that changed its increment. */
START_TEST(ids_of_others_are_left_alone)
{
    struct outcome o = {0}, more = {0};
    int64_t theirs = sql_i64("SELECT nextval('orders_id_seq')");
    store_ids_ensure(node.store, STORE_ID_ORDER, 1, DEADLINE_MS, on_done, &o);
    AWAIT_OK(&o);
    int64_t later = sql_i64("SELECT nextval('orders_id_seq')");
    sql("ALTER SEQUENCE orders_id_seq INCREMENT BY 1; SELECT setval('orders_id_seq', %lld)",
        (long long)later + 63);
    size_t left = store_ids_left(node.store, STORE_ID_ORDER);
    store_ids_ensure(node.store, STORE_ID_ORDER, left + 10, DEADLINE_MS, on_done, &more);
    AWAIT_OK(&more);
    int64_t last = 0;
    for (size_t i = 0; i < left + 10; i++) {
        int64_t id = store_ids_take(node.store, STORE_ID_ORDER);
        ck_assert_int_gt(id, last);
        ck_assert(id != theirs && id != later);
        last = id;
    }
    ck_assert_int_eq(sql_i64("SELECT last_value FROM orders_id_seq") >= last, 1);
}
END_TEST

START_TEST(two_nodes_never_get_the_same_id)
{
    struct node other;
    struct outcome o[8] = {0};
    static char taken[200000];
    node_open(&other);
    for (size_t i = 0; i < ARRAY_LEN(o); i++)
        store_ids_ensure(i % 2 ? other.store : node.store, STORE_ID_ORDER_ITEM, 4000 * (i / 2 + 1),
                         DEADLINE_MS, on_done, &o[i]);
    for (size_t i = 0; i < ARRAY_LEN(o); i++)
        AWAIT_OK(&o[i]);
    for (int i = 0; i < 32000; i++) {
        int64_t id = store_ids_take(i % 2 ? other.store : node.store, STORE_ID_ORDER_ITEM);
        ck_assert(id > 0 && id < (int64_t)sizeof(taken) && !taken[id]);
        taken[id] = 1;
    }
    node_close(&other);
}
END_TEST

START_TEST(ids_that_do_not_come_in_time_are_an_error)
{
    struct outcome o = {0};
    sql("BEGIN; ALTER SEQUENCE user_coupons_id_seq INCREMENT BY 1");
    store_ids_ensure(node.store, STORE_ID_USER_COUPON, 1, 200, on_done, &o);
    await(&o.fired);
    ck_assert_int_eq(o.e.kind, ERROR_RETRIABLE);
    sql("ROLLBACK");
    o = (struct outcome){0};
    store_ids_ensure(node.store, STORE_ID_USER_COUPON, 1, DEADLINE_MS, on_done, &o);
    AWAIT_OK(&o);
}
END_TEST

Suite *store_pg_schema_suite(void)
{
    Suite *s = suite_create("store_pg_schema");
    TCase *empty = tcase_create("empty database");
    tcase_set_timeout(empty, 60);
    tcase_add_checked_fixture(empty, setup_empty, teardown);
    tcase_add_test(empty, every_migration_says_whom_it_serves);
    tcase_add_test(empty, an_empty_database_is_migrated_once);
    tcase_add_test(empty, two_nodes_migrate_at_once);
    tcase_add_test(empty, a_failing_migration_is_reported);
    suite_add_tcase(s, empty);
    TCase *seeded = tcase_create("seeded database");
    tcase_set_timeout(seeded, 60);
    tcase_add_checked_fixture(seeded, setup, teardown);
    tcase_add_test(seeded, another_time_zone_is_noticed);
    tcase_add_test(seeded, a_later_schema_is_noticed_unless_it_serves_us);
    tcase_add_test(seeded, demo_data_is_loaded_once_and_the_books_agree);
    tcase_add_test(seeded, dangerous_settings_are_named);
    tcase_add_test(seeded, ids_are_reserved_in_blocks);
    tcase_add_test(seeded, the_next_block_comes_before_the_last_id);
    tcase_add_test(seeded, ids_of_others_are_left_alone);
    tcase_add_test(seeded, two_nodes_never_get_the_same_id);
    tcase_add_test(seeded, ids_that_do_not_come_in_time_are_an_error);
    suite_add_tcase(s, seeded);
    return s;
}
