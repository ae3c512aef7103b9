/* Statements on the audit's snapshot: shared by audit.c and audit_books.c. */
#ifndef RUSHD_STORE_AUDIT_INTERNAL_H
#define RUSHD_STORE_AUDIT_INTERNAL_H

#include "store/audit.h"
#include "store/store_internal.h"

/* A statement on its way whose rows are for somebody; as struct store_call. */
struct audit_read;
typedef void audit_result_fn(struct audit_read *read, const struct pg_result *r, const struct error *e);
struct audit_read {
    struct audit_snapshot *snapshot;
    audit_result_fn *on_result;
    store_any_fn *done;
    void *arg;
    TAILQ_ENTRY(audit_read) link;
};
/* Run a statement; on_result gets its rows, or e, at the latest when the snapshot is lost. */
void audit_snapshot_read(struct audit_snapshot *a, const struct pg_statement *st,
                         const struct pg_params *params, audit_result_fn *on_result, store_any_fn *done,
                         void *arg);

/* True of an order whose messages are not all reported delivered: a row of the outbox has the orders from its own id on. */
#define SQL_IN_OUTBOX(id)                                                                                    \
    "EXISTS (SELECT FROM (SELECT order_id + orders AS behind FROM outbox WHERE order_id <= " id              \
    " ORDER BY order_id DESC LIMIT 1) AS last WHERE last.behind > " id ")"

#endif
