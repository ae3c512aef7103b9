/* Exact money in integers: decimal text in, decimal text out. */
#include "base/money.h"

#define DECIMALS 2

static bool in_range(money v)
{
    return v >= -MONEY_MAX && v <= MONEY_MAX;
}

static bool is_digit(const char *s, size_t n, size_t i)
{
    return i < n && s[i] >= '0' && s[i] <= '9';
}

/* A number as digits * 10^exponent, the last digit not zero unless the number is zero. */
struct decimal {
    uint64_t digits;
    int64_t exponent;
    int64_t zeros; /* zeros behind the digits so far; they count only if another digit follows */
};

/* Take one more digit of the mantissa. False when there are more digits than money has. */
static bool decimal_push(struct decimal *d, char c)
{
    if (c == '0') {
        if (d->digits)
            d->zeros++;
        return true;
    }
    for (d->zeros++; d->zeros > 0; d->zeros--) {
        if (d->digits > MONEY_MAX / 10)
            return false;
        d->digits *= 10;
    }
    d->digits += (uint64_t)(c - '0');
    return true;
}

/* Read "[eE][+-]digits" at *at, saturating: a huge exponent is either out of range or belongs to zero. */
static bool exponent_parse(const char *s, size_t n, size_t *at, int64_t *out)
{
    size_t i = *at + 1;
    bool negative = i < n && s[i] == '-';
    if (i < n && (s[i] == '-' || s[i] == '+'))
        i++;
    if (!is_digit(s, n, i))
        return false;
    int64_t v = 0;
    for (; is_digit(s, n, i); i++)
        if (v < INT64_MAX / 100)
            v = v * 10 + (s[i] - '0');
    *out = negative ? -v : v;
    *at = i;
    return true;
}

bool money_parse(const char *s, size_t n, money *out)
{
    struct decimal d = {0};
    bool fits = true;
    size_t i = n && s[0] == '-';
    bool negative = i == 1;
    if (!is_digit(s, n, i) || (s[i] == '0' && is_digit(s, n, i + 1)))
        return false;
    for (; is_digit(s, n, i); i++)
        fits = fits && decimal_push(&d, s[i]);
    int64_t exponent = 0, fraction = 0;
    if (i < n && s[i] == '.') {
        if (!is_digit(s, n, ++i))
            return false;
        for (; is_digit(s, n, i); i++, fraction++)
            fits = fits && decimal_push(&d, s[i]);
    }
    if (i < n && (s[i] == 'e' || s[i] == 'E') && !exponent_parse(s, n, &i, &exponent))
        return false;
    if (i != n || !fits)
        return false;
    uint64_t cents = d.digits;
    int64_t shift = exponent - fraction + d.zeros + DECIMALS;
    if (cents && shift < 0)
        return false;
    for (; cents && shift > 0; shift--) {
        if (cents > MONEY_MAX / 10)
            return false;
        cents *= 10;
    }
    if (cents > MONEY_MAX)
        return false;
    *out = negative ? -(money)cents : (money)cents;
    return true;
}

bool money_add(money a, money b, money *out)
{
    money sum;
    if (__builtin_add_overflow(a, b, &sum) || !in_range(sum))
        return false;
    *out = sum;
    return true;
}

bool money_mul(money unit, int64_t count, money *out)
{
    money total;
    if (__builtin_mul_overflow(unit, count, &total) || !in_range(total))
        return false;
    *out = total;
    return true;
}

static size_t print(money v, bool fraction, char *out)
{
    char reversed[MONEY_PRINT_SIZE];
    size_t n = 0, len = 0;
    uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
    if (fraction) {
        for (int i = 0; i < DECIMALS; i++, rest /= 10)
            reversed[n++] = (char)('0' + rest % 10);
        reversed[n++] = '.';
    } else {
        rest /= 100;
    }
    do {
        reversed[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (v < 0)
        out[len++] = '-';
    while (n)
        out[len++] = reversed[--n];
    out[len] = '\0';
    return len;
}

size_t money_print_fixed(money v, char *out)
{
    return print(v, true, out);
}

size_t money_print_short(money v, char *out)
{
    return print(v, v % 100 != 0, out);
}
