/* The list of all coupons, built over several turns of the loop for all who ask at the time. */
#ifndef RUSHD_API_API_COUPON_LIST_H
#define RUSHD_API_API_COUPON_LIST_H

#include "api/api_internal.h"
#include "api/api_tables.h"

/* What clients see of a coupon, by the shop's clock: the strings are the row's. */
struct body_coupon api_coupon_body(const struct coupon_row *row, int64_t now_us);

/* Make the lists of an api; one of it. */
struct coupon_list *coupon_list_new(struct api *a);
/* After the servers: nobody is answered any more. */
void coupon_list_free(struct coupon_list *l);

#endif
