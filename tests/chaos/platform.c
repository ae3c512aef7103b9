/* A data platform for tests: takes documents by POST and writes down each one, fails on demand.
 *
 *   platform PORT LOG MODE-FILE
 *
 * PORT 0 takes a free one. The port is printed when it listens.
 *
 * LOG gets a line "order Idempotency-Key status" before the answer is sent. MODE-FILE is read at each request and holds one word:
 *   ok      200                         (also when there is no file)
 *   error   500, or 429 with Retry-After
 *   refuse  400
 *   hang    no answer, the connection stays open
 *   close   the connection closes instead of an answer; half of the documents were accepted before
 *   mixed   one of these at random, ok mostly */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 65536

static FILE *log_file;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *mode_file;

static void read_mode(char *mode, size_t size)
{
    FILE *f = fopen(mode_file, "r");
    snprintf(mode, size, "ok");
    if (f && fscanf(f, "%15s", mode) != 1)
        snprintf(mode, size, "ok");
    if (f)
        fclose(f);
    static const char *const mix[] = {"ok", "ok", "ok", "ok", "ok", "error", "close", "hang"};
    if (strcmp(mode, "mixed") == 0)
        snprintf(mode, size, "%s", mix[(unsigned)rand() % (sizeof mix / sizeof *mix)]);
}

static void note(const char *head, const char *body, int status)
{
    const char *key = strcasestr(head, "\r\nIdempotency-Key:"), *order = strstr(body, "\"orderId\":");
    char name[64] = "-";
    if (key)
        sscanf(key + strlen("\r\nIdempotency-Key:"), " %63[^\r\n ]", name);
    pthread_mutex_lock(&log_lock);
    fprintf(log_file, "%ld %s %d\n", order ? strtol(order + strlen("\"orderId\":"), NULL, 10) : 0, name,
            status);
    fflush(log_file);
    pthread_mutex_unlock(&log_lock);
}

static bool answer(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* False when the connection is to be closed. */
static bool serve(int fd, const char *head, const char *body)
{
    char mode[16];
    read_mode(mode, sizeof mode);
    if (strcmp(mode, "error") == 0) {
        note(head, body, 500);
        return answer(
            fd, rand() % 2 ? "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
                           : "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
    }
    if (strcmp(mode, "refuse") == 0) {
        note(head, body, 400);
        return answer(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }
    if (strcmp(mode, "hang") == 0) {
        note(head, body, 0);
        for (char c; recv(fd, &c, 1, 0) > 0;)
            ; /* until the client has had enough */
        return false;
    }
    if (strcmp(mode, "close") == 0) {
        note(head, body, rand() % 2 ? 200 : 0);
        return false;
    }
    note(head, body, 200);
    return answer(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

static void *run(void *arg)
{
    int fd = (int)(long)arg;
    char *buffer = malloc(BUFFER);
    size_t have = 0;
    for (bool open = true; open;) {
        ssize_t n = have < BUFFER - 1 ? recv(fd, buffer + have, BUFFER - 1 - have, 0) : 0;
        if (n <= 0)
            break;
        have += (size_t)n;
        buffer[have] = '\0';
        char *end;
        while (open && (end = strstr(buffer, "\r\n\r\n"))) {
            const char *length = strcasestr(buffer, "\r\nContent-Length:");
            size_t head = (size_t)(end - buffer) + 4;
            size_t whole = head + (length ? strtoul(length + strlen("\r\nContent-Length:"), NULL, 10) : 0);
            if (have < whole)
                break;
            char next = buffer[whole];
            end[2] = buffer[whole] = '\0';
            open = serve(fd, buffer, buffer + head);
            buffer[whole] = next;
            memmove(buffer, buffer + whole, have - whole + 1);
            have -= whole;
        }
    }
    close(fd);
    free(buffer);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4 || !(log_file = fopen(argv[2], "a"))) {
        fputs("usage: platform PORT LOG MODE-FILE\n", stderr);
        return 64;
    }
    mode_file = argv[3];
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 128) != 0) {
        perror("platform");
        return 69;
    }
    socklen_t size = sizeof at;
    if (getsockname(listener, (struct sockaddr *)&at, &size) == 0)
        printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;
        if (fd >= 0 && pthread_create(&thread, NULL, run, (void *)(long)fd) == 0)
            pthread_detach(thread);
    }
}
