/* A TCP proxy between a node and a service, to cut and slow the line.
 *
 *   proxy PORT TARGET MODE-FILE     TARGET is the path of a Unix socket or HOST:PORT
 *
 * MODE-FILE is looked at all the time and holds one of
 *   pass         everything goes through (also when there is no file)
 *   cut          open connections are closed, new ones closed at once
 *   hold         nothing goes through, nothing closes
 *   slow BYTES   so many bytes a second and direction, in small pieces
 *   delay MS     everything arrives so much later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_MAX 256
#define BUFFER    65536
#define TICK_MS   5

enum mode {
    PASS,
    CUT,
    HOLD,
    SLOW,
    DELAY
};
static enum mode mode;
static long number; /* of the mode */
static const char *target, *mode_file;

/* One direction: what was read from one side waits here for the other. */
struct way {
    char data[BUFFER];
    size_t from, to;
    int64_t release_us; /* earliest instant at which data goes on */
    bool ended;
};
struct pair {
    int fd[2]; /* client, target */
    struct way way[2];
};
static struct pair *pairs[PAIRS_MAX];
static int npairs;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void read_mode(void)
{
    static const char *const names[] = {"pass", "cut", "hold", "slow", "delay"};
    char word[16] = "pass";
    FILE *f = fopen(mode_file, "r");
    number = 0;
    if (f && fscanf(f, "%15s %ld", word, &number) < 1)
        snprintf(word, sizeof word, "pass");
    if (f)
        fclose(f);
    mode = PASS;
    for (int i = 0; i < 5; i++)
        if (strcmp(word, names[i]) == 0)
            mode = (enum mode)i;
}

static int connect_target(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    const char *colon = strrchr(target, ':');
    int fd;
    bool ok;
    if (*target == '/') {
        snprintf(un.sun_path, sizeof un.sun_path, "%s", target);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        ok = connect(fd, (struct sockaddr *)&un, sizeof un) == 0;
    } else {
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : target));
        fd = socket(AF_INET, SOCK_STREAM, 0);
        ok = connect(fd, (struct sockaddr *)&in, sizeof in) == 0;
    }
    if (ok)
        return fd;
    close(fd);
    return -1;
}

static void pair_close(int i)
{
    close(pairs[i]->fd[0]);
    close(pairs[i]->fd[1]);
    free(pairs[i]);
    pairs[i] = pairs[--npairs];
}

static void take_client(int listener)
{
    int client = accept(listener, NULL, NULL);
    int other = client < 0 || mode == CUT || npairs == PAIRS_MAX ? -1 : connect_target();
    if (other < 0) {
        if (client >= 0)
            close(client);
        return;
    }
    fcntl(client, F_SETFL, O_NONBLOCK);
    fcntl(other, F_SETFL, O_NONBLOCK);
    struct pair *p = calloc(1, sizeof *p);
    p->fd[0] = client;
    p->fd[1] = other;
    pairs[npairs++] = p;
}

/* Read from side, false at the end of the line. */
static bool fill(struct way *w, int from)
{
    if (w->from == w->to)
        w->from = w->to = 0;
    if (w->to == BUFFER)
        return true;
    ssize_t n = recv(from, w->data + w->to, BUFFER - w->to, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return false;
    if (n > 0 && w->from == w->to)
        w->release_us = mode == DELAY ? now_us() + number * 1000 : 0;
    w->to += n > 0 ? (size_t)n : 0;
    return true;
}

static bool pass_on(struct way *w, int to)
{
    size_t n = w->to - w->from;
    int64_t now = now_us();
    if (!n || mode == HOLD || now < w->release_us)
        return true;
    if (mode == SLOW) {
        size_t piece = (size_t)(number * TICK_MS / 1000) + 1;
        n = n < piece ? n : piece;
        w->release_us = now + TICK_MS * 1000;
    }
    ssize_t sent = send(to, w->data + w->from, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    w->from += sent > 0 ? (size_t)sent : 0;
    return true;
}

/* Move what can be moved; false when the pair is finished. */
static bool pair_step(struct pair *p)
{
    for (int side = 0; side < 2; side++) {
        struct way *w = &p->way[side];
        if (mode != HOLD && !w->ended)
            w->ended = !fill(w, p->fd[side]);
        if (!pass_on(w, p->fd[!side]) || (w->ended && w->from == w->to))
            return false;
    }
    return true;
}

static void wait_for_something(int listener)
{
    struct pollfd fds[1 + 2 * PAIRS_MAX];
    int n = 0;
    fds[n++] = (struct pollfd){listener, POLLIN, 0};
    bool wait = mode == PASS;
    for (int i = 0; i < npairs; i++) {
        for (int side = 0; side < 2; side++)
            if (mode == PASS && pairs[i]->way[side].to < BUFFER)
                fds[n++] = (struct pollfd){pairs[i]->fd[side], POLLIN, 0};
        wait = wait && pairs[i]->way[0].from == pairs[i]->way[0].to &&
               pairs[i]->way[1].from == pairs[i]->way[1].to;
    }
    poll(fds, (nfds_t)n, wait ? 20 : TICK_MS);
    if (fds[0].revents)
        take_client(listener);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: proxy PORT TARGET MODE-FILE\n", stderr);
        return 64;
    }
    target = argv[2];
    mode_file = argv[3];
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 128) != 0) {
        perror("proxy");
        return 69;
    }
    for (int64_t looked_us = 0;;) {
        if (now_us() - looked_us > 20000) {
            read_mode();
            looked_us = now_us();
        }
        for (int i = npairs - 1; i >= 0; i--)
            if (mode == CUT || !pair_step(pairs[i]))
                pair_close(i);
        wait_for_something(listener);
    }
}
