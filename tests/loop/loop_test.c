/* Turns, end-of-turn tasks, memory given back late, signals, busy time. */
#include "loop/loop.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/metric.h"
#include "loop_suites.h"

static struct loop *l;

static void setup(void)
{
    l = loop_new();
}

static void teardown(void)
{
    loop_free(l);
    metric_reset();
}

static bool is_set(void *arg)
{
    return *(bool *)arg;
}

struct note {
    struct loop_task task;
    char text[16];
    size_t n;
    int again; /* times that the task defers itself */
};

static void on_note(void *arg)
{
    struct note *note = arg;
    note->text[note->n < sizeof(note->text) ? note->n : 0] = 'x';
    note->n++;
    if (note->again-- > 0)
        loop_defer(l, &note->task);
}

static bool note_taken(void *arg)
{
    return ((struct note *)arg)->n > 0;
}

START_TEST(task_runs_once_and_not_before_the_call_returns)
{
    struct note note = {0};
    note.task = (struct loop_task){.run = on_note, .arg = &note};
    loop_defer(l, &note.task);
    loop_defer(l, &note.task);
    ck_assert_uint_eq(note.n, 0);
    ck_assert(loop_run_until(l, note_taken, &note, 1000));
    ck_assert_uint_eq(note.n, 1);
    ck_assert(!note.task.pending);
}
END_TEST

START_TEST(cancelled_task_does_not_run)
{
    struct note note = {0}, other = {0};
    note.task = (struct loop_task){.run = on_note, .arg = &note};
    other.task = (struct loop_task){.run = on_note, .arg = &other};
    loop_defer(l, &note.task);
    loop_defer(l, &other.task);
    loop_defer_cancel(l, &note.task);
    loop_defer_cancel(l, &note.task);
    ck_assert(loop_run_until(l, note_taken, &other, 1000));
    ck_assert_uint_eq(note.n, 0);
}
END_TEST

static void on_timer_set(void *arg)
{
    *(bool *)arg = true;
}

START_TEST(task_that_defers_itself_does_not_starve_timers)
{
    struct note note = {.again = INT32_MAX};
    bool fired = false;
    note.task = (struct loop_task){.run = on_note, .arg = &note};
    struct loop_timer *t = loop_timer_new(l, on_timer_set, &fired);
    loop_timer_start(t, 20);
    loop_defer(l, &note.task);
    ck_assert(loop_run_until(l, is_set, &fired, 2000));
    ck_assert_uint_gt(note.n, 4096); /* more than one round ran, without sleeping between them */
    loop_defer_cancel(l, &note.task);
    loop_timer_free(t);
}
END_TEST

struct owned {
    struct loop_task task;
    bool ran;
};

static void on_owned(void *arg)
{
    loop_free_later(l, arg);
}

START_TEST(memory_given_back_lives_until_the_end_of_the_turn)
{
    struct owned *o = mem_zalloc(sizeof(*o));
    o->task = (struct loop_task){.run = on_owned, .arg = o};
    loop_defer(l, &o->task);
    loop_free_later(l, mem_alloc(10));
    bool never = false;
    ck_assert(!loop_run_until(l, is_set, &never, 5));
}
END_TEST

START_TEST(deferred_tasks_run_when_the_loop_is_freed)
{
    struct note note = {.again = 3};
    struct loop *mine = l;
    note.task = (struct loop_task){.run = on_note, .arg = &note};
    loop_defer(mine, &note.task);
    loop_free(mine);
    ck_assert_uint_eq(note.n, 4);
    l = loop_new();
}
END_TEST

static void on_stop(void *arg)
{
    loop_stop(l, *(int *)arg);
}

START_TEST(run_returns_the_exit_code)
{
    int code = 69;
    struct loop_timer *t = loop_timer_new(l, on_stop, &code);
    loop_timer_start(t, 1);
    ck_assert_int_eq(loop_run(l), 69);
    loop_timer_free(t);
}
END_TEST

static int last_signal;

static void on_signal(void *arg, int signo)
{
    last_signal = signo;
    loop_on_signal(l, signo, NULL, NULL);
    *(bool *)arg = true;
}

START_TEST(signal_arrives_as_a_call)
{
    bool seen = false;
    loop_on_signal(l, SIGUSR1, on_signal, &seen);
    kill(getpid(), SIGUSR1);
    ck_assert(loop_run_until(l, is_set, &seen, 1000));
    ck_assert_int_eq(last_signal, SIGUSR1);
    loop_on_signal(l, SIGHUP, on_signal, &seen); /* freed with the loop */
}
END_TEST

START_TEST(broken_pipe_is_an_error_not_a_signal)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    close(fds[0]);
    ck_assert_int_eq(write(fds[1], "x", 1), -1);
    close(fds[1]);
}
END_TEST

static void on_block(void *arg)
{
    usleep(80000); /* neither CPU time nor run-queue wait: only the wall clock shows it */
    *(bool *)arg = true;
}

static void on_fire(void *arg)
{
    *(bool *)arg = true;
}

static struct metric_value read_turns(void)
{
    struct metric_value v;
    struct metric *m = metric_find("rushd.loop.turn");
    ck_assert_ptr_nonnull(m);
    metric_read(metric_series_next(m, NULL), &v);
    return v;
}

START_TEST(blocking_call_counts_as_busy_and_sleep_does_not)
{
    bool never = false, fired = false;
    loop_run_until(l, is_set, &never, 100);
    ck_assert(read_turns().max < 0.05);
    struct loop_timer *t = loop_timer_new(l, on_block, &fired);
    loop_timer_start(t, 100);
    ck_assert(loop_run_until(l, is_set, &fired, 1000));
    ck_assert(read_turns().max > 0.06);
    ck_assert(read_turns().max < 0.17); /* the 100 ms of sleep before it are not part of it */
    loop_timer_free(t);
}
END_TEST

/* libevent's date, and everybody's in this program. */
static int64_t date_stepped_s;
int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec now;
    (void)tz;
    clock_gettime(CLOCK_REALTIME, &now);
    tv->tv_sec = now.tv_sec + date_stepped_s;
    tv->tv_usec = now.tv_nsec / 1000;
    return 0;
}

START_TEST(step_of_the_date_does_not_count_as_busy)
{
    bool fired = false;
    static const int64_t steps[] = {3600, -3600};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct loop_timer *t = loop_timer_new(l, on_fire, &fired);
        date_stepped_s = steps[i];
        fired = false;
        loop_timer_start(t, 200);
        ck_assert(loop_run_until(l, is_set, &fired, 1000));
        loop_timer_free(t);
    }
    ck_assert(read_turns().max < 0.1);
}
END_TEST

Suite *loop_suite(void)
{
    Suite *s = suite_create("loop");
    TCase *c = tcase_create("turns");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, task_runs_once_and_not_before_the_call_returns);
    tcase_add_test(c, cancelled_task_does_not_run);
    tcase_add_test(c, task_that_defers_itself_does_not_starve_timers);
    tcase_add_test(c, memory_given_back_lives_until_the_end_of_the_turn);
    tcase_add_test(c, deferred_tasks_run_when_the_loop_is_freed);
    tcase_add_test(c, run_returns_the_exit_code);
    tcase_add_test(c, signal_arrives_as_a_call);
    tcase_add_test(c, broken_pipe_is_an_error_not_a_signal);
    tcase_add_test(c, blocking_call_counts_as_busy_and_sleep_does_not);
    tcase_add_test(c, step_of_the_date_does_not_count_as_busy);
    suite_add_tcase(s, c);
    return s;
}
