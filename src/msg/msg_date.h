/* Forms of dates. An instant is microseconds since 1970-01-01 UTC; a local date is one in the time zone of
 * the process (server.time-zone, contract section 2); a day is the number of days from 1970-01-01 to it, so
 * that a day plus n is the n-th day after it, whatever the clocks do.
 *
 * Where clocks are put back, a local time that comes twice is the earlier one; where they are put forward,
 * one that does not exist is as much later as the clocks were put. This is what java.time does. */
#ifndef RUSHD_MSG_MSG_DATE_H
#define RUSHD_MSG_MSG_DATE_H

#include "base/buf.h"

/* Forget what is known of the time zone: call it after TZ was set and tzset() called. */
void msg_date_zone_changed(void);

/* --- printing: append to out, nothing before or after --- */
void msg_date_iso(struct buf *out,
                  int64_t us); /* 2026-11-23T18:24:05, with .12 or .123456 only if not zero */
void msg_date_iso_us(struct buf *out, int64_t us); /* 2026-11-23T18:24:05.120000: always six digits */
void msg_date_blank(struct buf *out, int64_t us);  /* 2026-11-23 18:24:05, the fraction left out */
void msg_date_pg(struct buf *out, int64_t us);     /* timestamptz in UTC: 2026-11-23 09:24:05.120000+00 */

/* --- parsing ---
 *
 * False, with *us untouched, for anything but what is described: years 1 to 9999, only dates and times that
 * exist in the calendar, no second 60. */

/* yyyy-MM-dd, T or a blank, HH:mm, optionally :ss, optionally a fraction of 1 to 9 digits (cut to
 * microseconds), optionally Z or an offset +HH, +HHMM, +HH:MM, +HH:MM:SS; without one it is a local date.
 * Takes PostgreSQL's timestamptz output (DateStyle ISO) and what Java, Jackson and JavaScript write. */
bool msg_date_parse(const char *s, size_t n, int64_t *us);
/* Jackson's array form: year, month, day, hour, minute, then optionally second, then optionally nanosecond;
 * local. */
bool msg_date_from_fields(const int64_t *fields, size_t n, int64_t *us);

/* --- days --- */
int64_t msg_date_day_of(int64_t us);                            /* the local day of an instant */
int64_t msg_date_day_start(int64_t day);                        /* the first instant of a local day */
void msg_date_day(struct buf *out, int64_t day);                /* append yyyy-MM-dd */
bool msg_date_day_parse(const char *s, size_t n, int64_t *day); /* yyyy-MM-dd, nothing else */

#endif
