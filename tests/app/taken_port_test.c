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

/* What fits into a message of Check. */
static const char *end_of(const char *out)
{
    size_t n = strlen(out);
    return n > 3000 ? out + n - 3000 : out;
}

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
    /* All of it is read, so that the program can write all of it; the end is kept when it is long. */
    size_t n = 0, more;
    while ((more = fread(out + n, 1, size - 1 - n, p)) > 0)
        if ((n += more) == size - 1) {
            n = size / 2;
            memmove(out, out + size - 1 - n, n);
        }
    out[n] = '\0';
    int status = pclose(p);
    ck_assert_msg(WIFEXITED(status), "%s", end_of(out));
    return WEXITSTATUS(status);
}

START_TEST(a_taken_port_is_a_clear_error)
{
    static const char *const keys[] = {"server.port", "management.server.port"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char out[65536], text[100];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    snprintf(text, sizeof text, "address 127.0.0.1 port %d: Address already in use", ntohs(address.sin_port));
    int status = run(keys[_i], ntohs(address.sin_port), out, sizeof out);
    ck_assert_msg(status == EX_OSERR, "exit status %d: %s", status, end_of(out));
    ck_assert_msg(strstr(out, "the node cannot start") != NULL, "%s", end_of(out));
    ck_assert_msg(strstr(out, text) != NULL, "%s", end_of(out));
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
