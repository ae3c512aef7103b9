/* The api on a loopback server over scripted services, and one client. */
#ifndef TESTS_API_SITE_H
#define TESTS_API_SITE_H

#include <check.h>

#include "api/api.h"
#include "tests/api/fake_services.h"
#include "tests/http/peer.h"

#define TEST_NOW_US                                                                                          \
    INT64_C(1763889845120000) /* 2025-11-23 18:24:05.12 in Seoul, the only instant of the tests */
#define TEST_NOW "2025-11-23T18:24:05.12"

/* For tcase_add_checked_fixture(): everything exposed, one server. */
void api_site_setup(void);
void api_site_teardown(void);
/* The same with another configuration, and management on a server of its own. */
void api_site_start(const struct api_config *cfg, bool own_management);
extern const struct api_config api_site_config;
extern struct api *api_site;
extern struct loop *api_site_loop;

/* Let the monotonic clock jump. */
void api_site_skip(int64_t us);
/* Close the client's connection and open another. */
void api_site_hang_up(void);
/* Let the client vanish, from within a callback. */
void api_site_vanish(void);
/* Open one more connection. */
void api_site_open(struct peer *p);
/* Run the loop for some milliseconds. */
void api_site_idle(int64_t ms);

/* Send a request, "GET /path" and header lines that end in "\r\n", and give the answer without Date and made request
 * ids: status line, header lines, blank line, body. body NULL: none, else sent as JSON. Valid until the next. */
const char *ask(const char *request, const char *headers, const char *body);
/* The same to the management server. */
const char *ask_management(const char *request);
/* Send without waiting, and wait for the next answer. */
void ask_only(const char *request, const char *headers, const char *body);
const char *answer_next(void);
/* True if something of it has come. */
bool answer_begun(void);

const char *answer_body(const char *answer);
int answer_status(const char *answer);
/* Check status and body of what ask() gives. */
void expect(const char *request, const char *body, int status, const char *want);
void expect_with(const char *request, const char *headers, const char *body, int status, const char *want);
/* Check that it is the contract's error with this code and sentence. */
void expect_error(const char *request, const char *headers, const char *body, int status, const char *code,
                  const char *message);
/* Check that the answer has this header line. */
void expect_header(const char *answer, const char *line);
void expect_no_header(const char *answer, const char *name);

#endif
