/* The scripted services. */
#include "tests/api/fake_services.h"

#include "base/queue.h"
#include "loop/loop.h"
#include "tests/api/site.h"

struct fake fake;

/* --- completions ------------------------------------------------------------------------------------------------ */

struct completion {
    void (*run)(struct completion *c);
    union {
        order_answer_fn *answer;
        coupon_accept_fn *accept;
        void (*status)(void *arg, const struct coupon_standing *st, const struct refusal *why);
        void (*coupons)(void *arg, const struct error *e);
        void (*coupon)(void *arg, const struct coupon_row *row, const struct error *e);
        void (*user)(void *arg, const struct user_row *row, const struct error *e);
        void (*user_coupons)(void *arg, const struct user_coupon_row *rows, size_t n, const struct error *e);
        void (*history)(void *arg, const struct balance_tx_row *rows, size_t n, const struct error *e);
        product_rows_fn *products;
        order_rows_fn *orders;
        void (*popular)(void *arg, const struct popular_product *list, size_t n, const struct error *e);
    } done;
    void *arg;
    int64_t id, cursor;
    size_t limit;
    unsigned form;
    TAILQ_ENTRY(completion) link;
};
static TAILQ_HEAD(, completion) due = TAILQ_HEAD_INITIALIZER(due);

static void run_due(void *arg)
{
    struct completion *c;
    size_t n = 0; /* those that come while they run belong to the next turn */
    TAILQ_FOREACH(c, &due, link)
    n++;
    while (n-- && (c = TAILQ_FIRST(&due))) {
        TAILQ_REMOVE(&due, c, link);
        c->run(c);
        mem_free(c);
    }
}
static struct loop_task task = {.run = run_due};

static struct completion *complete(void (*run)(struct completion *c), void *arg)
{
    struct completion *c = mem_zalloc(sizeof *c);
    fake.calls++;
    c->run = run;
    c->arg = arg;
    TAILQ_INSERT_TAIL(&due, c, link);
    if (!fake.hold)
        loop_defer(fake.loop, &task);
    return c;
}

void fake_release(void)
{
    fake.hold = false;
    run_due(NULL);
}

void fake_drop(void)
{
    struct completion *c;
    loop_defer_cancel(fake.loop, &task);
    while ((c = TAILQ_FIRST(&due))) {
        TAILQ_REMOVE(&due, c, link);
        mem_free(c);
    }
}

/* NULL or the scripted error: callers must take both for success. */
static const struct error *error(void)
{
    return fake.error.kind == ERROR_NONE && fake.calls % 2 ? NULL : &fake.error;
}

static bool failed(void)
{
    return fake.error.kind != ERROR_NONE;
}

/* --- orders ----------------------------------------------------------------------------------------------------- */

static void run_order(struct completion *c)
{
    struct buf body = BUF_INIT;
    struct order_answer a = fake.order;
    if (fake.refusal.code != REFUSAL_NONE) {
        refusal_body(&body, &fake.refusal, c->form, TEST_NOW_US);
        a = (struct order_answer){refusal_status(fake.refusal.code), buf_slice(&body),
                                  refusal_content_type(c->form),
                                  fake.refusal.code == REFUSAL_SERVICE_UNAVAILABLE};
    }
    c->done.answer(c->arg, &a);
    buf_free(&body);
}

static void submit(const char *key, const char *hash, const char *request_id, unsigned form,
                   order_answer_fn *done, void *arg)
{
    str_copy(fake.key, sizeof fake.key, key ? key : "-");
    str_copy(fake.hash, sizeof fake.hash, hash ? hash : "-");
    str_copy(fake.request_id, sizeof fake.request_id, request_id);
    fake.form = form;
    struct completion *c = complete(run_order, arg);
    c->done.answer = done;
    c->form = form;
}

void order_submit(struct order_service *o, const struct order_submit *in, order_answer_fn *done, void *arg)
{
    fake.user_id = in->user_id;
    fake.user_coupon_id = in->user_coupon_id;
    fake.nlines = in->nlines;
    for (size_t i = 0; i < in->nlines && i < ARRAY_LEN(fake.lines); i++)
        fake.lines[i] = in->lines[i];
    submit(in->idempotency_key, in->body_hash, in->request_id, in->form, done, arg);
}

void charge_submit(struct order_service *o, const struct charge_submit *in, order_answer_fn *done, void *arg)
{
    fake.user_id = in->user_id;
    fake.amount = in->amount;
    submit(in->idempotency_key, in->body_hash, in->request_id, in->form, done, arg);
}

static void run_order_read(struct completion *c)
{
    size_t i = 0;
    while (i < fake.norders && fake.orders[i].id != c->id)
        i++;
    c->done.orders(c->arg, failed() || i == fake.norders ? NULL : &fake.orders[i],
                   !failed() && i < fake.norders, error());
}

void order_read(struct store *s, int64_t order_id, order_rows_fn *done, void *arg)
{
    struct completion *c = complete(run_order_read, arg);
    c->done.orders = done;
    c->id = order_id;
}

static void run_order_page(struct completion *c)
{
    size_t n = fake.norders < c->limit ? fake.norders : c->limit;
    c->done.orders(c->arg, fake.orders, failed() ? 0 : n, error());
}

void order_page(struct store *s, int64_t user_id, int64_t before_id, size_t limit, order_rows_fn *done,
                void *arg)
{
    fake.user_id = user_id;
    fake.cursor = before_id;
    fake.limit = limit;
    struct completion *c = complete(run_order_page, arg);
    c->done.orders = done;
    c->limit = limit;
}

/* --- coupons ---------------------------------------------------------------------------------------------------- */

static void run_accept(struct completion *c)
{
    bool refused = fake.refusal.code != REFUSAL_NONE;
    c->done.accept(c->arg, refused ? NULL : &fake.accepted, refused ? &fake.refusal : NULL);
}

void coupon_accept(struct coupon_accept *a, int64_t coupon_id, int64_t user_id, coupon_accept_fn *done,
                   void *arg)
{
    fake.coupon_id = coupon_id;
    fake.user_id = user_id;
    complete(run_accept, arg)->done.accept = done;
}

static void run_status(struct completion *c)
{
    bool refused = fake.refusal.code != REFUSAL_NONE;
    c->done.status(c->arg, refused ? NULL : &fake.standing, refused ? &fake.refusal : NULL);
}

void coupon_status(struct coupon_accept *a, int64_t coupon_id, int64_t user_id,
                   void (*done)(void *arg, const struct coupon_standing *st, const struct refusal *why),
                   void *arg)
{
    fake.coupon_id = coupon_id;
    fake.user_id = user_id;
    complete(run_status, arg)->done.status = done;
}

static void run_coupon(struct completion *c)
{
    size_t i = 0;
    while (i < fake.ncoupons && fake.coupons[i].id != c->id)
        i++;
    c->done.coupon(c->arg, failed() || i == fake.ncoupons ? NULL : &fake.coupons[i], &fake.error);
}

void coupon_cache_get(struct coupon_cache *cache, int64_t coupon_id,
                      void (*done)(void *arg, const struct coupon_row *row, const struct error *e), void *arg)
{
    struct completion *c = complete(run_coupon, arg);
    c->done.coupon = done;
    c->id = coupon_id;
}

static void run_coupons(struct completion *c)
{
    c->done.coupons(c->arg, &fake.error);
}

void coupon_cache_get_all(struct coupon_cache *cache, void (*done)(void *arg, const struct error *e),
                          void *arg)
{
    complete(run_coupons, arg)->done.coupons = done;
}

const struct coupon_row *coupon_cache_all(struct coupon_cache *c, size_t *n)
{
    fake.lists++;
    if (fake.on_list)
        fake.on_list(fake.lists);
    *n = fake.ncoupons;
    return fake.all_coupons ? fake.all_coupons : fake.coupons;
}

static void run_user_coupons(struct completion *c)
{
    c->done.user_coupons(c->arg, fake.user_coupons, failed() ? 0 : fake.nuser_coupons, error());
}

void user_coupon_list(struct store *s, int64_t user_id,
                      void (*done)(void *arg, const struct user_coupon_row *rows, size_t n,
                                   const struct error *e),
                      void *arg)
{
    fake.user_id = user_id;
    complete(run_user_coupons, arg)->done.user_coupons = done;
}

/* --- users ------------------------------------------------------------------------------------------------------ */

static void run_user(struct completion *c)
{
    size_t i = 0;
    while (i < fake.nusers && fake.users[i].user_id != c->id)
        i++;
    c->done.user(c->arg, failed() || i == fake.nusers ? NULL : &fake.users[i], &fake.error);
}

void user_lookup(struct user_cache *cache, int64_t user_id, bool whole,
                 void (*done)(void *arg, const struct user_row *row, const struct error *e), void *arg)
{
    fake.fresh = whole;
    struct completion *c = complete(run_user, arg);
    c->done.user = done;
    c->id = user_id;
}

static void run_history(struct completion *c)
{
    size_t n = fake.nhistory < c->limit ? fake.nhistory : c->limit;
    c->done.history(c->arg, fake.history, failed() ? 0 : n, error());
}

void balance_history(struct store *s, int64_t user_id, int64_t before_id, size_t limit,
                     void (*done)(void *arg, const struct balance_tx_row *rows, size_t n,
                                  const struct error *e),
                     void *arg)
{
    fake.user_id = user_id;
    fake.cursor = before_id;
    fake.limit = limit;
    struct completion *c = complete(run_history, arg);
    c->done.history = done;
    c->limit = limit;
}

/* --- products --------------------------------------------------------------------------------------------------- */

static void run_products(struct completion *c)
{
    c->done.products(c->arg, fake.products, failed() ? 0 : fake.nproducts, error());
}

void product_read(struct store *s, const int64_t *ids, size_t n, product_rows_fn *done, void *arg)
{
    fake.product_reads++;
    fake.products_asked += n;
    complete(run_products, arg)->done.products = done;
}

static void run_product_page(struct completion *c)
{
    size_t n = fake.nproducts < c->limit ? fake.nproducts : c->limit;
    c->done.products(c->arg, fake.products, failed() ? 0 : n, error());
}

void product_page(struct store *s, int64_t after_id, size_t limit, product_rows_fn *done, void *arg)
{
    fake.cursor = after_id;
    fake.limit = limit;
    struct completion *c = complete(run_product_page, arg);
    c->done.products = done;
    c->limit = limit;
}

static void run_popular(struct completion *c)
{
    c->done.popular(c->arg, fake.popular, failed() ? 0 : fake.npopular, &fake.error);
}

void popular_get(struct popular *p,
                 void (*done)(void *arg, const struct popular_product *list, size_t n, const struct error *e),
                 void *arg)
{
    complete(run_popular, arg)->done.popular = done;
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static const struct order_item_row order_items[] = {
    {501, 1, "키보드", 2, 5000000, 10000000},
    {502, 2, "Mouse \"M\"", 1, 123450, 123450},
};

void fake_init(struct loop *loop)
{
    fake = (struct fake){
        .loop = loop,
        .order = {200, SLICE("{\"id\":1}"), "application/json", 0},
        .accepted = {.ticket = 7, .position = 3, .size = 12, .estimated_wait_s = 1},
        .standing = {.state = COUPON_PROCESSING,
                     .message = "처리 중입니다.",
                     .position = 4,
                     .size = 9,
                     .estimated_wait_s = 2},
        .coupons = {{1, "선착순", 100000, 100, 40, "ACTIVE", TEST_NOW_US - 1, TEST_NOW_US + 1000000},
                    {2, "다 나감", 150, 10, 10, "ACTIVE", TEST_NOW_US - 1, TEST_NOW_US + 1000000},
                    {3, "지남", 100, 10, 1, "ACTIVE", TEST_NOW_US - 2000000, TEST_NOW_US}},
        .ncoupons = 3,
        .user_coupons = {{31, 1, "선착순", 100000, "ISSUED", TEST_NOW_US, 0},
                         {30, 2, "다 나감", 150, "USED", TEST_NOW_US - 2000000, TEST_NOW_US - 1000000}},
        .nuser_coupons = 2,
        .users = {{1001, "user1001", "ACTIVE", TEST_NOW_US, TEST_NOW_US + 120000, true, 5000050},
                  {1002, "user1002", "INACTIVE", TEST_NOW_US, TEST_NOW_US, false, 0}},
        .nusers = 2,
        .history = {{9, "PAYMENT", -1000000, 4000000, 77, TEST_NOW_US},
                    {8, "CHARGE", 2000000, 5000000, 0, TEST_NOW_US},
                    {5, "DEPOSIT", 3000000, 3000000, 0, TEST_NOW_US}},
        .nhistory = 3,
        .products = {{1, "키보드", "it", 5000000, 10, "ACTIVE", TEST_NOW_US, TEST_NOW_US + 500000},
                     {2, "Mouse \"M\"", NULL, 123450, 0, "ACTIVE", TEST_NOW_US, TEST_NOW_US},
                     {3, "Old", NULL, 100, 0, "INACTIVE", TEST_NOW_US, TEST_NOW_US}},
        .nproducts = 3,
        .orders = {{77, 1001, 31, 10123450, 10023450, 100000, "COMPLETED", TEST_NOW_US, order_items, 2},
                   {76, 1001, 0, 100, 100, 0, "COMPLETED", TEST_NOW_US, order_items, 0},
                   {60, 1001, 0, 100, 100, 0, "CANCELLED", TEST_NOW_US, order_items + 1, 1}},
        .norders = 3,
        .popular = {{1, "키보드", 5000000, 10, 100, 30, 500000000, 150000000, 7500, TEST_NOW_US, 1},
                    {2, "Mouse \"M\"", 123450, 0, 1, 0, 123450, 0, 3333, 0, 2}},
        .npopular = 2,
    };
}
