/* Clients of rushd that never give up: orders and charges with an Idempotency-Key, coupon requests whose status is asked until it
 * is decided. Whatever is not an answer (no connection, 503, 409) is asked again with the same key. Every answer is written to the
 * record, which tests/chaos/check compares with what is stored.
 *
 * One line of JSON per attempt:
 *   {"op":"order","key":k,"user":u,"lines":[[product,quantity],...],"userCoupon":n,"attempt":n,"at":us,"took":us,"status":n,"body":"..."}
 *   {"op":"charge","key":k,"user":u,"cents":n,...}   cents are never used twice
 *   {"op":"issue","coupon":c,"user":u,...}
 *   {"op":"status","coupon":c,"user":u,...}          decided states only, and those at the end
 * status 0: no answer. */
#include <getopt.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"

#define TARGETS_MAX 8
#define LIST_MAX    64
#define RETRY_US    100000
#define POLL_US     300000

static struct {
    char host[TARGETS_MAX][64];
    int port[TARGETS_MAX];
    int ntargets;
    int seconds, settle, threads, timeout_ms;
    double rate;
    uint64_t seed;
    const char *record, *tag;
    long first_user, users, products;
    long coupons[LIST_MAX];
    int ncoupons;
    int orders, charges, issues; /* weights */
} cfg = {.seconds = 5,
         .settle = 30,
         .threads = 12,
         .timeout_ms = 3000,
         .rate = 200,
         .seed = 1,
         .tag = "run",
         .first_user = 1001,
         .users = 1000,
         .products = 20,
         .orders = 5,
         .charges = 2,
         .issues = 5};

enum kind {
    ORDER,
    CHARGE,
    ISSUE,
    STATUS,
    KINDS
};
static const char *const kind_names[] = {"order", "charge", "issue", "status"};

static FILE *record;
static pthread_mutex_t record_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_long undecided, charge_number, answers[KINDS][6]; /* by hundred, 0: none */
static atomic_bool interrupted;
static int64_t start_us, end_us, give_up_us; /* monotonic */

/* A coupon request whose decision is awaited. */
struct watch {
    long coupon, user;
    int64_t due_us;
    bool decided;
    long user_coupon; /* to be spent */
};

struct worker {
    int number;
    uint64_t random;
    struct http http;
    int target;
    long sequence;
    struct watch *watches;
    size_t nwatches, next_watch;
};

/* --- small parts ---------------------------------------------------------------------------------------------- */

static uint64_t draw(struct worker *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (w->random >> 11) % below;
}

static void pause_until(int64_t at_us)
{
    int64_t left = at_us - http_mono_us();
    if (left > 0 && !interrupted)
        usleep((useconds_t)left);
}

static void on_signal(int signo)
{
    (void)signo;
    interrupted = true;
}

static void note(enum kind kind, json_t *what, int attempt, int64_t at_us, int64_t took_us,
                 const struct http_answer *a)
{
    json_t *line = json_object();
    json_object_set_new(line, "op", json_string(kind_names[kind]));
    json_object_update(line, what);
    json_object_set_new(line, "attempt", json_integer(attempt));
    json_object_set_new(line, "at", json_integer(at_us));
    json_object_set_new(line, "took", json_integer(took_us));
    json_object_set_new(line, "status", json_integer(a->status));
    json_object_set_new(line, "body", json_string(a->body));
    char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER);
    pthread_mutex_lock(&record_lock);
    fprintf(record, "%s\n", text);
    pthread_mutex_unlock(&record_lock);
    free(text);
    json_decref(line);
}

/* One attempt, at another target when the last one failed. */
static struct http_answer attempt(struct worker *w, enum kind kind, const char *method, const char *path,
                                  const char *headers, const char *body)
{
    if (w->http.fd < 0)
        w->target = (int)draw(w, (uint64_t)cfg.ntargets);
    struct http_answer a = http_call(&w->http, cfg.host[w->target], cfg.port[w->target], method, path,
                                     headers, body, cfg.timeout_ms);
    int class = a.status / 100;
    answers[kind][class < 6 ? class : 0]++;
    return a;
}

/* Decided: neither silence, nor "later", nor "still running". */
static bool decides(const struct http_answer *a)
{
    return a->status && a->status != 503 && a->status != 409;
}

/* Ask until it is decided or time is up; the caller frees the last answer. */
static struct http_answer insist(struct worker *w, enum kind kind, json_t *what, const char *path,
                                 const char *headers, const char *body)
{
    for (int i = 1;; i++) {
        int64_t at = http_now_us(), began = http_mono_us();
        struct http_answer a = attempt(w, kind, "POST", path, headers, body);
        note(kind, what, i, at, http_mono_us() - began, &a);
        if (decides(&a) || http_mono_us() > give_up_us || interrupted) {
            if (!decides(&a))
                undecided++;
            return a;
        }
        http_answer_free(&a);
        pause_until(http_mono_us() + RETRY_US + (int64_t)draw(w, RETRY_US));
    }
}

/* --- operations -------------------------------------------------------------------------------------------------- */

static struct watch *unspent(struct worker *w)
{
    for (size_t i = 0; i < w->nwatches; i++)
        if (w->watches[i].user_coupon > 0)
            return &w->watches[i];
    return NULL;
}

static void new_key(struct worker *w, char *key, size_t size, char *header, size_t header_size)
{
    snprintf(key, size, "%s-%d-%ld", cfg.tag, w->number, w->sequence++);
    snprintf(header, header_size, "Idempotency-Key: %s\r\n", key);
}

static void order(struct worker *w)
{
    char key[64], header[96], body[512];
    new_key(w, key, sizeof key, header, sizeof header);
    struct watch *coupon = draw(w, 4) ? NULL : unspent(w);
    long user = coupon ? coupon->user : cfg.first_user + (long)draw(w, (uint64_t)cfg.users);
    json_t *what = json_object(), *lines = json_array();
    int n = snprintf(body, sizeof body, "{\"userId\":%ld,\"orderItems\":[", user);
    for (uint64_t i = 0, count = 1 + draw(w, 3); i < count; i++) {
        /* The first products are the ones that sell out. */
        long product = 1 + (long)(draw(w, 2) ? draw(w, 4) : draw(w, (uint64_t)cfg.products));
        long quantity = 1 + (long)draw(w, 3);
        n += snprintf(body + n, sizeof body - (size_t)n, "%s{\"productId\":%ld,\"quantity\":%ld}",
                      i ? "," : "", product, quantity);
        json_array_append_new(lines, json_pack("[i,i]", (int)product, (int)quantity));
    }
    n += snprintf(body + n, sizeof body - (size_t)n, "]");
    if (coupon)
        n += snprintf(body + n, sizeof body - (size_t)n, ",\"userCouponId\":%ld", coupon->user_coupon);
    snprintf(body + n, sizeof body - (size_t)n, "}");
    json_object_set_new(what, "key", json_string(key));
    json_object_set_new(what, "user", json_integer(user));
    json_object_set_new(what, "lines", lines);
    if (coupon)
        json_object_set_new(what, "userCoupon", json_integer(coupon->user_coupon));
    struct http_answer a = insist(w, ORDER, what, "/api/orders", header, body);
    if (coupon && a.status == 200)
        coupon->user_coupon = 0;
    http_answer_free(&a);
    json_decref(what);
}

static void charge(struct worker *w)
{
    char key[64], header[96], body[128];
    new_key(w, key, sizeof key, header, sizeof header);
    long user = cfg.first_user + (long)draw(w, (uint64_t)cfg.users), cents = charge_number++;
    snprintf(body, sizeof body, "{\"userId\":%ld,\"amount\":%ld.%02ld}", user, cents / 100, cents % 100);
    json_t *what =
        json_pack("{s:s,s:I,s:I}", "key", key, "user", (json_int_t)user, "cents", (json_int_t)cents);
    struct http_answer a = insist(w, CHARGE, what, "/api/users/balance/charge", header, body);
    http_answer_free(&a);
    json_decref(what);
}

static struct watch *watch_of(struct worker *w, long coupon, long user)
{
    for (size_t i = 0; i < w->nwatches; i++)
        if (w->watches[i].coupon == coupon && w->watches[i].user == user)
            return &w->watches[i];
    return NULL;
}

/* Users are split among the workers, so that one worker sees the whole story of a user's requests. */
static void issue(struct worker *w)
{
    char path[96];
    long coupon = cfg.coupons[draw(w, (uint64_t)cfg.ncoupons)];
    long mine = cfg.users / cfg.threads;
    long user = cfg.first_user + w->number * mine + (long)draw(w, (uint64_t)mine);
    struct watch *known = watch_of(w, coupon, user);
    if (known && !known->decided)
        return;
    snprintf(path, sizeof path, "/api/coupons/%ld/issue?userId=%ld", coupon, user);
    json_t *what = json_pack("{s:I,s:I}", "coupon", (json_int_t)coupon, "user", (json_int_t)user);
    struct http_answer a = insist(w, ISSUE, what, path, NULL, "");
    if (a.status == 202 && known) {
        known->decided = false;
    } else if (a.status == 202) {
        w->watches = realloc(w->watches, (w->nwatches + 1) * sizeof *w->watches);
        w->watches[w->nwatches++] = (struct watch){.coupon = coupon, .user = user, .due_us = http_mono_us()};
    }
    http_answer_free(&a);
    json_decref(what);
}

/* Ask for the state of one request. final: write it down whatever it is. */
static void poll_status(struct worker *w, struct watch *watch, bool final)
{
    char path[96];
    snprintf(path, sizeof path, "/api/coupons/%ld/issue/status?userId=%ld", watch->coupon, watch->user);
    int64_t at = http_now_us(), began = http_mono_us();
    struct http_answer a = attempt(w, STATUS, "GET", path, NULL, "");
    bool success = strstr(a.body, "\"SUCCESS\"") != NULL;
    bool decided = a.status == 200 && (success || strstr(a.body, "\"FAILED\""));
    if (decided || final || (a.status && a.status != 200 && a.status != 503)) {
        json_t *what = json_pack("{s:I,s:I,s:b}", "coupon", (json_int_t)watch->coupon, "user",
                                 (json_int_t)watch->user, "final", final);
        note(STATUS, what, 1, at, http_mono_us() - began, &a);
        json_decref(what);
    }
    const char *id = strstr(a.body, "\"userCouponId\":");
    if (success && !watch->decided && id)
        watch->user_coupon = strtol(id + strlen("\"userCouponId\":"), NULL, 10);
    watch->decided = watch->decided || decided;
    watch->due_us = http_mono_us() + POLL_US;
    http_answer_free(&a);
}

static struct watch *next_due(struct worker *w)
{
    for (size_t i = 0; i < w->nwatches; i++) {
        struct watch *watch = &w->watches[w->next_watch++ % w->nwatches];
        if (!watch->decided && watch->due_us <= http_mono_us())
            return watch;
    }
    return NULL;
}

static size_t watched(const struct worker *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->nwatches; i++)
        n += !w->watches[i].decided;
    return n;
}

/* What was missed while nothing answered is not made up for: the rate is a bound. */
static void work(struct worker *w)
{
    int64_t interval_us = (int64_t)(cfg.threads * 1e6 / cfg.rate);
    int64_t at = start_us + interval_us * w->number / cfg.threads;
    for (;; at += interval_us) {
        if (at < http_mono_us())
            at = http_mono_us();
        if (at > end_us || interrupted)
            return;
        pause_until(at);
        struct watch *due = next_due(w);
        if (due)
            poll_status(w, due, false);
        int turn = (int)draw(w, (uint64_t)(cfg.orders + cfg.charges + cfg.issues));
        if (turn < cfg.orders)
            order(w);
        else if (turn < cfg.orders + cfg.charges)
            charge(w);
        else
            issue(w);
    }
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    work(w);
    while (watched(w) && http_mono_us() < give_up_us && !interrupted) {
        struct watch *due = next_due(w);
        if (due)
            poll_status(w, due, false);
        else
            usleep(10000);
    }
    for (size_t i = 0; i < w->nwatches && !interrupted; i++)
        poll_status(w, &w->watches[i], true);
    undecided += (long)watched(w);
    http_close(&w->http);
    free(w->watches);
    return NULL;
}

/* --- start ----------------------------------------------------------------------------------------------------------- */

static void usage(void)
{
    fputs("usage: load --targets HOST:PORT[,...] --record FILE [--seconds N] [--settle N] [--rate N] "
          "[--threads N]\n"
          "            [--timeout MS] [--seed N] [--tag TEXT] [--users FIRST:COUNT] [--products N] "
          "[--coupons ID[,...]]\n"
          "            [--mix ORDERS:CHARGES:ISSUES] [--first-charge CENTS]\n"
          "Loads for SECONDS; what is undecided then is asked again for SETTLE seconds more.\n"
          "Exit status: 0 all decided, 1 not, 64 wrong usage.\n",
          stderr);
    exit(64);
}

static void read_targets(char *text)
{
    for (char *save, *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *colon = strrchr(part, ':');
        if (!colon || cfg.ntargets == TARGETS_MAX)
            usage();
        *colon = '\0';
        snprintf(cfg.host[cfg.ntargets], sizeof cfg.host[0], "%s", part);
        cfg.port[cfg.ntargets++] = atoi(colon + 1);
    }
}

static void read_coupons(char *text)
{
    for (char *save, *part = strtok_r(text, ",", &save); part && cfg.ncoupons < LIST_MAX;
         part = strtok_r(NULL, ",", &save))
        cfg.coupons[cfg.ncoupons++] = atol(part);
}

static void read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"targets", 1, NULL, 't'}, {"record", 1, NULL, 'r'},       {"seconds", 1, NULL, 's'},
        {"settle", 1, NULL, 'e'},  {"rate", 1, NULL, 'a'},         {"threads", 1, NULL, 'n'},
        {"timeout", 1, NULL, 'o'}, {"seed", 1, NULL, 'd'},         {"tag", 1, NULL, 'g'},
        {"users", 1, NULL, 'u'},   {"products", 1, NULL, 'p'},     {"coupons", 1, NULL, 'c'},
        {"mix", 1, NULL, 'm'},     {"first-charge", 1, NULL, 'f'}, {0}};
    charge_number = 10000;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 't':
            read_targets(optarg);
            break;
        case 'r':
            cfg.record = optarg;
            break;
        case 's':
            cfg.seconds = atoi(optarg);
            break;
        case 'e':
            cfg.settle = atoi(optarg);
            break;
        case 'a':
            cfg.rate = atof(optarg);
            break;
        case 'n':
            cfg.threads = atoi(optarg);
            break;
        case 'o':
            cfg.timeout_ms = atoi(optarg);
            break;
        case 'd':
            cfg.seed = strtoull(optarg, NULL, 10);
            break;
        case 'g':
            cfg.tag = optarg;
            break;
        case 'u':
            if (sscanf(optarg, "%ld:%ld", &cfg.first_user, &cfg.users) != 2)
                usage();
            break;
        case 'p':
            cfg.products = atol(optarg);
            break;
        case 'c':
            read_coupons(optarg);
            break;
        case 'm':
            if (sscanf(optarg, "%d:%d:%d", &cfg.orders, &cfg.charges, &cfg.issues) != 3)
                usage();
            break;
        case 'f':
            charge_number = atol(optarg);
            break;
        default:
            usage();
        }
    }
    if (!cfg.ntargets || !cfg.record || optind != argc || cfg.threads < 1 || cfg.users < cfg.threads ||
        (cfg.issues && !cfg.ncoupons))
        usage();
}

static void report(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        printf("# %-6s", kind_names[kind]);
        for (int class = 2; class < 6; class ++)
            printf("  %dxx %ld", class, (long)answers[kind][class]);
        printf("  none %ld\n", (long)answers[kind][0]);
    }
    printf("# undecided %ld\n", (long)undecided);
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    record = fopen(cfg.record, "a");
    if (!record) {
        perror(cfg.record);
        return 66;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    start_us = http_mono_us();
    end_us = start_us + (int64_t)cfg.seconds * 1000000;
    give_up_us = end_us + (int64_t)cfg.settle * 1000000;
    pthread_t *threads = calloc((size_t)cfg.threads, sizeof *threads);
    struct worker *workers = calloc((size_t)cfg.threads, sizeof *workers);
    for (int i = 0; i < cfg.threads; i++) {
        workers[i] = (struct worker){
            .number = i, .random = (cfg.seed * 2654435761u + (uint64_t)i * 40503u) | 1, .http = HTTP_INIT};
        pthread_create(&threads[i], NULL, run_worker, &workers[i]);
    }
    for (int i = 0; i < cfg.threads; i++)
        pthread_join(threads[i], NULL);
    fclose(record);
    report();
    free(threads);
    free(workers);
    return undecided ? 1 : 0;
}
