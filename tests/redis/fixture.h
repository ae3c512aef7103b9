/* A loop, a scripted server and a client, and what became of the client's calls. */
#ifndef TESTS_REDIS_FIXTURE_H
#define TESTS_REDIS_FIXTURE_H

#include <check.h>

#include "base/metric.h"
#include "fake_redis.h"
#include "loop/loop.h"
#include "redis/redis.h"

struct outcome {
    int fired;
    enum redis_status status;
    enum redis_type type;
    char text[128]; /* of the reply */
    struct error error;
};

extern struct loop *loop;
extern struct fake_redis *server;
extern struct redis_client *client;
extern struct redis_client_config config;
extern int ready_count, lost_count;
extern char last_reason[200];

void fixture_setup(void);    /* loop and server; config points to it */
void fixture_teardown(void); /* frees client, server, loop */
void start_client(void);     /* and wait until it is ready */
void make_client(void);      /* without waiting */
void on_outcome(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e);
void command(struct outcome *o, int64_t timeout_ms, const char *name, const char *arg);
bool wait_for(bool (*done)(void *arg), void *arg);
bool fired(void *arg); /* an outcome */
bool is_ready(void *arg);
bool is_lost(void *arg); /* *(int *)arg losses or more were told */
void spin(int64_t ms);   /* run the loop for so long */

#endif
