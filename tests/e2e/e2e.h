/* What every file of these tests uses: the mode of the run, texts that live as long as the test, waiting by asking. */
#ifndef TESTS_E2E_E2E_H
#define TESTS_E2E_E2E_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define E2E_LEN(a) (sizeof(a) / sizeof(a)[0])

/* How events travel: RUSHD_TEST_MODE = embedded, local or broker. */
enum e2e_mode {
    E2E_EMBEDDED, /* librdkafka's mock cluster in the node */
    E2E_LOCAL,    /* handlers in the node */
    E2E_BROKER,   /* Apache Kafka */
};

enum e2e_mode e2e_mode(void);
const char *e2e_mode_name(void);
/* The value of an environment variable that the runner sets; the program ends without it. */
const char *e2e_env(const char *name);

/* Keep memory until the process ends: tests are short, and what is reachable is no leak. */
void *e2e_keep(void *memory);
/* A formatted text, kept. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How much slower than usual the nodes may be: RUSHD_TEST_SLOWNESS, by default 1. Deadlines of tests are that much longer. */
int e2e_slowness(void);

int64_t now_ms(void); /* monotonic */
void pause_ms(int ms);

/* Ask until the condition holds; at the deadline the test fails, naming the condition. */
#define WAIT_UNTIL(seconds, condition)                                                                       \
    do {                                                                                                     \
        int64_t wait_end_ = now_ms() + (int64_t)((seconds)*1000 * e2e_slowness());                           \
        while (!(condition)) {                                                                               \
            ck_assert_msg(now_ms() < wait_end_, "after %s s still not: %s", #seconds, #condition);           \
            pause_ms(20);                                                                                    \
        }                                                                                                    \
    } while (0)

/* Checked fixtures of every test case: at a failure the ends of the nodes' logs are printed. */
void e2e_test_begins(void);
void e2e_test_ends(void);
/* A test case of a suite with the fixtures and a timeout. */
TCase *e2e_tcase(Suite *suite, const char *name, double timeout_s);

#endif
