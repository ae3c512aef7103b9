/* A port that somebody else listens on, without SO_REUSEPORT: the program says so and ends. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "app_suites.h"
#include "base/base.h"

/* Run rushd with a key set to the port; returns its status, what it printed is in out. */
static int run(const char *key, int port, char *out, size_t size)
{
    char command[512];
    snprintf(
        command, sizeof command,
        "src/app/rushd --set server.port=0 --set %s=%d --set kafka.bootstrap-servers=embedded "
        "--set redis.socket=/nonexistent/redis --set 'datasource.url=postgresql:///x?host=/nonexistent' 2>&1",
        key, port);
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    size_t n = fread(out, 1, size - 1, p);
    out[n] = '\0';
    int status = pclose(p);
    ck_assert_msg(WIFEXITED(status), "%s", out);
    return WEXITSTATUS(status);
}

START_TEST(a_taken_port_is_a_clear_error)
{
    static const char *const keys[] = {"server.port", "management.server.port"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char out[8192], text[100];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    snprintf(text, sizeof text, "address 127.0.0.1 port %d: Address already in use", ntohs(address.sin_port));
    ck_assert_msg(run(keys[_i], ntohs(address.sin_port), out, sizeof out) == EX_OSERR, "%s", out);
    ck_assert_msg(strstr(out, "the node cannot start") != NULL, "%s", out);
    ck_assert_msg(strstr(out, text) != NULL, "%s", out);
    close(fd);
}
END_TEST

Suite *taken_port_suite(void)
{
    Suite *s = suite_create("taken_port");
    TCase *t = tcase_create("taken_port");
    tcase_add_loop_test(t, a_taken_port_is_a_clear_error, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
