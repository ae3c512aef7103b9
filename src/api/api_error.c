/* Which form and language an error has, and the bodies of the errors that the server answers itself. */
#include "api/api_internal.h"

#include "base/clock.h"
#include "http/http_field.h"

/* True if the request names application/problem+json and does not like application/json better. A wildcard
 * names neither: who does not ask for the RFC's form gets the contract's. */
static bool wants_problem(struct slice accept)
{
    struct slice range;
    int problem = 0, json = 0, q;
    while (http_range_next(&accept, &range, &q)) {
        if (slice_ieq(range, "application/problem+json") && q > problem)
            problem = q;
        else if (slice_ieq(range, "application/json") && q > json)
            json = q;
    }
    return problem > 0 && problem >= json;
}

/* True for the language itself and its regional forms: en, en-US. */
static bool is_language(struct slice range, const char *language)
{
    return range.n >= 2 && slice_ieq((struct slice){range.p, 2}, language) &&
           (range.n == 2 || range.p[2] == '-');
}

/* True if English is liked better than Korean, or as well and named first. "*" is content with Korean. */
static bool wants_english(struct slice accept)
{
    struct slice range;
    int english = 0, korean = 0, q;
    bool english_first = false;
    while (http_range_next(&accept, &range, &q)) {
        if (is_language(range, "en") && q > english) {
            english = q;
            english_first = korean == 0;
        } else if ((is_language(range, "ko") || slice_eq(range, "*")) && q > korean) {
            korean = q;
        }
    }
    return english > korean || (english > 0 && english == korean && english_first);
}

unsigned api_error_form(const struct http_request *req)
{
    unsigned form = 0;
    if (!req)
        return 0;
    struct slice accept = http_request_header(req, "Accept");
    struct slice language = http_request_header(req, "Accept-Language");
    if (accept.p && wants_problem(accept))
        form |= REFUSAL_PROBLEM;
    if (language.p && wants_english(language))
        form |= REFUSAL_ENGLISH;
    return form;
}

/* What the server means by a status of its own. */
static enum refusal_code code_of(int status)
{
    static const struct {
        int status;
        enum refusal_code code;
    } codes[] = {
        {404, REFUSAL_NOT_FOUND},
        {405, REFUSAL_METHOD_NOT_ALLOWED},
        {406, REFUSAL_NOT_ACCEPTABLE},
        {408, REFUSAL_REQUEST_TIMEOUT},
        {413, REFUSAL_PAYLOAD_TOO_LARGE},
        {414, REFUSAL_URI_TOO_LONG},
        {415, REFUSAL_UNSUPPORTED_MEDIA_TYPE},
        {417, REFUSAL_EXPECTATION_FAILED},
        {431, REFUSAL_HEADERS_TOO_LARGE},
        {500, REFUSAL_INTERNAL_ERROR},
        {501, REFUSAL_NOT_IMPLEMENTED},
        {503, REFUSAL_SERVICE_UNAVAILABLE},
        {505, REFUSAL_HTTP_VERSION_NOT_SUPPORTED},
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].status == status)
            return codes[i].code;
    return status >= 500 ? REFUSAL_INTERNAL_ERROR : REFUSAL_BAD_REQUEST;
}

void api_error_body(void *arg, const struct http_request *req, int status, struct buf *body,
                    const char **content_type)
{
    const struct refusal why = {.code = code_of(status)};
    unsigned form = api_error_form(req);
    refusal_body(body, &why, form, clock_real_us());
    *content_type = refusal_content_type(form);
}
