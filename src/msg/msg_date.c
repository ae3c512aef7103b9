/* Dates: the calendar is computed here, only the zone's offset comes from the C library, one question per
 * hour of time: localtime_r(3) takes a lock and walks the zone's table, and dates are printed and parsed in
 * every message. */
#include "msg/msg_date.h"

#include <time.h>

#define US_PER_SECOND   1000000
#define SECONDS_PER_DAY 86400
/* Offsets are remembered by hour; an hour in which the clocks change is asked for each time. */
#define BUCKET_SECONDS 3600
#define BUCKETS        61 /* prime: a day before and after do not fall on the same place */

static struct bucket {
    int64_t hour; /* start / BUCKET_SECONDS + 1; 0: empty */
    int32_t offset;
    bool uniform;
} buckets[BUCKETS];

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

void msg_date_zone_changed(void)
{
    memset(buckets, 0, sizeof(buckets));
}

static int32_t ask_offset(int64_t second)
{
    time_t t = (time_t)second;
    struct tm tm;
    return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

/* Seconds to add to UTC for local time at an instant. */
static int32_t offset_at(int64_t second)
{
    int64_t hour = floor_div(second, BUCKET_SECONDS);
    struct bucket *b = &buckets[(hour % BUCKETS + BUCKETS) % BUCKETS];
    if (b->hour != hour + 1 || hour + 1 == 0) {
        b->hour = hour + 1;
        b->offset = ask_offset(hour * BUCKET_SECONDS);
        b->uniform = b->offset == ask_offset((hour + 1) * BUCKET_SECONDS - 1);
    }
    return b->uniform ? b->offset : ask_offset(second);
}

/* The offsets a day before and a day after a local time, one of which holds at it unless it does not exist.
 * Returns the instant; *gap is true if the local time does not exist: then it is counted with the offset
 * before. */
static int64_t to_instant(int64_t local, bool *gap)
{
    int32_t before = offset_at(local - SECONDS_PER_DAY), after = offset_at(local + SECONDS_PER_DAY);
    *gap = false;
    if (offset_at(local - before) == before)
        return local - before;
    if (offset_at(local - after) == after)
        return local - after;
    *gap = true;
    return local - before;
}

/* --- the calendar (proleptic Gregorian; eras of 400 years that begin in March) --- */
struct civil {
    int64_t year;
    int month, day;
};

static int64_t day_from_civil(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400), year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static struct civil civil_from_day(int64_t day)
{
    int64_t z = day + 719468;
    int64_t era = floor_div(z, 146097), day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* from March */
    return (struct civil){
        .year = year_of_era + era * 400 + (month >= 10),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
    };
}

static int days_of_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* --- printing --- */
static char *put_digits(char *p, int64_t v, int width)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + width;
}

/* Room for a year of int64_t microseconds (6 digits, sign) and all that follows. */
#define DATE_SIZE 40

static char *put_day(char *p, int64_t day)
{
    struct civil c = civil_from_day(day);
    int64_t year = c.year;
    if (year < 0) {
        *p++ = '-';
        year = -year;
    }
    p = put_digits(p, year, year > 9999 ? 6 : 4);
    *p++ = '-';
    p = put_digits(p, c.month, 2);
    *p++ = '-';
    return put_digits(p, c.day, 2);
}

static char *print_date(char *p, int64_t second, char separator)
{
    int64_t day = floor_div(second, SECONDS_PER_DAY), rest = second - day * SECONDS_PER_DAY;
    p = put_day(p, day);
    *p++ = separator;
    p = put_digits(p, rest / 3600, 2);
    *p++ = ':';
    p = put_digits(p, rest / 60 % 60, 2);
    *p++ = ':';
    return put_digits(p, rest % 60, 2);
}

/* Most dates are of this second, as the last one was. */
static char *put_date(char *p, int64_t second, char separator)
{
    static struct {
        int64_t second;
        size_t n; /* 0: none yet */
        char separator, text[DATE_SIZE];
    } last;
    if (!last.n || last.second != second || last.separator != separator) {
        last.n = (size_t)(print_date(last.text, second, separator) - last.text);
        last.second = second;
        last.separator = separator;
    }
    memcpy(p, last.text, last.n);
    return p + last.n;
}

static char *put_fraction(char *p, int64_t us)
{
    *p++ = '.';
    return put_digits(p, us, 6);
}

/* Split an instant into seconds and microseconds. */
static int64_t seconds_of(int64_t us, int64_t *fraction)
{
    int64_t rest = us % US_PER_SECOND;
    *fraction = rest < 0 ? rest + US_PER_SECOND : rest;
    return floor_div(us, US_PER_SECOND);
}

/* The same with seconds of local time. */
static int64_t split(int64_t us, int64_t *fraction)
{
    int64_t second = seconds_of(us, fraction);
    return second + offset_at(second);
}

void msg_date_iso(struct buf *out, int64_t us)
{
    char text[DATE_SIZE];
    int64_t fraction;
    char *p = put_date(text, split(us, &fraction), 'T');
    if (fraction) {
        p = put_fraction(p, fraction);
        while (p[-1] == '0')
            p--;
    }
    buf_put(out, text, (size_t)(p - text));
}

void msg_date_iso_us(struct buf *out, int64_t us)
{
    char text[DATE_SIZE];
    int64_t fraction;
    char *p = put_date(text, split(us, &fraction), 'T');
    p = put_fraction(p, fraction);
    buf_put(out, text, (size_t)(p - text));
}

void msg_date_blank(struct buf *out, int64_t us)
{
    char text[DATE_SIZE];
    int64_t fraction;
    char *p = put_date(text, split(us, &fraction), ' ');
    buf_put(out, text, (size_t)(p - text));
}

void msg_date_pg(struct buf *out, int64_t us)
{
    char text[DATE_SIZE];
    int64_t fraction, second = seconds_of(us, &fraction);
    char *p = put_date(text, second, ' ');
    p = put_fraction(p, fraction);
    memcpy(p, "+00", 3);
    buf_put(out, text, (size_t)(p + 3 - text));
}

/* --- parsing --- */
struct reader {
    const char *p, *end;
};

static bool take(struct reader *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool take_digits(struct reader *r, int width, int *out)
{
    int v = 0;
    if (r->end - r->p < width)
        return false;
    for (int i = 0; i < width; i++) {
        char c = r->p[i];
        if (c < '0' || c > '9')
            return false;
        v = v * 10 + (c - '0');
    }
    r->p += width;
    *out = v;
    return true;
}

static bool take_day(struct reader *r, int64_t *day)
{
    int year, month, d;
    if (!take_digits(r, 4, &year) || !take(r, '-') || !take_digits(r, 2, &month) || !take(r, '-') ||
        !take_digits(r, 2, &d))
        return false;
    if (year < 1 || month < 1 || month > 12 || d < 1 || d > days_of_month(year, month))
        return false;
    *day = day_from_civil(year, month, d);
    return true;
}

static bool take_time(struct reader *r, int64_t *seconds)
{
    int hour, minute, second = 0;
    if (!take_digits(r, 2, &hour) || !take(r, ':') || !take_digits(r, 2, &minute))
        return false;
    if (take(r, ':') && !take_digits(r, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

static bool take_fraction(struct reader *r, int64_t *us)
{
    *us = 0;
    if (!take(r, '.'))
        return true;
    int digit, digits = 0;
    for (int64_t unit = US_PER_SECOND / 10; digits <= 9 && take_digits(r, 1, &digit); digits++, unit /= 10)
        *us += digit * unit;
    return digits >= 1 && digits <= 9;
}

/* Z or +HH[[:]MM[:SS]]; *offset in seconds. */
static bool take_offset(struct reader *r, int64_t *offset)
{
    int sign = take(r, '+') ? 1 : take(r, '-') ? -1 : 0, hours, minutes = 0, seconds = 0;
    *offset = 0;
    if (sign == 0)
        return take(r, 'Z') || take(r, 'z');
    if (!take_digits(r, 2, &hours))
        return false;
    bool colon = take(r, ':');
    if ((colon || r->p < r->end) && !take_digits(r, 2, &minutes))
        return false;
    if (colon && take(r, ':') && !take_digits(r, 2, &seconds))
        return false;
    *offset = sign * (hours * 3600 + minutes * 60 + seconds);
    return hours <= 18 && minutes <= 59 && seconds <= 59;
}

/* Store a date if it is one between the years 1 and 9999 in UTC too, where it must be printable. */
static bool store(int64_t second, int64_t fraction, int64_t *us)
{
    if (second < day_from_civil(1, 1, 1) * SECONDS_PER_DAY ||
        second >= day_from_civil(10000, 1, 1) * SECONDS_PER_DAY)
        return false;
    *us = second * US_PER_SECOND + fraction;
    return true;
}

bool msg_date_parse(const char *s, size_t n, int64_t *us)
{
    struct reader r = {s, s + n};
    int64_t day, seconds, fraction, offset;
    if (!take_day(&r, &day) || !(take(&r, 'T') || take(&r, ' ')) || !take_time(&r, &seconds) ||
        !take_fraction(&r, &fraction))
        return false;
    int64_t local = day * SECONDS_PER_DAY + seconds;
    if (r.p == r.end) {
        bool gap;
        return store(to_instant(local, &gap), fraction, us);
    }
    return take_offset(&r, &offset) && r.p == r.end && store(local - offset, fraction, us);
}

bool msg_date_from_fields(const int64_t *f, size_t n, int64_t *us)
{
    int64_t second = n > 5 ? f[5] : 0, ns = n > 6 ? f[6] : 0;
    bool gap;
    if (n < 5 || n > 7 || f[0] < 1 || f[0] > 9999 || f[1] < 1 || f[1] > 12 || f[2] < 1 ||
        f[2] > days_of_month(f[0], (int)f[1]))
        return false;
    if (f[3] < 0 || f[3] > 23 || f[4] < 0 || f[4] > 59 || second < 0 || second > 59 || ns < 0 ||
        ns > 999999999)
        return false;
    int64_t day = day_from_civil(f[0], (int)f[1], (int)f[2]);
    return store(to_instant(day * SECONDS_PER_DAY + f[3] * 3600 + f[4] * 60 + second, &gap), ns / 1000, us);
}

/* --- days --- */
int64_t msg_date_day_of(int64_t us)
{
    int64_t fraction;
    return floor_div(split(us, &fraction), SECONDS_PER_DAY);
}

int64_t msg_date_day_start(int64_t day)
{
    bool gap;
    int64_t midnight = to_instant(day * SECONDS_PER_DAY, &gap);
    if (gap) {
        /* Midnight was skipped: the day starts when the clocks were put forward, at most a day before. */
        int64_t low = midnight - SECONDS_PER_DAY;
        while (midnight - low > 1) {
            int64_t middle = low + (midnight - low) / 2;
            if (middle + offset_at(middle) >= day * SECONDS_PER_DAY)
                midnight = middle;
            else
                low = middle;
        }
    }
    return midnight * US_PER_SECOND;
}

void msg_date_day(struct buf *out, int64_t day)
{
    char text[DATE_SIZE];
    buf_put(out, text, (size_t)(put_day(text, day) - text));
}

bool msg_date_day_parse(const char *s, size_t n, int64_t *day)
{
    struct reader r = {s, s + n};
    int64_t d;
    if (!take_day(&r, &d) || r.p != r.end)
        return false;
    *day = d;
    return true;
}
