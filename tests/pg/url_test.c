/* From datasource.url to libpq's keywords. */
#include <stdlib.h>

#include "pg/pg_internal.h"
#include "pg_suites.h"

static struct pg_settings s;

static void parse(const char *url)
{
    struct error e = ERROR_INIT;
    pg_settings_free(&s);
    ck_assert_msg(pg_settings_parse(&s, url, &e), "%s: %s", url, e.text);
    ck_assert(pg_url_check(url, &e));
}

static void has(const char *key, const char *value)
{
    const char *got = pg_settings_get(&s, key);
    if (value)
        ck_assert_str_eq(got ? got : "(none)", value);
    else
        ck_assert_msg(!got, "%s is %s", key, got);
}

static void setup(void)
{
    static const char *const variables[] = {"PGHOST", "PGHOSTADDR", "PGPORT"};
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        unsetenv(variables[i]);
}

static void teardown(void)
{
    pg_settings_free(&s);
}

START_TEST(forms_of_libpq)
{
    parse("postgresql:///rushd");
    has("dbname", "rushd");
    has("host", NULL);
    parse("postgresql://shop:p%40ss@db1,db2:5433/shop?sslmode=require");
    has("user", "shop");
    has("password", "p@ss");
    has("host", "db1,db2");
    has("port", ",5433");
    has("sslmode", "require");
    parse("host=/run/postgresql dbname='my shop'");
    has("host", "/run/postgresql");
    has("dbname", "my shop");
}
END_TEST

START_TEST(forms_of_jdbc)
{
    parse("jdbc:postgresql://db.example:5433/shop?user=u&password=p%26q&reWriteBatchedInserts=true");
    has("host", "db.example");
    has("port", "5433");
    has("dbname", "shop");
    has("user", "u");
    has("password", "p&q");
    parse("jdbc:postgresql:shop?currentSchema=sales&ApplicationName=x");
    has("host", "localhost");
    has("dbname", "shop");
    has("options", "-c search_path=sales");
    has("application_name", "x");
    parse("jdbc:postgresql:///shop");
    has("host", "localhost");
    has("dbname", "shop");
    parse("jdbc:postgresql:/?loggerLevel=OFF");
    has("host", "localhost");
    has("dbname", NULL);
    parse("jdbc:postgresql://h/d?ssl=true");
    has("sslmode", "verify-full");
    parse("jdbc:postgresql://[::1]:5432/shop");
    has("host", "::1");
}
END_TEST

START_TEST(malformed_text_is_refused_without_repeating_it)
{
    static const char *const bad[] = {"postgresql://u:secret@h:1/d?nonsense=1", "jdbc:mysql://secret/x",
                                      "secret"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error e = ERROR_INIT;
        ck_assert_msg(!pg_url_check(bad[i], &e), "%s", bad[i]);
        ck_assert_ptr_null(strstr(e.text, "secret"));
        ck_assert_int_eq(e.kind, ERROR_PERMANENT);
    }
}
END_TEST

/* The file would be read while the loop runs. */
START_TEST(service_files_are_refused)
{
    static const char *const urls[] = {"postgresql:///d?service=shop", "service=shop user=u"};
    struct error e = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        ck_assert(!pg_url_check(urls[i], &e));
        ck_assert_ptr_nonnull(strstr(e.text, "service"));
    }
    ck_assert(pg_url_check("postgresql:///d", &e));
    setenv("PGSERVICE", "shop", 1);
    ck_assert(!pg_url_check("postgresql:///d", &e));
    ck_assert_ptr_nonnull(strstr(e.text, "PGSERVICE"));
    unsetenv("PGSERVICE");
}
END_TEST

START_TEST(settings_of_the_session)
{
    parse("jdbc:postgresql:d?options=-c%20geqo=off");
    pg_settings_guc(&s, "timezone", "Asia/Seoul");
    pg_settings_guc(&s, "application_name", "two words\\");
    has("options", "-c geqo=off -c timezone=Asia/Seoul -c application_name=two\\ words\\\\");
    pg_settings_default(&s, "dbname", "other");
    has("dbname", "d");
    struct pg_settings copy;
    pg_settings_copy(&copy, &s);
    pg_settings_set(&copy, "dbname", "copy");
    has("dbname", "d");
    pg_settings_free(&copy);
}
END_TEST

START_TEST(hosts_to_resolve)
{
    struct pg_host hosts[PG_MAX_HOSTS];
    parse("postgresql://db1,db2:5433/shop");
    ck_assert_uint_eq(pg_settings_hosts(&s, hosts), 2);
    ck_assert_str_eq(hosts[0].name, "db1");
    ck_assert_str_eq(hosts[0].port, "");
    ck_assert_str_eq(hosts[1].name, "db2");
    ck_assert_str_eq(hosts[1].port, "5433");
    parse("host=a,/tmp,b port=7");
    ck_assert_uint_eq(pg_settings_hosts(&s, hosts), 3);
    ck_assert(pg_host_is_name(&hosts[0]));
    ck_assert(!pg_host_is_name(&hosts[1]));
    ck_assert_str_eq(hosts[2].port, "7");
    parse("host=/tmp,/run");
    ck_assert_uint_eq(pg_settings_hosts(&s, hosts), 0);
    parse("host=a hostaddr=192.0.2.1");
    ck_assert_uint_eq(pg_settings_hosts(&s, hosts), 0);
    parse("postgresql:///d");
    ck_assert_uint_eq(pg_settings_hosts(&s, hosts), 0);
    setenv("PGHOST", "from.environment", 1);
    setenv("PGPORT", "6", 1);
    ck_assert_uint_eq(pg_settings_hosts(&s, hosts), 1);
    ck_assert_str_eq(hosts[0].name, "from.environment");
    ck_assert_str_eq(hosts[0].port, "6");
}
END_TEST

Suite *url_suite(void)
{
    Suite *suite = suite_create("urls");
    TCase *c = tcase_create("urls");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, forms_of_libpq);
    tcase_add_test(c, forms_of_jdbc);
    tcase_add_test(c, malformed_text_is_refused_without_repeating_it);
    tcase_add_test(c, service_files_are_refused);
    tcase_add_test(c, settings_of_the_session);
    tcase_add_test(c, hosts_to_resolve);
    suite_add_tcase(suite, c);
    return suite;
}
