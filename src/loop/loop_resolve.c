/* Host names to addresses without blocking: numeric text, /etc/hosts, then DNS by evdns with our own
 * deadline.
 *
 * evdns reads resolv.conf and the hosts file once; when either file changed since, a new evdns base is made
 * as soon as no request runs on the old one. A request is one struct that lives until evdns has answered (it
 * answers cancelled requests too) and the caller has been told or has let go. */
#include "loop/loop_internal.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netdb.h>
#include <stdio.h>
#include <sysexits.h>

enum {
    MAX_ADDRESSES = 16
};

struct loop_resolve {
    struct loop *loop;
    loop_resolved_fn *fn; /* NULL once the caller was told or has cancelled */
    void *arg;
    bool asking; /* evdns owes an answer */
    struct evdns_getaddrinfo_request *request;
    struct loop_timer *deadline;
    struct loop_task task; /* tell the caller */
    struct loop_address addresses[MAX_ADDRESSES];
    size_t n;
    char reason[128];
};

static void release(struct loop_resolve *r)
{
    if (r->asking || r->fn)
        return;
    loop_defer_cancel(r->loop, &r->task);
    loop_timer_free(r->deadline);
    loop_free_later(r->loop, r);
}

static void tell(void *arg)
{
    struct loop_resolve *r = arg;
    loop_resolved_fn *fn = r->fn;
    loop_timer_stop(r->deadline);
    r->fn = NULL;
    fn(r->arg, r->addresses, r->n, r->n ? NULL : r->reason);
    release(r);
}

static bool add_address(struct loop_resolve *r, int family, const void *binary)
{
    if (r->n == MAX_ADDRESSES)
        return false;
    struct loop_address *a = &r->addresses[r->n];
    a->family = family;
    if (!inet_ntop(family, binary, a->text, sizeof(a->text)))
        return false;
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->addresses[i].text, a->text) == 0)
            return false;
    r->n++;
    return true;
}

static void on_dns_answer(int result, struct evutil_addrinfo *answer, void *arg)
{
    struct loop_resolve *r = arg;
    r->asking = false;
    r->request = NULL;
    r->loop->dns.running--;
    for (struct evutil_addrinfo *a = answer; a; a = a->ai_next) {
        if (a->ai_family == AF_INET)
            add_address(r, AF_INET, &((struct sockaddr_in *)(void *)a->ai_addr)->sin_addr);
        else if (a->ai_family == AF_INET6)
            add_address(r, AF_INET6, &((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr);
    }
    if (answer)
        evutil_freeaddrinfo(answer);
    if (r->n == 0 && r->reason[0] == '\0')
        str_copy(r->reason, sizeof(r->reason),
                 result ? evutil_gai_strerror(result) : "the name has no address");
    if (r->fn)
        loop_defer(r->loop, &r->task);
    else
        release(r);
}

/* Stop evdns; its answer comes later, with an error. */
static void stop_asking(struct loop_resolve *r)
{
    struct evdns_getaddrinfo_request *request = r->request;
    r->request = NULL;
    if (request)
        evdns_getaddrinfo_cancel(request);
}

static void on_deadline(void *arg)
{
    struct loop_resolve *r = arg;
    if (r->task.pending)
        return; /* the answer came in the same turn */
    str_copy(r->reason, sizeof(r->reason), "no answer from the name servers in time");
    stop_asking(r);
    if (!r->task.pending)
        loop_defer(r->loop, &r->task);
}

/* Remember the file's time; true if it changed since the last call. */
static bool file_changed(struct loop_dns_file *f)
{
    struct stat st = {0};
    stat(f->path, &st);
    bool changed = st.st_mtim.tv_sec != f->modified.tv_sec || st.st_mtim.tv_nsec != f->modified.tv_nsec;
    f->modified = st.st_mtim;
    return changed;
}

/* The evdns base, made anew when its files changed and nobody waits on the old one. */
static struct evdns_base *dns_base(struct loop *l)
{
    struct loop_dns *d = &l->dns;
    if (d->base && d->running > 0)
        return d->base;
    bool changed = file_changed(&d->resolv_conf);
    changed |= file_changed(&d->hosts);
    if (d->base && !changed)
        return d->base;
    if (d->base)
        evdns_base_free(d->base, 0);
    d->base = evdns_base_new(l->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!d->base)
        base_die(EX_OSERR, "cannot start the resolver");
    /* Without a readable file these fall back to a name server on this machine and to "localhost". */
    int options = DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC;
    if (evdns_base_resolv_conf_parse(d->base, options, d->resolv_conf.path) != 0)
        log_debug(&log_loop, "no usable resolver configuration", LOG_S("file", d->resolv_conf.path));
    evdns_base_load_hosts(d->base, d->hosts.path);
    return d->base;
}

struct loop_resolve *loop_resolve_start(struct loop *l, const char *host, int64_t timeout_ms,
                                        loop_resolved_fn *fn, void *arg)
{
    struct loop_resolve *r = mem_zalloc(sizeof(*r));
    r->loop = l;
    r->fn = fn;
    r->arg = arg;
    r->task = (struct loop_task){.run = tell, .arg = r};
    r->deadline = loop_timer_new(l, on_deadline, r);
    unsigned char binary[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, binary) == 1) {
        add_address(r, AF_INET, binary);
        loop_defer(l, &r->task);
        return r;
    }
    if (inet_pton(AF_INET6, host, binary) == 1) {
        add_address(r, AF_INET6, binary);
        loop_defer(l, &r->task);
        return r;
    }
    loop_timer_start(r->deadline, timeout_ms);
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_ADDRCONFIG};
    struct evdns_base *dns = dns_base(l);
    l->dns.running++;
    r->asking = true;
    struct evdns_getaddrinfo_request *request = evdns_getaddrinfo(dns, host, NULL, &hints, on_dns_answer, r);
    if (r->asking) /* else it has answered already and the request is gone */
        r->request = request;
    return r;
}

void loop_resolve_cancel(struct loop_resolve *r)
{
    if (!r)
        return;
    r->fn = NULL;
    loop_timer_stop(r->deadline);
    loop_defer_cancel(r->loop, &r->task);
    if (r->asking)
        stop_asking(r); /* release() follows in on_dns_answer() */
    else
        release(r);
}

void loop_resolve_free_all(struct loop *l)
{
    if (!l->dns.base)
        return;
    evdns_base_free(l->dns.base, 1);
    l->dns.base = NULL;
    /* evdns fails what is left from deferred callbacks. */
    for (int turns = 0; l->dns.running > 0 && turns < 10; turns++)
        event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}
