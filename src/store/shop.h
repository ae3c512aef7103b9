/* Reads of users, balances, products and orders for the GET routes and caches. */
#ifndef RUSHD_STORE_SHOP_H
#define RUSHD_STORE_SHOP_H

#include "store/store.h"

struct user_row {
    int64_t user_id;
    const char *username;
    const char *status;
    int64_t created_at_us, updated_at_us;
    bool has_balance;
    money balance;
};
/* Users with their balances; ascending by id, unknown ones are left out. */
void user_read(struct store *s, const int64_t *ids, size_t n,
               void (*done)(void *arg, const struct user_row *rows, size_t n, const struct error *e),
               void *arg);

/* The same, of each user only id and status: a quarter of the work. */
void user_read_status(struct store *s, const int64_t *ids, size_t n,
                      void (*done)(void *arg, const struct user_row *rows, size_t n, const struct error *e),
                      void *arg);

/* NOTIFY of changes: fn with the id of a user who may have changed, been removed or no longer be ACTIVE, or 0 when that may be said of
 * all (after a reconnect). Until store_free. The channel is rushd_users, its payload the id; triggers of the schema send it at
 * commit. */
void user_watch(struct store *s, void (*fn)(void *arg, int64_t user_id), void *arg);
bool user_watched(const struct store *s); /* changes are coming in */

struct balance_tx_row {
    int64_t id;
    const char *type;
    money amount, balance_after;
    int64_t order_id; /* 0: none */
    int64_t created_at_us;
};
/* Newest first; before_id 0 starts at the newest. */
void balance_history(struct store *s, int64_t user_id, int64_t before_id, size_t limit,
                     void (*done)(void *arg, const struct balance_tx_row *rows, size_t n,
                                  const struct error *e),
                     void *arg);

struct product_row {
    int64_t id;
    const char *name;
    const char *category;
    money price;
    int64_t stock;
    const char *status;
    int64_t created_at_us, updated_at_us;
};
typedef void product_rows_fn(void *arg, const struct product_row *rows, size_t n, const struct error *e);
/* Ascending by id; unknown ones are left out. */
void product_read(struct store *s, const int64_t *ids, size_t n, product_rows_fn *done, void *arg);
void product_page(struct store *s, int64_t after_id, size_t limit, product_rows_fn *done,
                  void *arg); /* ascending */

struct product_sales_row {
    int64_t product_id;
    int64_t total_quantity, recent_quantity;
    money total_amount, recent_amount;
    int64_t last_order_at_us; /* 0: never */
};
typedef void product_sales_fn(void *arg, const struct product_sales_row *rows, size_t n,
                              const struct error *e);
/* Sums of product_sales_daily: all days, and days from first_day ("yyyy-MM-dd") on. */
void product_sales(struct store *s, const int64_t *ids, size_t n, const char *first_day,
                   product_sales_fn *done, void *arg);
/* The best sellers of the days from first_day on by the same table, ties to the smaller id: product_id and recent_quantity. */
void product_top(struct store *s, const char *first_day, size_t limit, product_sales_fn *done, void *arg);

struct order_item_row {
    int64_t id, product_id;
    const char *product_name;
    int64_t quantity;
    money unit_price, total_price;
};
struct order_row {
    int64_t id, user_id, user_coupon_id;
    money total, discounted, discount;
    const char *status;
    int64_t created_at_us;
    const struct order_item_row *items;
    size_t nitems;
};
typedef void order_rows_fn(void *arg, const struct order_row *rows, size_t n, const struct error *e);
void order_read(struct store *s, int64_t order_id, order_rows_fn *done, void *arg); /* n is 0 or 1 */
void order_page(struct store *s, int64_t user_id, int64_t before_id, size_t limit, order_rows_fn *done,
                void *arg); /* newest first */

#endif
