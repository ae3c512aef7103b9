/* Accessors on replies of every type: nothing reads memory that the type does not have. */
#include "redis/redis_internal.h"

#include "redis_suites.h"

#include <hiredis/hiredis.h>

static redisReply *parsed;

static const struct redis_reply *parse(const char *bytes)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    redisReaderFeed(reader, bytes, strlen(bytes));
    ck_assert_int_eq(redisReaderGetReply(reader, &reply), 0);
    ck_assert_ptr_nonnull(reply);
    redisReaderFree(reader);
    parsed = reply;
    return (const struct redis_reply *)reply;
}

static void drop(void)
{
    freeReplyObject(parsed);
    parsed = NULL;
}

static void check_empty(const struct redis_reply *r)
{
    int64_t v = 77;
    ck_assert_int_eq(redis_reply_i64(r), 0);
    ck_assert(!redis_reply_is_i64(r, &v));
    ck_assert_int_eq(v, 77);
    ck_assert_uint_eq(redis_reply_text(r).n, 0);
    ck_assert_ptr_nonnull(redis_reply_text(r).p);
    ck_assert_uint_eq(redis_reply_len(r), 0);
    ck_assert_ptr_null(redis_reply_at(r, 0));
}

START_TEST(null_and_nil)
{
    ck_assert_int_eq(redis_reply_type(NULL), REDIS_NIL);
    check_empty(NULL);
    const struct redis_reply *r = parse("$-1\r\n");
    ck_assert_int_eq(redis_reply_type(r), REDIS_NIL);
    check_empty(r);
    drop();
    r = parse("*-1\r\n");
    ck_assert_int_eq(redis_reply_type(r), REDIS_NIL);
    check_empty(r);
    drop();
}
END_TEST

START_TEST(integer)
{
    const struct redis_reply *r = parse(":-9223372036854775807\r\n");
    int64_t v = 0;
    ck_assert_int_eq(redis_reply_type(r), REDIS_INTEGER);
    ck_assert_int_eq(redis_reply_i64(r), -INT64_MAX);
    ck_assert(redis_reply_is_i64(r, &v));
    ck_assert_int_eq(v, -INT64_MAX);
    ck_assert_uint_eq(redis_reply_text(r).n, 0);
    ck_assert_uint_eq(redis_reply_len(r), 0);
    ck_assert_ptr_null(redis_reply_at(r, 0));
    drop();
}
END_TEST

START_TEST(string)
{
    const struct redis_reply *r = parse("$3\r\n123\r\n");
    int64_t v;
    ck_assert_int_eq(redis_reply_type(r), REDIS_STRING);
    ck_assert_int_eq(redis_reply_i64(r), 123);
    ck_assert(slice_eq(redis_reply_text(r), "123"));
    ck_assert_ptr_null(redis_reply_at(r, 0));
    drop();
    r = parse("$4\r\n12.5\r\n");
    ck_assert(!redis_reply_is_i64(r, &v));
    ck_assert_int_eq(redis_reply_i64(r), 0);
    drop();
    r = parse("$0\r\n\r\n");
    ck_assert_int_eq(redis_reply_type(r), REDIS_STRING);
    check_empty(r);
    drop();
}
END_TEST

START_TEST(status_and_error)
{
    const struct redis_reply *r = parse("+12\r\n");
    int64_t v;
    ck_assert_int_eq(redis_reply_type(r), REDIS_STATUS);
    ck_assert(slice_eq(redis_reply_text(r), "12"));
    ck_assert(!redis_reply_is_i64(r, &v));
    drop();
    r = parse("-ERR 12\r\n");
    ck_assert_int_eq(redis_reply_type(r), REDIS_ERROR);
    check_empty(r);
    drop();
}
END_TEST

START_TEST(array)
{
    const struct redis_reply *r = parse("*3\r\n:1\r\n$-1\r\n*1\r\n+x\r\n");
    ck_assert_int_eq(redis_reply_type(r), REDIS_ARRAY);
    ck_assert_uint_eq(redis_reply_len(r), 3);
    ck_assert_int_eq(redis_reply_i64(r), 0);
    ck_assert_uint_eq(redis_reply_text(r).n, 0);
    ck_assert_int_eq(redis_reply_i64(redis_reply_at(r, 0)), 1);
    check_empty(redis_reply_at(r, 1));
    ck_assert(slice_eq(redis_reply_text(redis_reply_at(redis_reply_at(r, 2), 0)), "x"));
    ck_assert_ptr_null(redis_reply_at(r, 3));
    ck_assert_ptr_null(redis_reply_at(redis_reply_at(r, 0), 0));
    drop();
    r = parse("*0\r\n");
    ck_assert_int_eq(redis_reply_type(r), REDIS_ARRAY);
    check_empty(r);
    drop();
}
END_TEST

/* How Redis 6 tells of a command that failed inside a script. */
#define SCRIPT_6                                                                                             \
    "-ERR Error running script (call to f_a42059b356c875f0717db19a51f6aaca9ae659ea): @user_script:12: "      \
    "@user_script: 12: "

static const struct {
    const char *bytes, *code;
    enum error_kind kind;
} errors[] = {
    {"-LOADING Redis is loading the dataset in memory\r\n", "LOADING", ERROR_RETRIABLE},
    {"-READONLY You can't write against a read only replica.\r\n", "READONLY", ERROR_RETRIABLE},
    {"-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN", ERROR_RETRIABLE},
    {SCRIPT_6 "-READONLY You can't write against a read only replica.\r\n", "READONLY", ERROR_RETRIABLE},
    {SCRIPT_6 "OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM", ERROR_RETRIABLE},
    {SCRIPT_6 "attempt to index a nil value BUSYGROUP\r\n", "ERR", ERROR_PERMANENT},
    {"-ERR something else READONLY\r\n", "ERR", ERROR_PERMANENT},
    {"-OOM command not allowed\r\n", "OOM", ERROR_RETRIABLE},
    {"-BUSY Redis is busy running a script\r\n", "BUSY", ERROR_RETRIABLE},
    {"-TRYAGAIN\r\n", "TRYAGAIN", ERROR_RETRIABLE},
    {"-CLUSTERDOWN The cluster is down\r\n", "CLUSTERDOWN", ERROR_RETRIABLE},
    {"-NOREPLICAS Not enough good replicas\r\n", "NOREPLICAS", ERROR_RETRIABLE},
    {"-MISCONF Redis is configured\r\n", "MISCONF", ERROR_RETRIABLE},
    {"-WRONGTYPE Operation against a key\r\n", "WRONGTYPE", ERROR_PERMANENT},
    {"-BUSYGROUP exists\r\n", "BUSYGROUP", ERROR_PERMANENT},
    {"-AVERYLONGFIRSTWORDTHATDOESNOTFIT x\r\n", "AVERYLONGFIRSTWORDTHATD", ERROR_PERMANENT},
    {"-\r\n", "", ERROR_PERMANENT},
};

START_TEST(error_kinds)
{
    struct error e = ERROR_INIT;
    redis_reply_error(parse(errors[_i].bytes), &e);
    ck_assert_int_eq(e.kind, errors[_i].kind);
    ck_assert_str_eq(e.code, errors[_i].code);
    drop();
}
END_TEST

Suite *reply_suite(void)
{
    Suite *s = suite_create("reply");
    TCase *t = tcase_create("accessors");
    tcase_add_test(t, null_and_nil);
    tcase_add_test(t, integer);
    tcase_add_test(t, string);
    tcase_add_test(t, status_and_error);
    tcase_add_test(t, array);
    tcase_add_loop_test(t, error_kinds, 0, ARRAY_LEN(errors));
    suite_add_tcase(s, t);
    return s;
}
