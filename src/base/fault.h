/* Fault points: named places where a test build kills the process at its n-th pass (guarantees section 2).
 * Compiled in with --enable-fault-points, driven by RUSHD_FAULT=point[:n]; else FAULT_POINT() is nothing. */
#ifndef RUSHD_BASE_FAULT_H
#define RUSHD_BASE_FAULT_H

#include "base/base.h"

#ifdef RUSHD_FAULT_POINTS
/* Kill the process (SIGKILL) if RUSHD_FAULT names this point and this is the n-th pass. */
void fault_pass(const char *point);
#define FAULT_POINT(point) fault_pass(point)
#else
#define FAULT_POINT(point) ((void)0)
#endif

#endif
