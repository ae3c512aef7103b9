/* Feeds arbitrary bytes, read as a shop and a batch, to the order planner: it must decide as the naive model does. */
#include "order_plan_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *differs = order_plan_model_check(data, size, NULL);
    if (differs)
        base_bug(__FILE__, __LINE__, differs);
    return 0;
}
