/* Fault points: named places where a test build kills the process at its n-th pass (guarantees section 2), or stops it until
 * somebody sends SIGCONT. Compiled in with --enable-fault-points, driven by RUSHD_FAULT=point[:n][:stop], or by
 * RUSHD_FAULT=@file: the file, once it is there, says the same to a process that runs. Else FAULT_POINT() is nothing. */
#ifndef RUSHD_BASE_FAULT_H
#define RUSHD_BASE_FAULT_H

#include "base/base.h"

/* Every point, X(name, where it stands). The first twelve are those of guarantees section 2, in its order; the others are near
 * them. tests/chaos kills a node at each. */
#define FAULT_TABLE(X)                                                                                       \
    X("coupon-accepted", "after the accept script, before the row in PostgreSQL and the 202")                \
    X("coupon-taken", "after members were taken from the line, before the first is produced")                \
    X("coupon-produced", "after a member was produced, before its delivery report")                          \
    X("coupon-reported", "after the delivery report, before the member is marked published")                 \
    X("coupon-consumed", "after requests were consumed, before BEGIN")                                       \
    X("coupon-written", "inside the transaction: decisions written, before COMMIT")                          \
    X("coupon-committed", "after the decisions' COMMIT, before the result in Redis")                         \
    X("coupon-result", "after the result in Redis, before the offset is stored")                             \
    X("order-committed", "after the COMMIT of a batch of orders, before their answers")                      \
    X("relay-batch", "the relay in the middle of a batch: after one message of a claimed order")             \
    X("ranking-applied", "after the ranking script, before the offset is stored")                            \
    X("platform-answered", "after the data platform answered, before it is recorded")                        \
    X("order-written", "inside the transaction of a batch of orders: everything written, before COMMIT")     \
    X("commit-sent", "COMMIT of any writing transaction is on its way, its answer is not there")             \
    X("order-published", "after one message of an order that was committed by this node")

#ifdef RUSHD_FAULT_POINTS
/* Kill the process (SIGKILL), or stop it (SIGSTOP), if RUSHD_FAULT names this point and this is the n-th pass. */
void fault_pass(const char *point);
/* End with EX_USAGE if RUSHD_FAULT names no point of the table: else a test would wait for nothing. */
void fault_check(void);
#define FAULT_POINT(point) fault_pass(point)
#define FAULT_CHECK()      fault_check()
#else
#define FAULT_POINT(point) ((void)0)
#define FAULT_CHECK()      ((void)0)
#endif

#endif
