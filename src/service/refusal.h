/* Every answer that is not a success: stable code, HTTP status, the source system's Korean sentence and an
 * English one (contract section 3). One table; api and the flows print from it, a test compares it with the
 * documents. */
#ifndef RUSHD_SERVICE_REFUSAL_H
#define RUSHD_SERVICE_REFUSAL_H

#include "base/buf.h"
#include "base/money.h"

/* X(enum, code, status, Korean, English); {name} {id} {n} {a} {b} are filled in from struct refusal: name
 * text, id and n integers, a and b money. */
#define REFUSAL_TABLE(X)                                                                                     \
    X(INVALID_USER_ID, 400, "유효하지 않은 사용자 ID입니다.", "The user id is not valid.")                   \
    X(NO_ORDER_ITEMS, 400, "주문 아이템이 없습니다.", "The order has no items.")                             \
    X(INVALID_QUANTITY, 400, "유효하지 않은 주문 수량입니다.", "The quantity is not valid.")                 \
    X(TOO_MANY_ITEMS, 400, "주문 아이템이 너무 많습니다. (최대 {n}개)",                                      \
      "The order has too many items (at most {n}).")                                                         \
    X(ORDER_AMOUNT_OUT_OF_RANGE, 400, "주문 금액이 처리할 수 있는 범위를 벗어났습니다.",                     \
      "The order's amount is out of range.")                                                                 \
    X(USER_NOT_FOUND, 400, "존재하지 않는 사용자입니다.", "The user does not exist.")                        \
    X(PRODUCT_NOT_FOUND, 400, "존재하지 않는 상품입니다: {id}", "The product does not exist: {id}")          \
    X(PRODUCT_INACTIVE, 400, "판매 중지된 상품입니다: {name}", "The product is not for sale: {name}")        \
    X(INSUFFICIENT_STOCK, 400, "재고가 부족합니다: {name} (남은 재고: {n})",                                 \
      "Not enough stock: {name} (left: {n})")                                                                \
    X(BALANCE_NOT_FOUND, 400, "잔액 정보를 찾을 수 없습니다.", "The user has no balance.")                   \
    X(INSUFFICIENT_BALANCE, 400, "잔액이 부족합니다. 현재 잔액: {a}, 주문 금액: {b}",                        \
      "The balance is too low. Balance: {a}, order: {b}")                                                    \
    X(COUPON_NOT_USABLE, 400, "사용할 수 없는 쿠폰입니다.", "The coupon cannot be used.")                    \
    X(INVALID_COUPON_USER_ID, 400, "잘못된 사용자 ID입니다.", "The user id is not valid.")                   \
    X(INVALID_COUPON_ID, 400, "잘못된 쿠폰 ID입니다.", "The coupon id is not valid.")                        \
    X(COUPON_USER_NOT_FOUND, 400, "사용자를 찾을 수 없습니다.", "The user was not found.")                   \
    X(COUPON_ALREADY_ISSUED, 400, "이미 발급받은 쿠폰입니다.", "The user already holds this coupon.")        \
    X(COUPON_NOT_FOUND, 400, "존재하지 않는 쿠폰입니다.", "The coupon does not exist.")                      \
    X(COUPON_SOLD_OUT, 400, "쿠폰이 모두 소진되었습니다.", "The coupon is sold out.")                        \
    X(COUPON_NOT_ISSUABLE, 400, "발급할 수 없는 쿠폰입니다.", "The coupon cannot be issued now.")            \
    X(COUPON_REQUEST_PENDING, 400, "이미 쿠폰 발급 요청이 처리 중입니다.",                                   \
      "A request for this coupon is already being processed.")                                               \
    X(COUPON_SYSTEM_ERROR, 500, "시스템 오류로 발급 실패", "Issuing failed because of a system error")       \
    X(COUPON_REQUEST_NOT_FOUND, 404, "쿠폰 발급 요청을 찾을 수 없습니다.",                                   \
      "The user never asked for this coupon.")                                                               \
    X(CHARGE_AMOUNT_NOT_POSITIVE, 400, "충전 금액은 0보다 커야 합니다.",                                     \
      "The amount must be greater than 0.")                                                                  \
    X(CHARGE_AMOUNT_TOO_LARGE, 400, "한 번에 충전할 수 있는 최대 금액은 1,000,000원입니다.",                 \
      "At most 1,000,000 can be charged at once.")                                                           \
    X(CHARGE_USER_NOT_FOUND, 400, "사용자를 찾을 수 없습니다.", "The user was not found.")                   \
    X(BALANCE_USER_NOT_FOUND, 400, "사용자를 찾을 수 없습니다.", "The user was not found.")                  \
    X(BALANCE_OUT_OF_RANGE, 400, "잔액이 처리할 수 있는 범위를 벗어났습니다.",                               \
      "The balance would be out of range.")                                                                  \
    X(NOT_FOUND, 404, "요청한 리소스를 찾을 수 없습니다.", "Not found.")                                     \
    X(ORDER_NOT_FOUND, 404, "존재하지 않는 주문입니다: {id}", "The order does not exist: {id}")              \
    X(PRODUCT_UNKNOWN, 404, "존재하지 않는 상품입니다: {id}", "The product does not exist: {id}")            \
    X(COUPON_UNKNOWN, 404, "존재하지 않는 쿠폰입니다.", "The coupon does not exist.")                        \
    X(USER_UNKNOWN, 404, "사용자를 찾을 수 없습니다.", "The user was not found.")                            \
    X(MALFORMED_JSON, 400, "잘못된 JSON 형식입니다.", "The JSON is malformed.")                              \
    X(INVALID_PARAMETER, 400, "잘못된 파라미터 형식입니다: {name}", "The parameter is malformed: {name}")    \
    X(MISSING_PARAMETER, 400, "필수 파라미터가 없습니다: {name}", "A required parameter is missing: {name}") \
    X(BAD_REQUEST, 400, "잘못된 요청입니다.", "Bad request.")                                                \
    X(METHOD_NOT_ALLOWED, 405, "허용되지 않은 메서드입니다.", "The method is not allowed.")                  \
    X(NOT_ACCEPTABLE, 406, "제공할 수 없는 응답 형식입니다.", "The requested media type cannot be served.")  \
    X(REQUEST_TIMEOUT, 408, "요청 시간이 초과되었습니다.", "The request took too long to arrive.")           \
    X(REQUEST_IN_PROGRESS, 409, "같은 Idempotency-Key의 요청이 처리 중입니다.",                              \
      "A request with this Idempotency-Key is running.")                                                     \
    X(PAYLOAD_TOO_LARGE, 413, "요청 본문이 너무 큽니다.", "The request body is too large.")                  \
    X(URI_TOO_LONG, 414, "요청 주소가 너무 깁니다.", "The request target is too long.")                      \
    X(UNSUPPORTED_MEDIA_TYPE, 415, "지원하지 않는 콘텐츠 형식입니다.", "The content type is not supported.") \
    X(EXPECTATION_FAILED, 417, "처리할 수 없는 Expect 헤더입니다.", "The expectation cannot be met.")        \
    X(IDEMPOTENCY_KEY_REUSED, 422, "같은 Idempotency-Key로 다른 요청을 보낼 수 없습니다.",                   \
      "This Idempotency-Key was used with another body.")                                                    \
    X(HEADERS_TOO_LARGE, 431, "요청 헤더가 너무 큽니다.", "The request headers are too large.")              \
    X(INTERNAL_ERROR, 500, "서버 내부 오류가 발생했습니다.", "An internal error occurred.")                  \
    X(NOT_IMPLEMENTED, 501, "지원하지 않는 기능입니다.", "Not implemented.")                                 \
    X(SERVICE_UNAVAILABLE, 503, "일시적으로 요청을 처리할 수 없습니다. 잠시 후 다시 시도해주세요.",          \
      "The request cannot be served right now. Try again shortly.")                                          \
    X(OUTCOME_UNKNOWN, 503, "처리 결과를 확인할 수 없습니다. 같은 Idempotency-Key로 다시 요청해주세요.",     \
      "The outcome is not known. Repeat the request with the same Idempotency-Key.")                         \
    X(HTTP_VERSION_NOT_SUPPORTED, 505, "지원하지 않는 HTTP 버전입니다.", "The HTTP version is not supported.")

enum refusal_code {
    REFUSAL_NONE,
#define X(code, status, ko, en) REFUSAL_##code,
    REFUSAL_TABLE(X)
#undef X
    REFUSAL_COUNT,
};

struct refusal {
    enum refusal_code code;
    char name[128];
    int64_t id, n;
    money a, b;
};

enum refusal_form {
    REFUSAL_ENGLISH = 1, /* Accept-Language: en */
    REFUSAL_PROBLEM = 2, /* Accept: application/problem+json (RFC 9457) */
};

const char *refusal_word(enum refusal_code code);    /* "INSUFFICIENT_STOCK" */
enum refusal_code refusal_of_word(const char *word); /* REFUSAL_NONE when unknown */
int refusal_status(enum refusal_code code);
/* The sentences as they stand in the table, with their {placeholders}: for documents. */
struct refusal_sentences {
    const char *korean, *english;
};
struct refusal_sentences refusal_sentences(enum refusal_code code);
/* The sentence with its values filled in. */
void refusal_text(struct buf *out, const struct refusal *r, unsigned form);
/* The whole error body, `{"message","code","timestamp"}` or RFC 9457. */
void refusal_body(struct buf *out, const struct refusal *r, unsigned form, int64_t now_us);
const char *refusal_content_type(unsigned form);
/* The content type of an error body that refusal_body() printed some time ago, in whatever form. */
const char *refusal_body_type(struct slice body);

#endif
