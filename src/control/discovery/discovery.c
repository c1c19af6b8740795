/*
 * discovery.c - watch each discovered cluster: query, compare, report, query again.
 *
 *    waiting --next--> querying --answer with members--> taken, changed() --> waiting (TTL)
 *                             \--failed or empty--> keep the last members --> waiting (1, 2, 4 s)
 *
 * If an answer lacks some addresses, the missing ones are taken from the last good answer, and
 * queried again as after a failure. After a reload, the previous nodes, from the file or from the
 * previous query, stay until the first answer.
 */
#include "discovery.h"

#include <stdlib.h>
#include <string.h>

#include "resolver.h"

#define QUERY_MIN_MS 1000u

struct watch {
    struct discovery *discovery;
    char *cluster;              /* owned */
    struct discovery_conf conf; /* owns its strings */

    struct members members;  /* last good members, possibly of an earlier query or the file */
    bool has_members;        /* members.n > 0 */
    struct dns_answer *last; /* owned; the last good answer to this query; null = none yet */

    struct resolver_query *query; /* null = waiting */
    struct ev_timer next;
    bool answered; /* the first query has succeeded or failed */
    bool failing;
    uint32_t retry_ms; /* time to wait after the next failure */
};

struct discovery {
    struct ev_loop *loop; /* borrowed */
    struct log *log;      /* borrowed */
    void (*changed)(void *arg);
    void *arg;
    struct watch **watches; /* owned */
    size_t n;
};

/* ---- log ------------------------------------------------------------------------------- */

static void log_failed(const struct watch *w, const char *error)
{
    struct log_line line;
    log_begin(&line, w->discovery->log, LOG_WARN, "discovery.failed");
    log_text(&line, "cluster", w->cluster);
    log_text(&line, "name", w->conf.name);
    log_text(&line, "error", error);
    log_u64(&line, "nodes", w->members.n); /* nodes that stay in use */
    log_emit(&line);
}

static void log_recovered(const struct watch *w)
{
    struct log_line line;
    log_begin(&line, w->discovery->log, LOG_NOTICE, "discovery.recovered");
    log_text(&line, "cluster", w->cluster);
    log_text(&line, "name", w->conf.name);
    log_emit(&line);
}

static void log_changed(const struct watch *w, const struct members_change *change,
                        uint32_t next_ms)
{
    struct log_line line;
    log_begin(&line, w->discovery->log, LOG_NOTICE, "discovery.changed");
    log_text(&line, "cluster", w->cluster);
    log_u64(&line, "nodes", w->members.n);
    log_u64(&line, "added", change->added);
    log_u64(&line, "removed", change->removed);
    log_u64(&line, "altered", change->altered);
    log_u64(&line, "next_ms", next_ms);
    log_emit(&line);
    if (w->members.left_out == 0)
        return;
    log_begin(&line, w->discovery->log, LOG_WARN, "discovery.too_many");
    log_text(&line, "cluster", w->cluster);
    log_u64(&line, "max", MEMBERS_MAX);
    log_u64(&line, "left_out", w->members.left_out);
    log_emit(&line);
}

static void log_without_address(const struct watch *w, const struct dns_answer *answer)
{
    struct log_line line;
    for (size_t i = 0; i < answer->n_services; i++) {
        const struct dns_service *service = &answer->services[i];
        if (!service->target || dns_service_has_address(answer, service))
            continue;
        log_begin(&line, w->discovery->log, LOG_DEBUG, "discovery.no_address");
        log_text(&line, "cluster", w->cluster);
        log_text(&line, "target", service->target);
        log_emit(&line);
    }
}

/* ---- timing ---------------------------------------------------------------------------- */

static void wait_for(struct watch *w, uint32_t ms)
{
    ev_timer_stop(w->discovery->loop, &w->next);
    ev_timer_set(&w->next, ms / 1000., 0.);
    ev_timer_start(w->discovery->loop, &w->next);
}

static uint32_t clamp_ms(const struct watch *w, uint64_t ms)
{
    return ms < QUERY_MIN_MS         ? QUERY_MIN_MS
           : ms > w->conf.refresh_ms ? w->conf.refresh_ms
                                     : (uint32_t)ms;
}

/* Log a failure, once per outage. */
static void note_failure(struct watch *w, const char *error)
{
    if (!w->failing)
        log_failed(w, error);
    w->failing = true;
}

static void note_success(struct watch *w)
{
    if (w->failing)
        log_recovered(w);
    w->failing = false;
    w->retry_ms = QUERY_MIN_MS;
}

static uint32_t take_retry_ms(struct watch *w)
{
    uint32_t ms = clamp_ms(w, w->retry_ms);
    w->retry_ms = clamp_ms(w, 2 * (uint64_t)ms);
    return ms;
}

/* ---- one query ------------------------------------------------------------------------- */

/* Use these members, and report them if they differ from the last ones. */
static void take_members(struct watch *w, struct members *members, uint32_t next_ms)
{
    struct members_change change = members_compare(&w->members, members);
    members_fini(&w->members);
    w->members = *members;
    w->has_members = true;
    if (change.added + change.removed + change.altered == 0)
        return;
    log_changed(w, &change, next_ms);
    w->discovery->changed(w->discovery->arg); /* may free the watch */
}

/* Returns false if there are no usable members; the old ones then stay in use. */
static bool make_members(const struct watch *w, struct dns_answer *answer, struct members *out)
{
    if (w->last && !dns_answer_keep(answer, w->last)) {
        dns_answer_note(answer, true, w->conf.name, "out of memory");
        return false;
    }
    log_without_address(w, answer);
    if (!dns_answer_members(answer, &w->conf, out)) {
        dns_answer_note(answer, true, w->conf.name, "out of memory");
        return false;
    }
    if (out->n > 0)
        return true;
    members_fini(out);
    return false;
}

static void on_answer(void *arg, struct dns_answer *answer)
{
    struct watch *w = arg;
    struct members members;
    w->query = NULL;
    w->answered = true;
    bool made = make_members(w, answer, &members);
    if (!made || answer->failed)
        note_failure(w, answer->error[0] ? answer->error : "no usable record");
    else
        note_success(w);
    if (!made) {
        dns_answer_free(answer);
        wait_for(w, take_retry_ms(w));
        return;
    }
    uint32_t next_ms = clamp_ms(w, UINT64_C(1000) * answer->ttl_s);
    if (answer->failed) {
        uint32_t retry_ms = take_retry_ms(w);
        next_ms = retry_ms < next_ms ? retry_ms : next_ms;
    }
    dns_answer_free(w->last);
    w->last = answer;
    wait_for(w, next_ms);
    take_members(w, &members, next_ms);
}

static void query(struct watch *w)
{
    w->query = resolver_query_start(w->discovery->loop, &w->conf, on_answer, w);
    if (w->query)
        return;
    w->answered = true;
    note_failure(w, "cannot start a query: out of memory or file descriptors");
    wait_for(w, take_retry_ms(w));
}

static void on_next(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    query(timer->data);
}

/* ---- watches --------------------------------------------------------------------------- */

static void watch_free(struct watch *w)
{
    if (!w)
        return;
    resolver_query_cancel(w->query);
    ev_timer_stop(w->discovery->loop, &w->next);
    dns_answer_free(w->last);
    members_fini(&w->members);
    free(w->conf.name);
    free(w->conf.resolver);
    free(w->cluster);
    free(w);
}

/* nodes: the members until the first answer; null = none */
static struct watch *watch_new(struct discovery *discovery, const struct cluster_conf *cluster,
                               const struct members *nodes)
{
    const struct discovery_conf *conf = cluster->discovery;
    struct watch *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    *w = (struct watch){.discovery = discovery,
                        .cluster = strdup(cluster->name),
                        .conf = *conf,
                        .retry_ms = QUERY_MIN_MS};
    ev_timer_init(&w->next, on_next, 0., 0.);
    w->next.data = w;
    w->conf.name = strdup(conf->name);
    w->conf.resolver = conf->resolver ? strdup(conf->resolver) : NULL;
    bool copied = w->cluster && w->conf.name && (!conf->resolver || w->conf.resolver);
    if (copied && nodes) {
        copied = members_copy(nodes, &w->members);
        w->has_members = copied;
    }
    if (copied)
        return w;
    watch_free(w);
    return NULL;
}

static struct watch *find_watch(const struct discovery *discovery, const char *cluster)
{
    for (size_t i = 0; i < discovery->n; i++)
        if (strcmp(discovery->watches[i]->cluster, cluster) == 0)
            return discovery->watches[i];
    return NULL;
}

/* ---- a new configuration --------------------------------------------------------------- */

/* Collect existing and new watches for the configuration. Returns null if out of memory. */
static struct watch **gather(struct discovery *discovery, const struct config *config,
                             const struct members_source *kept, size_t *n)
{
    struct watch **watches = calloc(config->n_clusters + 1, sizeof(struct watch *));
    *n = 0;
    for (size_t i = 0; watches && i < config->n_clusters; i++) {
        const struct cluster_conf *cluster = &config->clusters[i];
        if (!cluster->discovery)
            continue;
        struct watch *w = find_watch(discovery, cluster->name);
        if (!w || !members_same_query(&w->conf, cluster->discovery))
            w = watch_new(discovery, cluster, kept ? kept->of(kept->arg, cluster->name) : NULL);
        if (w) {
            watches[(*n)++] = w;
            continue;
        }
        while (*n > 0) {
            w = watches[--*n];
            if (find_watch(discovery, w->cluster) != w)
                watch_free(w);
        }
        free(watches);
        return NULL;
    }
    return watches;
}

/* A shorter refresh_ms takes effect immediately. */
static void adopt_refresh(struct watch *w, uint32_t refresh_ms)
{
    w->conf.refresh_ms = refresh_ms;
    w->retry_ms = clamp_ms(w, w->retry_ms);
    if (ev_is_active(&w->next) &&
        ev_timer_remaining(w->discovery->loop, &w->next) > refresh_ms / 1000.)
        wait_for(w, refresh_ms);
}

static bool is_among(struct watch *const *watches, size_t n, const struct watch *w)
{
    for (size_t i = 0; i < n; i++)
        if (watches[i] == w)
            return true;
    return false;
}

bool discovery_take(struct discovery *discovery, const struct config *config,
                    const struct members_source *kept)
{
    size_t n;
    struct watch **watches = gather(discovery, config, kept, &n);
    if (!watches)
        return false;
    for (size_t i = 0; i < discovery->n; i++)
        if (!is_among(watches, n, discovery->watches[i]))
            watch_free(discovery->watches[i]);
    free(discovery->watches);
    discovery->watches = watches;
    discovery->n = n;
    for (size_t i = 0; i < config->n_clusters; i++)
        if (config->clusters[i].discovery)
            adopt_refresh(find_watch(discovery, config->clusters[i].name),
                          config->clusters[i].discovery->refresh_ms);
    for (size_t i = 0; i < n; i++)
        if (!watches[i]->query && !ev_is_active(&watches[i]->next))
            query(watches[i]); /* new */
    return true;
}

/* ---- create and free ------------------------------------------------------------------- */

struct discovery *discovery_new(struct ev_loop *loop, struct log *log, void (*changed)(void *arg),
                                void *arg)
{
    struct discovery *discovery = calloc(1, sizeof(*discovery));
    if (discovery)
        *discovery = (struct discovery){.loop = loop, .log = log, .changed = changed, .arg = arg};
    return discovery;
}

void discovery_free(struct discovery *discovery)
{
    if (!discovery)
        return;
    for (size_t i = 0; i < discovery->n; i++)
        watch_free(discovery->watches[i]);
    free(discovery->watches);
    free(discovery);
}

const struct members *discovery_members(const struct discovery *discovery, const char *cluster)
{
    const struct watch *w = find_watch(discovery, cluster);
    return w && w->has_members ? &w->members : NULL;
}

bool discovery_is_settled(const struct discovery *discovery)
{
    for (size_t i = 0; i < discovery->n; i++)
        if (!discovery->watches[i]->answered)
            return false;
    return true;
}
