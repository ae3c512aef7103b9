/* The order planner against a naive model: bytes become a small shop and a batch of orders and charges; the model decides them
 * one by one on plain arrays. For the property test (random bytes) and the fuzz target (any bytes). */
#ifndef TESTS_SERVICE_ORDER_PLAN_MODEL_H
#define TESTS_SERVICE_ORDER_PLAN_MODEL_H

#include "service/order_plan.h"

/* NULL when planner and model agree, else what differs. *accepted (may be NULL) grows by the requests that both accepted. */
const char *order_plan_model_check(const uint8_t *data, size_t n, size_t *accepted);

#endif
