/* A blocking HTTP/1.1 client for test programs that share nothing with rushd: one connection, one request at a time, a deadline
 * for each. */
#ifndef RUSHD_CHAOS_HTTP_H
#define RUSHD_CHAOS_HTTP_H

#include <stddef.h>
#include <stdint.h>

struct http {
    int fd; /* -1: not connected */
};
#define HTTP_INIT                                                                                            \
    {                                                                                                        \
        -1                                                                                                   \
    }

struct http_answer {
    int status; /* 0: none; the request may have had its effect */
    int retry_after_s;
    char *body; /* "" at least; http_answer_free() */
};

/* Microseconds: since the epoch, and of a clock that only goes on. */
int64_t http_now_us(void);
int64_t http_mono_us(void);
/* Send one request to host:port (numeric IPv4) and wait for the answer at most timeout_ms, connecting when necessary. headers is
 * NULL or complete lines. After any failure the connection is closed. */
struct http_answer http_call(struct http *h, const char *host, int port, const char *method, const char *path,
                             const char *headers, const char *body, int timeout_ms);
void http_answer_free(struct http_answer *a);
void http_close(struct http *h);

#endif
