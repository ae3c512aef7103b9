#include "../support/check_main.h"
#include "kafka_support.h"

int main(void)
{
    return check_main((Suite *[]){murmur_suite(), producer_suite(), embedded_suite(), consumer_suite(),
                                  gather_suite(), history_suite(), wait_suite(), NULL});
}
