/* Growable bytes. */
#include "test_base.h"

#include "base/buf.h"
#include "base/queue.h"

START_TEST(an_empty_buffer_is_an_empty_text)
{
    struct buf b = BUF_INIT;
    ck_assert_str_eq(buf_str(&b), "");
    ck_assert_uint_eq(buf_slice(&b).n, 0);
    buf_put(&b, NULL, 0);
    buf_consume(&b, 0);
    buf_clear(&b);
    ck_assert_ptr_null(b.data);
    buf_free(&b);
    char *s = buf_steal(&b);
    ck_assert_str_eq(s, "");
    mem_free(s);
}
END_TEST

START_TEST(it_grows_byte_by_byte)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 100000; i++)
        buf_putc(&b, (char)('a' + i % 26));
    ck_assert_uint_eq(b.len, 100000);
    ck_assert_uint_gt(b.cap, b.len);
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(b.data[i], 'a' + i % 26);
    ck_assert_uint_eq(strlen(buf_str(&b)), 100000);
    size_t cap = b.cap;
    buf_clear(&b);
    ck_assert_str_eq(buf_str(&b), "");
    ck_assert_uint_eq(b.cap, cap);
    buf_free(&b);
    ck_assert_uint_eq(b.cap, 0);
}
END_TEST

START_TEST(pieces_are_appended)
{
    struct buf b = BUF_INIT;
    buf_puts(&b, "one");
    buf_put(&b, "\0two", 4);
    buf_put_slice(&b, SLICE("three"));
    buf_put_slice(&b, (struct slice){0});
    ck_assert_uint_eq(b.len, 12);
    ck_assert_mem_eq(buf_str(&b), "one\0twothree", 13);
    buf_consume(&b, 4);
    ck_assert_str_eq(buf_str(&b), "twothree");
    buf_consume(&b, 8);
    ck_assert_str_eq(buf_str(&b), "");
    buf_free(&b);
}
END_TEST

START_TEST(numbers_are_decimal)
{
    struct buf b = BUF_INIT;
    int64_t all[] = {0, -1, 7, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buf_put_i64(&b, all[i]);
        buf_putc(&b, ' ');
    }
    ck_assert_str_eq(buf_str(&b), "0 -1 7 9223372036854775807 -9223372036854775808 ");
    buf_free(&b);
}
END_TEST

START_TEST(printf_takes_any_length)
{
    char text[1000];
    memset(text, 'y', sizeof(text));
    for (size_t n = 0; n < sizeof(text); n += 9) {
        struct buf b = BUF_INIT;
        text[n] = '\0';
        buf_puts(&b, "<");
        buf_printf(&b, "%s%d>", text, 42);
        ck_assert_uint_eq(b.len, n + 4);
        ck_assert_str_eq(buf_str(&b) + n + 1, "42>");
        text[n] = 'y';
        buf_free(&b);
    }
}
END_TEST

START_TEST(reserved_room_is_writable)
{
    struct buf b = BUF_INIT;
    buf_puts(&b, "x");
    char *p = buf_reserve(&b, 1000);
    memset(p, 'z', 1000);
    b.len += 1000;
    ck_assert_uint_eq(strlen(buf_str(&b)), 1001);
    char *s = buf_steal(&b);
    ck_assert_uint_eq(strlen(s), 1001);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.len, 0);
    mem_free(s);
}
END_TEST

struct item {
    int n;
    TAILQ_ENTRY(item) link;
};
TAILQ_HEAD(item_list, item);

START_TEST(queues_may_lose_items_during_a_walk)
{
    struct item_list list = TAILQ_HEAD_INITIALIZER(list);
    for (int i = 0; i < 5; i++) {
        struct item *it = mem_zalloc(sizeof(*it));
        it->n = i;
        TAILQ_INSERT_TAIL(&list, it, link);
    }
    struct item *it, *next;
    int sum = 0;
    TAILQ_FOREACH_SAFE(it, &list, link, next)
    {
        sum += it->n;
        TAILQ_REMOVE(&list, it, link);
        mem_free(it);
    }
    ck_assert_int_eq(sum, 10);
    ck_assert(TAILQ_EMPTY(&list));
}
END_TEST

Suite *buf_suite(void)
{
    Suite *s = suite_create("buf");
    TCase *tc = tcase_create("buf");
    tcase_add_test(tc, an_empty_buffer_is_an_empty_text);
    tcase_add_test(tc, it_grows_byte_by_byte);
    tcase_add_test(tc, pieces_are_appended);
    tcase_add_test(tc, numbers_are_decimal);
    tcase_add_test(tc, printf_takes_any_length);
    tcase_add_test(tc, reserved_room_is_writable);
    tcase_add_test(tc, queues_may_lose_items_during_a_walk);
    suite_add_tcase(s, tc);
    return s;
}
