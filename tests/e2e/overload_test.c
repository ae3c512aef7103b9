/* More than a node can do, and what it has is running out: too many requests, no descriptors, crowds of slow and idle
 * connections (G11). Nothing here depends on how fast the machine is. */
#define _GNU_SOURCE
#include "suites.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shop.h"

#define REQUEST_TIMEOUT_MS 10000 /* server.request-timeout */

/* --- looking at the process ------------------------------------------------------------------------------------------- */

/* Processor time that the node has used. */
static double cpu_seconds(const struct node *n)
{
    unsigned long user = 0, system = 0;
    FILE *f = fopen(text("/proc/%d/stat", n->pid), "r");
    ck_assert_ptr_ne(f, NULL);
    ck_assert_int_eq(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
                     2);
    fclose(f);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* A line of /proc/PID/status that counts KiB. */
static long memory_kib(const struct node *n, const char *what)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen(text("/proc/%d/status", n->pid), "r");
    ck_assert_ptr_ne(f, NULL);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, what, strlen(what)) == 0)
            kib = strtol(line + strlen(what) + 1, NULL, 10);
    fclose(f);
    ck_assert_int_ge(kib, 0);
    return kib;
}

static int descriptors(const struct node *n)
{
    int count = 0;
    DIR *dir = opendir(text("/proc/%d/fd", n->pid));
    ck_assert_ptr_ne(dir, NULL);
    for (struct dirent *e; (e = readdir(dir));)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Less than a tenth of a processor over half a second. */
static bool idle(const struct node *n)
{
    double before = cpu_seconds(n);
    pause_ms(500);
    return cpu_seconds(n) - before <= 0.05;
}

/* Nothing waits anywhere in the node, and it does nothing. */
static void comes_to_rest(const struct node *n)
{
    WAIT_UNTIL(30, node_metric(n, "rushd.order.waiting", "") == 0);
    WAIT_UNTIL(30, node_metric(n, "rushd.coupon.accepting", "") == 0);
    WAIT_UNTIL(30, node_metric(n, "rushd.http.pending", "?tag=server:http") <= 1); /* the one that asks */
    WAIT_UNTIL(60, idle(n));
}

/* --- overload ----------------------------------------------------------------------------------------------------------- */

enum {
    FEW = 8,    /* connections that the node serves easily */
    MANY = 400, /* far more than may wait */
    ASKED = 3000,
};

static void open_narrow(void)
{
    shop_open_with("narrow", "datasource.max-waiting = 40\n"
                             "order.batch-max = 8\n"
                             "server.request-timeout = 10s\n"
                             "server.header-timeout = 3s\n"
                             "server.body-timeout = 3s\n"
                             "server.keep-alive-timeout = 5s\n");
}

/* Answers are `done` or 503 with Retry-After well before the deadline; returns how many were done. */
static size_t done_or_refused(const struct flood_item *items, size_t n, int done)
{
    size_t count = 0, healthy = 0;
    for (size_t i = 0; i < n; i++) {
        struct answer *a = items[i].answer;
        if (strncmp(items[i].target, "/actuator", 9) == 0) {
            expect(200, a);
            healthy++;
        } else if (a->status == done) {
            count++;
        } else {
            expect_error(503, "SERVICE_UNAVAILABLE", NULL, a);
            ck_assert_ptr_ne(header(a, "Retry-After"), NULL);
            ck_assert_msg(items[i].took_ms < REQUEST_TIMEOUT_MS / 2, "refused after %lld ms",
                          (long long)items[i].took_ms);
        }
    }
    ck_assert_msg(count > 0 && count + healthy < n, "%zu of %zu done: no overload", count, n);
    return count;
}

/* Every twentieth request is for the node's health instead. */
static struct flood_item *with_health(struct flood_item *items, size_t n)
{
    for (size_t i = 0; i < n; i += 20)
        items[i] = (struct flood_item){.port = items[i].port,
                                       .method = "GET",
                                       .target = i % 40 ? "/actuator/health/liveness"
                                                        : "/actuator/health/readiness"};
    return items;
}

static void memory_is_bounded(const struct node *n, long before_kib)
{
    long grown = memory_kib(n, "VmRSS") - before_kib;
    ck_assert_msg(grown < 400 * 1024, "grown by %ld KiB", grown); /* sanitizers keep what was freed */
}

START_TEST(orders_beyond_the_limit)
{
    int64_t user = users_new(ASKED, "100"), product = product_new("1", 1000000);
    struct flood_item *warm = order_flood(shop, user, 200, product, 1);
    flood(warm, 200, FEW);
    ck_assert_uint_eq(flood_count(warm, 200, 200), 200);
    long before = memory_kib(shop, "VmRSS");
    struct flood_item *items = with_health(order_flood(shop, user, ASKED, product, 1), ASKED);
    flood(items, ASKED, MANY);
    size_t done = done_or_refused(items, ASKED, 200);
    memory_is_bounded(shop, before);
    comes_to_rest(shop);
    /* What was refused left nothing behind. */
    ck_assert_int_eq(sql_int("SELECT count(*) FROM order_items WHERE product_id = %lld", (long long)product),
                     200 + (int64_t)done);
    warm = order_flood(shop, user, 200, product, 1); /* and it serves as before */
    flood(warm, 200, FEW);
    ck_assert_uint_eq(flood_count(warm, 200, 200), 200);
    books_agree();
}
END_TEST

START_TEST(coupon_requests_beyond_the_limit)
{
    int64_t user = users_new(ASKED, "0"), coupon = coupon_new(shop, 1000, "1");
    long before = memory_kib(shop, "VmRSS");
    struct flood_item *items = with_health(coupon_flood(shop, coupon, user, ASKED), ASKED);
    flood(items, ASKED, MANY);
    size_t done = done_or_refused(items, ASKED, 202);
    memory_is_bounded(shop, before);
    accepted_are_decided(coupon, items, ASKED, user);
    comes_to_rest(shop);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld", (long long)coupon),
        (int64_t)done);
    for (int i = 1; i < ASKED; i++) /* one who was refused may ask again */
        if (items[i].answer->status == 503) {
            expect(202, coupon_ask(shop, coupon, user + i));
            break;
        }
    lines_end(40);
    books_agree();
}
END_TEST

/* --- running out ---------------------------------------------------------------------------------------------------------- */

/* What a client of an exhausted node may see; never silence. */
static bool served_or_refused(int status)
{
    return status == 200 || status == 503 || status == 0; /* 0: closed */
}

static void limit_descriptors(const struct node *n, rlim_t soft)
{
    struct rlimit limit;
    ck_assert_int_eq(prlimit(n->pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = soft;
    ck_assert_int_eq(prlimit(n->pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

enum {
    LEFT = 20,
    TAKEN = 60,
    COMING_MS = 2000
};

static const char ask_health[] = "GET /actuator/health/liveness HTTP/1.1\r\nHost: x\r\n\r\n";

/* Clients keep coming, who is there is served, and the node does not spin; returns how many orders were taken. */
static int orders_go_on(struct wire *kept, const char *ask_order)
{
    double before = cpu_seconds(shop);
    int64_t end = now_ms() + COMING_MS;
    int orders = 0;
    do {
        int status = get(shop->port, "/actuator/health/liveness")->status;
        ck_assert_msg(served_or_refused(status), "status %d", status);
        wire_send(kept, ask_order);
        expect(200, wire_answer(kept));
    } while (++orders < 500 && now_ms() < end);
    double used = cpu_seconds(shop) - before;
    ck_assert_msg(used < COMING_MS / 1000 * 0.7, "%g s of processor time", used);
    return orders;
}

START_TEST(descriptors_run_out)
{
    struct rlimit old;
    ck_assert_int_eq(prlimit(shop->pid, RLIMIT_NOFILE, NULL, &old), 0);
    int64_t user = users_new(1, "1000"), product = product_new("1", 1000);
    struct wire *kept = wire_open(shop->port), *taken[TAKEN];
    const char *body = order_flood(shop, user, 1, product, 1)->body,
               *ask_order = text("POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                 "Content-Length: %zu\r\n\r\n%s",
                                 strlen(body), body);
    wire_send(kept, ask_health);
    expect(200, wire_answer(kept));
    limit_descriptors(shop, (rlim_t)descriptors(shop) + LEFT);
    int served = 0;
    for (int i = 0; i < TAKEN; i++) {
        taken[i] = wire_open(shop->port);
        wire_send(taken[i], ask_health);
        int status = wire_answer(taken[i])->status;
        ck_assert_msg(served_or_refused(status), "status %d", status);
        served += status == 200;
    }
    ck_assert_msg(served > 0 && served < TAKEN, "%d served", served);
    int orders = orders_go_on(kept, ask_order);
    for (int i = 0; i < TAKEN; i++)
        wire_close(taken[i]);
    WAIT_UNTIL(20, get(shop->port, "/api/products")->status == 200); /* by itself */
    limit_descriptors(shop, old.rlim_cur);
    ck_assert_int_eq(stock_of(product), 1000 - orders);
    wire_close(kept);
    comes_to_rest(shop);
}
END_TEST

/* Not even the spare one can be had, and a client waits: the node looks now and then instead of all the time, who is there is
 * served, and who waited is as soon as there are descriptors. */
START_TEST(no_descriptor_is_left)
{
    enum {
        LOOK_MS = 2000
    };
    struct rlimit old;
    /* Without Kafka: its cluster inside the process does not survive that. */
    struct node *n = node_start("bare", "event.publisher.type = local\nserver.keep-alive-timeout = 10m\n");
    node_wait_ready(n);
    ck_assert_int_eq(prlimit(n->pid, RLIMIT_NOFILE, NULL, &old), 0);
    struct wire *kept = wire_open(n->port);
    wire_send(kept, ask_health);
    expect(200, wire_answer(kept));
    limit_descriptors(n, 3);
    struct wire *first = wire_open(n->port),
                *waits = wire_open(n->port); /* the first may get the spare one's place */
    wire_send(waits, ask_health);
    double before = cpu_seconds(n);
    for (int64_t end = now_ms() + LOOK_MS; now_ms() < end; pause_ms(100)) {
        wire_send(kept, ask_health);
        expect(200, wire_answer(kept));
    }
    double used = cpu_seconds(n) - before;
    limit_descriptors(n, old.rlim_cur);
    ck_assert_msg(used < 0.25 * LOOK_MS / 1000, "%g s of processor time", used);
    expect(200, wire_answer(waits));
    wire_close(first);
    wire_close(waits);
    wire_close(kept);
    WAIT_UNTIL(20, get(n->port, "/api/products")->status == 200);
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* Hundreds that send half a head, half a body, or read nothing: the others do not notice, and in the end all are gone. */
START_TEST(slow_crowd)
{
    enum {
        CROWD = 300
    };
    static struct wire *crowd[CROWD];
    int64_t user = users_new(500, "100"), product = product_new("1", 100000);
    char *many = text("%s", "");
    for (int i = 0; i < 60; i++)
        many = text("%sGET /v3/api-docs HTTP/1.1\r\nHost: x\r\n\r\n", many);
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = wire_open(shop->port);
        if (i % 3 == 0)
            wire_send(crowd[i], "GET /api/products HTTP/1.1\r\nHost:");
        else if (i % 3 == 1)
            wire_send(crowd[i], "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                "Content-Length: 100\r\n\r\n{\"userId\"");
        else
            wire_send(crowd[i], many);
    }
    struct flood_item *items = order_flood(shop, user, 500, product, 1);
    flood(items, 500, FEW);
    ck_assert_uint_eq(flood_count(items, 500, 200), 500);
    for (int i = 0; i < CROWD; i++)
        if (i % 3 != 2)
            expect(408, wire_answer(crowd[i]));
    /* Who reads nothing is cut when the node has waited long enough; what the kernel took for him counts as read. */
    WAIT_UNTIL(40, node_metric(shop, "rushd.http.connections", "?tag=server:http") <= 1);
    for (int i = 0; i < CROWD; i++)
        wire_close(crowd[i]);
    comes_to_rest(shop);
}
END_TEST

static void open_patient(void)
{
    shop_open_with("patient", "server.keep-alive-timeout = 10m\n"
                              "server.max-connections = 20000\n");
}

/* As many as the limits of both sides allow, up to ten thousand. Each has been served once, then all are silent. */
START_TEST(idle_crowd)
{
    struct rlimit mine, its;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &mine), 0);
    mine.rlim_cur = mine.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &mine), 0);
    ck_assert_int_eq(prlimit(shop->pid, RLIMIT_NOFILE, NULL, &its), 0);
    rlim_t room = mine.rlim_cur < its.rlim_cur ? mine.rlim_cur : its.rlim_cur;
    size_t n = room > 10600 ? 10000 : (size_t)room / 2;
    int *fds = calloc(n, sizeof *fds);
    long before = 0;
    for (size_t i = 0; i < n; i++) {
        struct wire *w = wire_open(shop->port);
        wire_send(w, ask_health);
        expect(200, wire_answer(w));
        free(w->in);
        w->in = NULL;
        fds[i] = w->fd;
        if (i == 99) /* tables and buffers that every node has */
            before = memory_kib(shop, "RssAnon");
    }
    double each = (double)(memory_kib(shop, "RssAnon") - before) * 1024 / (double)(n - 100);
    printf("# %zu idle connections, %.0f bytes each in user space\n", n, each);
    fflush(stdout);
    ck_assert_msg(each < 16384, "%g bytes for an idle connection",
                  each); /* of a sanitizer; 2 KiB is wanted */
    ck_assert_int_ge((int64_t)node_metric(shop, "rushd.http.connections", "?tag=server:http"), (int64_t)n);
    int64_t user = users_new(200, "100"), product = product_new("1", 100000);
    struct flood_item *items = order_flood(shop, user, 200, product, 1);
    flood(items, 200, FEW);
    ck_assert_uint_eq(flood_count(items, 200, 200), 200);
    WAIT_UNTIL(60, idle(shop));
    for (size_t i = 0; i < n; i += 97) { /* they are still good */
        char first[13] = "";
        ck_assert_int_gt(send(fds[i], ask_health, strlen(ask_health), MSG_NOSIGNAL), 0);
        ck_assert_int_eq(recv(fds[i], first, 12, MSG_WAITALL), 12);
        ck_assert_str_eq(first, "HTTP/1.1 200");
    }
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
    free(fds);
    WAIT_UNTIL(40, node_metric(shop, "rushd.http.connections", "?tag=server:http") <= 1);
    comes_to_rest(shop);
}
END_TEST

Suite *overload_suite(void)
{
    Suite *s = suite_create("overload");
    TCase *narrow = e2e_tcase(s, "narrow", 150), *patient = e2e_tcase(s, "patient", 150);
    tcase_add_unchecked_fixture(narrow, open_narrow, shop_close);
    tcase_add_test(narrow, orders_beyond_the_limit);
    tcase_add_test(narrow, coupon_requests_beyond_the_limit);
    tcase_add_test(narrow, slow_crowd);
    tcase_add_unchecked_fixture(patient, open_patient, shop_close);
    tcase_add_test(patient, descriptors_run_out);
    tcase_add_test(patient, no_descriptor_is_left);
    tcase_add_test(patient, idle_crowd);
    return s;
}
