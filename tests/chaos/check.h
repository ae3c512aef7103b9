/* What the parts of the checker share. It links nothing of rushd: what is stored is read with the libraries of the services alone. */
#ifndef RUSHD_CHAOS_CHECK_H
#define RUSHD_CHAOS_CHECK_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

struct check_options {
    const char *pg, *redis_socket, *bootstrap, *prefix; /* of topics and groups */
    int redis_database;
    const char *record, *platform; /* files; NULL: not part of this run */
    long exceptions;               /* of G8 that are accepted; -1: any number */
    int wait;                      /* seconds that the nodes have to come to rest before they are judged */
    bool digest;                   /* print what is stored instead of judging it */
    bool forget_offsets;           /* delete the groups' offsets instead of judging */
};

/* Everything read becomes a temporary table of this connection; ends the process when PostgreSQL refuses. */
void check_sql(PGconn *pg, const char *sql);

/* COPY rows of text columns into a temporary table. */
struct check_copy {
    PGconn *pg;
    bool first; /* column of the row */
};
void check_copy_begin(struct check_copy *c, PGconn *pg, const char *table_and_columns);
void check_copy_text(struct check_copy *c, const char *text, size_t n); /* NULL: null */
void check_copy_string(struct check_copy *c, const char *text);
void check_copy_number(struct check_copy *c, long long number);
void check_copy_row(struct check_copy *c);
void check_copy_end(struct check_copy *c);

/* End the process: what is needed for a judgement cannot be read. */
void check_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Fill the tables: rec and platform (files), topic (Kafka), red (Redis). */
void check_read_files(PGconn *pg, const struct check_options *o);
void check_read_topics(PGconn *pg, const struct check_options *o);
void check_read_redis(PGconn *pg, const struct check_options *o);
/* Wait until nothing is on its way: outbox, lines, undecided requests, messages behind a group's offset. Says what is left when
 * the time is up. */
void check_wait(PGconn *pg, const struct check_options *o);
/* Delete the offsets of the groups, which must be empty: the next consumers begin at 0. */
void check_forget_offsets(const struct check_options *o);

/* One promise, or a part of it: the query returns a sentence for each violation. */
struct check_rule {
    const char *promise, *what, *sql;
    bool platform; /* only when the run has a data platform */
};
extern const struct check_rule check_rules[];
/* Numbers worth knowing; each query returns one row of text. */
extern const char *const check_facts[];
/* Everything that a replay of the topics must leave as it is, as rows of text. */
extern const char *const check_digests[];

#endif
