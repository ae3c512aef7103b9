/* The judge of a run: reads PostgreSQL, Redis, the topics and what the clients wrote down, and says of each promise G1-G10 of the
 * guarantees whether it held. Run it when the load has ended and the nodes have come to rest. The rules are in check_rules.c. */
#include "check.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHOWN 8 /* violations printed of one rule */

void check_die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("check: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(2);
}

static PGresult *query(PGconn *pg, const char *sql)
{
    PGresult *r = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_COPY_IN)
        check_die("%s%s", PQerrorMessage(pg), sql);
    return r;
}

void check_sql(PGconn *pg, const char *sql)
{
    PQclear(query(pg, sql));
}

/* --- COPY ------------------------------------------------------------------------------------------------------ */

void check_copy_begin(struct check_copy *c, PGconn *pg, const char *table_and_columns)
{
    char sql[256];
    snprintf(sql, sizeof sql, "COPY %s FROM STDIN", table_and_columns);
    check_sql(pg, sql);
    *c = (struct check_copy){pg, true};
}

static void put(struct check_copy *c, const char *data, size_t n)
{
    if (n && PQputCopyData(c->pg, data, (int)n) != 1)
        check_die("%s", PQerrorMessage(c->pg));
}

void check_copy_text(struct check_copy *c, const char *text, size_t n)
{
    if (!c->first)
        put(c, "\t", 1);
    c->first = false;
    if (!text) {
        put(c, "\\N", 2);
        return;
    }
    for (size_t i = 0, from = 0; i <= n; i++) {
        const char *escape = i == n ? "" : strchr("\\\n\r\t", text[i]);
        if (!escape || (i < n && !text[i]))
            continue;
        put(c, text + from, i - from);
        if (i < n)
            put(c, text[i] == '\n' ? "\\n" : text[i] == '\r' ? "\\r" : text[i] == '\t' ? "\\t" : "\\\\", 2);
        from = i + 1;
    }
}

void check_copy_string(struct check_copy *c, const char *text)
{
    check_copy_text(c, text, text ? strlen(text) : 0);
}

void check_copy_number(struct check_copy *c, long long number)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%lld", number);
    check_copy_text(c, text, (size_t)n);
}

void check_copy_row(struct check_copy *c)
{
    put(c, "\n", 1);
    c->first = true;
}

void check_copy_end(struct check_copy *c)
{
    if (PQputCopyEnd(c->pg, NULL) != 1)
        check_die("%s", PQerrorMessage(c->pg));
    for (PGresult *r; (r = PQgetResult(c->pg)); PQclear(r))
        if (PQresultStatus(r) != PGRES_COMMAND_OK)
            check_die("%s", PQerrorMessage(c->pg));
}

/* --- judging ----------------------------------------------------------------------------------------------------- */

/* The exceptions that G8 allows are a number of the run, which the rule finds in a table. */
static void note_options(PGconn *pg, const struct check_options *o)
{
    char sql[128];
    snprintf(sql, sizeof sql, "CREATE TEMP TABLE run AS SELECT %ld::bigint AS exceptions", o->exceptions);
    check_sql(pg, sql);
}

static bool judge(PGconn *pg, const struct check_rule *rule)
{
    time_t began = time(NULL);
    PGresult *r = query(pg, rule->sql);
    int n = PQntuples(r);
    long took = (long)(time(NULL) - began);
    printf("%-3s %s %s", rule->promise, n ? "BROKEN" : "holds ", rule->what);
    if (n)
        printf(": %d violation%s", n, n > 1 ? "s" : "");
    if (took > 1)
        printf(" (%ld s)", took);
    putchar('\n');
    for (int i = 0; i < n && i < SHOWN; i++)
        printf("        %s\n", PQgetvalue(r, i, 0));
    if (n > SHOWN)
        printf("        ... and %d more\n", n - SHOWN);
    PQclear(r);
    return n == 0;
}

static void print_rows(PGconn *pg, const char *sql, const char *before)
{
    PGresult *r = query(pg, sql);
    for (int i = 0; i < PQntuples(r); i++)
        printf("%s%s\n", before, PQgetvalue(r, i, 0));
    PQclear(r);
}

static int judge_all(PGconn *pg, const struct check_options *o)
{
    int broken = 0;
    note_options(pg, o);
    if (o->wait)
        check_wait(pg, o);
    check_read_files(pg, o);
    check_read_topics(pg, o);
    check_read_redis(pg, o);
    check_sql(pg, "ANALYZE"); /* the rules join everything with everything */
    for (size_t i = 0; check_facts[i]; i++)
        print_rows(pg, check_facts[i], "    ");
    for (const struct check_rule *rule = check_rules; rule->promise; rule++)
        if (!rule->platform || o->platform)
            broken += !judge(pg, rule);
    printf("%s: %d rule%s broken\n", broken ? "BROKEN" : "all promises hold", broken, broken == 1 ? "" : "s");
    return broken ? 1 : 0;
}

static int print_digest(PGconn *pg, const struct check_options *o)
{
    check_read_redis(pg, o);
    for (size_t i = 0; check_digests[i]; i++)
        print_rows(pg, check_digests[i], "");
    return 0;
}

/* --- start ------------------------------------------------------------------------------------------------------------ */

static void usage(void)
{
    fputs("usage: check --pg URL --redis SOCKET [--database N] --kafka SERVERS --prefix TEXT\n"
          "             [--record FILE] [--platform FILE] [--exceptions N|any] [--wait SECONDS] [--digest | "
          "--forget-offsets]\n"
          "Judges promises G1-G10 after a run. --digest prints what a replay must not change; "
          "--forget-offsets makes the\n"
          "consumer groups begin at offset 0. Exit status: 0 all hold, 1 a promise is broken, 2 something "
          "cannot be read,\n"
          "64 wrong usage.\n",
          stderr);
    exit(64);
}

static void read_arguments(int argc, char **argv, struct check_options *o)
{
    static const struct option options[] = {
        {"pg", 1, NULL, 'p'},       {"redis", 1, NULL, 'r'},          {"database", 1, NULL, 'd'},
        {"kafka", 1, NULL, 'k'},    {"prefix", 1, NULL, 'x'},         {"record", 1, NULL, 'c'},
        {"platform", 1, NULL, 'f'}, {"exceptions", 1, NULL, 'e'},     {"wait", 1, NULL, 'w'},
        {"digest", 0, NULL, 'D'},   {"forget-offsets", 0, NULL, 'O'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'p':
            o->pg = optarg;
            break;
        case 'r':
            o->redis_socket = optarg;
            break;
        case 'd':
            o->redis_database = atoi(optarg);
            break;
        case 'k':
            o->bootstrap = optarg;
            break;
        case 'x':
            o->prefix = optarg;
            break;
        case 'c':
            o->record = optarg;
            break;
        case 'f':
            o->platform = optarg;
            break;
        case 'e':
            o->exceptions = strcmp(optarg, "any") == 0 ? -1 : atol(optarg);
            break;
        case 'w':
            o->wait = atoi(optarg);
            break;
        case 'D':
            o->digest = true;
            break;
        case 'O':
            o->forget_offsets = true;
            break;
        default:
            usage();
        }
    }
    if (!o->pg || !o->redis_socket || !o->bootstrap || !o->prefix || optind != argc)
        usage();
}

int main(int argc, char **argv)
{
    struct check_options o = {0};
    read_arguments(argc, argv, &o);
    if (o.forget_offsets) {
        check_forget_offsets(&o);
        return 0;
    }
    PGconn *pg = PQconnectdb(o.pg);
    if (PQstatus(pg) != CONNECTION_OK)
        check_die("%s", PQerrorMessage(pg));
    check_sql(pg, "SET client_min_messages = warning");
    check_sql(pg, "SET TIME ZONE 'Asia/Seoul'");
    int status = o.digest ? print_digest(pg, &o) : judge_all(pg, &o);
    PQfinish(pg);
    return status;
}
