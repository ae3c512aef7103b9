/* rushd as a user runs it: processes, real services, real sockets. RUSHD_TEST_MODE says how events travel; arguments
 * are names of the suites to run, by default all but those that have a script of their own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "shop.h"
#include "suites.h"

static const struct {
    const char *name;
    Suite *(*suite)(void);
    bool apart; /* only by name */
} all[] = {
    {"order", order_suite},
    {"coupon", coupon_suite},
    {"error", error_suite},
    {"read", read_suite},
    {"event", event_suite},
    {"peer", peer_suite},
    {"life", life_suite},
    {"outage", outage_suite},
    {"clock", clock_suite},
    {"cluster", cluster_suite, true},
    {"overload", overload_suite, true},
};

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    Suite *suites[E2E_LEN(all) + 1] = {0};
    size_t n = 0;
    signal(SIGPIPE, SIG_IGN); /* libraries write to services that tests end */
    e2e_env("RUSHD_TEST_PG_URL");
    e2e_env("RUSHD_TEST_REDIS_SOCKET");
    e2e_env("RUSHD_TEST_BUILDDIR");
    if (e2e_mode() == E2E_BROKER)
        e2e_env("RUSHD_TEST_KAFKA");
    for (size_t i = 0; i < E2E_LEN(all); i++)
        if (argc < 2 ? !all[i].apart : wanted(all[i].name, argc, argv))
            suites[n++] = all[i].suite();
    int status = check_main(suites);
    if (shop_broken) {
        node_print_logs();
        puts("Bail out! the shop of a test case could not be opened or closed");
        status = EXIT_FAILURE;
    }
    return status;
}
