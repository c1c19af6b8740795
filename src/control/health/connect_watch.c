/*
 * connect_watch.c - find clusters whose nodes do not answer CONNECT at all.
 *
 *    node_live: unanswered, answered --+
 *                                      +--> all that were tried? --> warning, event
 *    prober: an MQTT check got no byte +
 */
#include "connect_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "prober_plan.h"

#define NODES_TRIED   3u  /* enough for a larger cluster, because a session tries three nodes */
#define AFTER_ANSWERS 10u /* unanswered CONNECTs required if nodes have answered before */
#define WARNING_MAX   320u

struct entry {
    struct list link;
    bool logged;
    char warning[WARNING_MAX]; /* "" = none */
    char cluster[];
};

struct connect_watch {
    struct list entries;
};

struct connect_watch *connect_watch_new(void)
{
    struct connect_watch *watch = malloc(sizeof(*watch));
    if (watch)
        list_init(&watch->entries);
    return watch;
}

static void drop(struct entry *entry)
{
    list_remove(&entry->link);
    free(entry);
}

void connect_watch_free(struct connect_watch *watch)
{
    if (!watch)
        return;
    while (!list_empty(&watch->entries))
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is no longer in the list */
        drop(CONTAINER_OF(watch->entries.next, struct entry, link));
    free(watch);
}

static struct entry *find(const struct connect_watch *watch, const char *cluster)
{
    for (struct list *l = watch->entries.next; l != &watch->entries; l = l->next) {
        struct entry *entry = CONTAINER_OF(l, struct entry, link);
        if (strcmp(entry->cluster, cluster) == 0)
            return entry;
    }
    return NULL;
}

static struct entry *entry_of(struct connect_watch *watch, const char *cluster)
{
    const size_t n = strlen(cluster) + 1;
    struct entry *entry = find(watch, cluster);
    if (entry)
        return entry;
    entry = calloc(1, sizeof(*entry) + n);
    if (!entry)
        return NULL;
    memcpy(entry->cluster, cluster, n);
    list_append(&watch->entries, &entry->link);
    return entry;
}

/* Number of nodes of a cluster, by their answers. */
struct findings {
    size_t nodes;     /* nodes that should accept sessions */
    size_t silent;    /* nodes that did not answer their last CONNECTs */
    size_t answering; /* nodes that answered their last CONNECT */
    bool any_before;  /* at least one node has answered before */
    uint64_t connects;
};

static struct findings count_answers(const struct cluster *cluster, const struct prober *prober)
{
    struct findings f = {0};
    for (size_t i = 0; i < cluster->n; i++) {
        const struct node_live *live = cluster->nodes[i].live;
        struct prober_facts facts;
        if (cluster->nodes[i].weight == 0 || !prober_read(prober, live, &facts) ||
            facts.admin_state != NODE_STATE_UP)
            continue;
        const bool answered = NODE_LIVE_READ(live->answered);
        const uint32_t unanswered =
            NODE_LIVE_READ(live->unanswered) + (facts.unanswered && !answered);
        f.nodes++;
        f.silent += unanswered > 0;
        f.answering += unanswered == 0 && answered;
        f.any_before = f.any_before || answered;
        f.connects += unanswered;
    }
    return f;
}

static bool is_unanswered(const struct findings *f)
{
    return f->silent > 0 && f->answering == 0 && f->silent >= size_min(f->nodes, NODES_TRIED) &&
           (!f->any_before || f->connects >= AFTER_ANSWERS);
}

static const char *header_word(const struct cluster_conf *conf)
{
    return conf->proxy_protocol == PROXY_PROTOCOL_V1   ? "v1"
           : conf->proxy_protocol == PROXY_PROTOCOL_V2 ? "v2"
                                                       : "none";
}

static void warn(struct entry *entry, const struct cluster_conf *conf, const struct findings *f,
                 struct log *log)
{
    struct log_line line;
    (void)snprintf(entry->warning, sizeof(entry->warning),
                   "cluster \"%.64s\": no node answers a CONNECT; each closes the connection "
                   "or sends nothing: is \"proxy_protocol\" (here: %s%s) the same on both sides?",
                   conf->name, header_word(conf), conf->tls ? ", with TLS" : "");
    if (entry->logged)
        return;
    entry->logged = true;
    log_begin(&line, log, LOG_WARN, "cluster.unanswered");
    log_text(&line, "cluster", conf->name);
    log_u64(&line, "nodes", f->nodes);
    log_u64(&line, "unanswered", f->connects);
    log_text(&line, "proxy_protocol", header_word(conf));
    log_text(&line, "why",
             "every node closes the connection after the CONNECT or sends nothing: is "
             "\"proxy_protocol\" the same on both sides?");
    log_emit(&line);
}

void connect_watch_check(struct connect_watch *watch, const struct snapshot *snapshot,
                         const struct prober *prober, struct log *log)
{
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = &snapshot->clusters[i];
        const struct findings f = count_answers(cluster, prober);
        const bool unanswered = is_unanswered(&f);
        struct entry *entry =
            unanswered ? entry_of(watch, cluster->conf->name) : find(watch, cluster->conf->name);
        if (entry && unanswered)
            warn(entry, cluster->conf, &f, log);
        else if (entry)
            entry->warning[0] = '\0';
    }
}

const char *connect_watch_warning(const struct connect_watch *watch, const char *cluster)
{
    const struct entry *entry = find(watch, cluster);
    return entry && entry->warning[0] ? entry->warning : NULL;
}

static void begin_anew(struct connect_watch *watch, const struct cluster *cluster)
{
    struct entry *entry = find(watch, cluster->conf->name);
    if (entry)
        drop(entry);
    for (size_t i = 0; i < cluster->n; i++) {
        struct node_live *live = cluster->nodes[i].live;
        atomic_store_explicit(&live->unanswered, 0, memory_order_relaxed);
        atomic_store_explicit(&live->answered, false, memory_order_relaxed);
    }
}

void connect_watch_reload(struct connect_watch *watch, const struct snapshot *before,
                          const struct snapshot *after)
{
    for (struct list *l = watch->entries.next, *next; l != &watch->entries; l = next) {
        next = l->next;
        struct entry *entry = CONTAINER_OF(l, struct entry, link);
        if (!snapshot_find_cluster(after, entry->cluster))
            drop(entry);
    }
    for (size_t i = 0; i < after->config->n_clusters; i++) {
        const struct cluster *now = &after->clusters[i];
        const struct cluster *was = snapshot_find_cluster(before, now->conf->name);
        if (!was || !prober_same_way(was->conf, now->conf))
            begin_anew(watch, now);
    }
}
