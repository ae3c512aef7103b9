/* Schema versions, demo data, and what the services are checked for at start. */
#ifndef RUSHD_STORE_SCHEMA_H
#define RUSHD_STORE_SCHEMA_H

#include "store/store.h"

/* The version of the newest migration that this program carries: files of etc/schema, named NNNN_name.sql. */
int schema_latest(void);
/* The oldest program, by its schema_latest(), that works on the schema of a migration: its line "-- serves:
 * N". 0 if the file does not say. Contract section 6: two neighbouring versions of rushd run on one schema.
 */
int schema_serves(int version);

enum schema_state {
    SCHEMA_CURRENT,    /* this version, or one newer that says it can serve this one */
    SCHEMA_MISSING,    /* no or older tables: run rushctl migrate */
    SCHEMA_NEWER,      /* of a later rushd */
    SCHEMA_OTHER_ZONE, /* another server.time-zone wrote this database */
};
/* version is that of the database, 0 without tables; text is a sentence for health and log. With an error
 * (the database is away) state and version mean nothing and text is the error's. */
void schema_check(struct store *s, const char *time_zone,
                  void (*done)(void *arg, enum schema_state state, int version, const char *text,
                               const struct error *e),
                  void *arg);
/* Apply what is missing, each file in its own transaction, under a lock that makes two nodes wait for each
 * other. each (may be NULL) is called before a file is applied. done tells how many this call applied;
 * PERMANENT with code OTHER_ZONE when another time zone wrote this database. A failure leaves the files
 * before it applied. */
void schema_migrate(struct store *s, const char *time_zone,
                    void (*each)(void *arg, int version, const char *name),
                    void (*done)(void *arg, int applied, const struct error *e), void *arg);
/* Demo data: users 1001-2000 with a balance of 1,000,000 and its DEPOSIT, products 1-20, coupons 1-10. Rows
 * that are there stay as they are. */
void schema_seed(struct store *s, store_done_fn *done, void *arg);

/* Settings of the services that endanger promises (contract section 4, end): appendonly, maxmemory-policy;
 * fsync, synchronous_commit, full_page_writes. warn is called for each; done last. */
void store_check_settings(struct store *s,
                          void (*warn)(void *arg, const char *component, const char *setting,
                                       const char *value, const char *why),
                          store_done_fn *done, void *arg);

#endif
