/* What the files of the ranking share. */
#ifndef RUSHD_STORE_RANKING_INTERNAL_H
#define RUSHD_STORE_RANKING_INTERNAL_H

#include <stdint.h>

#include "msg/msg_date.h"

/* The instant, in epoch seconds, at which the keys of a local day end: the start of the day after the retention. */
static inline int64_t ranking_day_ends_s(int64_t day, int retention_days)
{
    return msg_date_day_start(day + retention_days) / 1000000;
}

#endif
