/* Exact money: a count of hundredths (the contract's two decimals) in 64 bits. The database column is
 * numeric(15,2), so |amount| <= MONEY_MAX; every function refuses what lies beyond. No floating point. */
#ifndef RUSHD_BASE_MONEY_H
#define RUSHD_BASE_MONEY_H

#include "base/buf.h"

typedef int64_t money; /* cents */

#define MONEY_MAX        INT64_C(999999999999999)
#define MONEY_PRINT_SIZE 32 /* bytes for any printed amount with its NUL */

/* Parse decimal text as JSON, Jackson and PostgreSQL write it: "50000", "50000.00", "1E+4", "-12.5",
 * "12.340". False, with *out untouched, if it is not a number, has a non-zero digit beyond the second
 * decimal, or is out of range. */
bool money_parse(const char *s, size_t n, money *out);

/* Add; false, with *out untouched, when the sum is out of range. */
bool money_add(money a, money b, money *out);
/* Multiply; false, with *out untouched, when the product is out of range. */
bool money_mul(money unit, int64_t count, money *out);

/* Print with two decimals, "50000.00": messages (contract section 5) and SQL. out holds MONEY_PRINT_SIZE
 * bytes and is terminated; returns the length. */
size_t money_print_fixed(money v, char *out);
/* Print "50000" when whole, else "1234.50": HTTP answers and error texts (contract section 3). */
size_t money_print_short(money v, char *out);

#endif
