/* From `datasource.url` to keyword/value pairs for libpq. Pure.
 *
 * libpq parses its own forms. JDBC's differ in three ways: the prefix, localhost as the default host, and
 * parameters of the driver that libpq refuses; those with a counterpart are translated, the others are left
 * out. */
#include "pg/pg_internal.h"

#include <stdio.h>
#include <stdlib.h>

static void put(struct pg_settings *s, const char *key, char *owned_value)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->keys[i], key) == 0) {
            mem_free(s->values[i]);
            s->values[i] = owned_value;
            return;
        }
    }
    ASSERT(s->n < PG_MAX_SETTINGS);
    s->keys[s->n] = mem_strdup(key);
    s->values[s->n] = owned_value;
    s->n++;
}

const char *pg_settings_get(const struct pg_settings *s, const char *key)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->keys[i], key) == 0)
            return s->values[i];
    return NULL;
}

void pg_settings_set(struct pg_settings *s, const char *key, const char *value)
{
    put(s, key, mem_strdup(value));
}

void pg_settings_default(struct pg_settings *s, const char *key, const char *value)
{
    if (!pg_settings_get(s, key))
        pg_settings_set(s, key, value);
}

void pg_settings_copy(struct pg_settings *to, const struct pg_settings *from)
{
    *to = (struct pg_settings){0};
    for (size_t i = 0; i < from->n; i++)
        pg_settings_set(to, from->keys[i], from->values[i]);
}

void pg_settings_free(struct pg_settings *s)
{
    for (size_t i = 0; i < s->n; i++) {
        mem_free(s->keys[i]);
        mem_free(s->values[i]);
    }
    *s = (struct pg_settings){0};
}

void pg_settings_guc(struct pg_settings *s, const char *name, const char *value)
{
    struct buf b = BUF_INIT;
    const char *before = pg_settings_get(s, "options");
    if (before && *before)
        buf_printf(&b, "%s ", before);
    buf_printf(&b, "-c %s=", name);
    for (; *value; value++) {
        if (strchr(" \t\\", *value))
            buf_putc(&b, '\\');
        buf_putc(&b, *value);
    }
    put(s, "options", buf_steal(&b));
}

/* Values stay percent-encoded; only '=' is free in them in Java and not in libpq. */
static void put_parameter(struct buf *out, const char *key, const char *prefix, struct slice value)
{
    bool first = !memchr(out->data, '?', out->len);
    buf_printf(out, "%c%s=%s", first ? '?' : '&', key, prefix);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '=')
            buf_puts(out, "%3D");
        else
            buf_putc(out, value.p[i]);
    }
}

/* One "name=value" behind the '?' of a JDBC url, as far as libpq knows it. */
static void put_jdbc_parameter(struct buf *out, struct slice name, struct slice value)
{
    static const char *const same[] = {"user",   "password",    "sslmode",         "sslcert",
                                       "sslkey", "sslrootcert", "connect_timeout", "options"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        if (slice_eq(name, same[i])) {
            put_parameter(out, same[i], "", value);
            return;
        }
    }
    if (slice_eq(name, "ApplicationName"))
        put_parameter(out, "application_name", "", value);
    else if (slice_eq(name, "currentSchema"))
        put_parameter(out, "options", "-c%20search_path%3D", value);
    else if (slice_eq(name, "ssl") && slice_eq(value, "true"))
        put_parameter(out, "sslmode", "", SLICE("verify-full"));
    else
        log_info(&log_pg, "parameter of the JDBC url has no meaning here", LOG_B("parameter", name));
}

/* "jdbc:postgresql:" has been cut off: "//host:port/db?..", "//host/", "db?..", "/". */
static void jdbc_to_libpq(struct buf *out, const char *rest)
{
    size_t path = strcspn(rest, "?");
    if (str_starts_with(rest, "///"))
        buf_printf(out, "postgresql://localhost%.*s", (int)(path - 2), rest + 2);
    else if (str_starts_with(rest, "//"))
        buf_printf(out, "postgresql:%.*s", (int)path, rest);
    else if (rest[0] == '/')
        buf_printf(out, "postgresql://localhost%.*s", (int)path, rest);
    else
        buf_printf(out, "postgresql://localhost/%.*s", (int)path, rest);
    for (const char *p = rest + path; *p;) {
        p++; /* '?' or '&' */
        size_t n = strcspn(p, "&");
        size_t name = strcspn(p, "=&");
        if (name < n)
            put_jdbc_parameter(out, (struct slice){p, name}, (struct slice){p + name + 1, n - name - 1});
        p += n;
    }
}

/* libpq would read the service file at each connect, and wait for the disk. */
static bool no_service(struct pg_settings *s, struct error *e)
{
    const char *variable = getenv("PGSERVICE");
    if (!pg_settings_get(s, "service") && !(variable && *variable))
        return true;
    error_set(
        e, ERROR_PERMANENT, "URL",
        "a service file cannot be used: write what it says into the url (parameter service, or PGSERVICE)");
    pg_settings_free(s);
    return false;
}

bool pg_settings_parse(struct pg_settings *s, const char *url, struct error *e)
{
    static const char jdbc[] = "jdbc:postgresql:";
    struct buf text = BUF_INIT;
    if (str_starts_with(url, jdbc))
        jdbc_to_libpq(&text, url + strlen(jdbc));
    else
        buf_puts(&text, url);
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(buf_str(&text), &why);
    buf_free(&text);
    if (!options) {
        /* libpq repeats parts of the text, which may hold a password. */
        error_set(e, ERROR_PERMANENT, "URL", "not a PostgreSQL url or key=value text");
        PQfreemem(why);
        return false;
    }
    *s = (struct pg_settings){0};
    for (PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && *o->val)
            pg_settings_set(s, o->keyword, o->val);
    PQconninfoFree(options);
    return no_service(s, e);
}

/* The next element of a comma list; *p moves behind it and becomes NULL after the last. */
static void next_element(const char **p, char *out, size_t size)
{
    size_t n = strcspn(*p, ",");
    snprintf(out, size, "%.*s", (int)n, *p);
    *p = (*p)[n] ? *p + n + 1 : NULL;
}

static const char *setting_or_environment(const struct pg_settings *s, const char *key, const char *variable)
{
    const char *value = pg_settings_get(s, key);
    if (!value)
        value = getenv(variable);
    return value ? value : "";
}

bool pg_host_is_name(const struct pg_host *h)
{
    return h->name[0] && h->name[0] != '/' && h->name[0] != '@';
}

size_t pg_settings_hosts(const struct pg_settings *s, struct pg_host hosts[PG_MAX_HOSTS])
{
    const char *names = setting_or_environment(s, "host", "PGHOST");
    const char *ports = setting_or_environment(s, "port", "PGPORT");
    if (*setting_or_environment(s, "hostaddr", "PGHOSTADDR"))
        return 0;
    bool one_port = !strchr(ports, ',');
    bool any = false;
    size_t n = 0;
    for (const char *name = names, *port = ports; name && n < PG_MAX_HOSTS; n++) {
        struct pg_host *h = &hosts[n];
        next_element(&name, h->name, sizeof(h->name));
        if (one_port)
            snprintf(h->port, sizeof(h->port), "%.15s", ports);
        else if (port)
            next_element(&port, h->port, sizeof(h->port));
        else
            h->port[0] = '\0';
        any |= pg_host_is_name(h);
    }
    return any ? n : 0;
}

bool pg_url_check(const char *url, struct error *e)
{
    struct pg_settings s;
    if (!pg_settings_parse(&s, url, e))
        return false;
    pg_settings_free(&s);
    return true;
}
