/*
 * snapshot.c - create, share and free a snapshot.
 */
#include "proxy/snapshot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Inputs of a snapshot, besides its configuration. */
struct origin {
    struct node_registry *registry;
    const struct members_source *members; /* null = no members yet */
    const struct snapshot *before;        /* null = none */
};

const struct cluster *snapshot_find_cluster(const struct snapshot *snapshot, const char *name)
{
    size_t i;
    return config_find_cluster(snapshot->config, name, &i) ? &snapshot->clusters[i] : NULL;
}

const struct node *cluster_find_node(const struct cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->n; i++)
        if (strcmp(cluster->nodes[i].conf->name, name) == 0)
            return &cluster->nodes[i];
    return NULL;
}

static bool node_init(struct node *n, const struct cluster_conf *cluster,
                      const struct node_conf *conf, struct node_registry *registry)
{
    const struct node_defaults_conf *defaults = &cluster->node_defaults;
    n->conf = conf;
    n->max_connections = conf->max_connections == NODE_AS_DEFAULT ? defaults->max_connections
                                                                  : conf->max_connections;
    n->max_connects_per_s = conf->max_connects_per_s == NODE_AS_DEFAULT
                                ? defaults->max_connects_per_s
                                : conf->max_connects_per_s;
    n->live = node_registry_get(registry, cluster->name, conf->name);
    return n->live && endpoint_parse(conf->address, false, &n->endpoint);
}

static bool sources_init(struct cluster *cluster, const struct cluster_conf *conf)
{
    if (conf->n_source_addresses == 0)
        return true;
    cluster->sources = calloc(conf->n_source_addresses, sizeof(*cluster->sources));
    if (!cluster->sources)
        return false;
    for (; cluster->n_sources < conf->n_source_addresses; cluster->n_sources++)
        if (!address_parse_host(conf->source_addresses[cluster->n_sources],
                                &cluster->sources[cluster->n_sources]))
            return false;
    return true;
}

/* Return the old cluster whose nodes the new one uses until DNS has answered; null = none. */
static const struct cluster *stand_in(const struct snapshot *before,
                                      const struct cluster_conf *conf)
{
    const struct cluster *same = before ? snapshot_find_cluster(before, conf->name) : NULL;
    for (size_t i = 0; !same && before && i < before->config->n_clusters; i++) {
        const struct discovery_conf *question = before->clusters[i].conf->discovery;
        if (question && members_same_query(question, conf->discovery))
            same = &before->clusters[i]; /* the cluster was renamed */
    }
    return same && same->n > 0 ? same : NULL;
}

static bool keep_nodes(const struct cluster *before, struct members *out)
{
    const struct node_conf **nodes = calloc(before->n, sizeof(*nodes));
    for (size_t i = 0; nodes && i < before->n; i++)
        nodes[i] = before->nodes[i].conf;
    bool kept = nodes && members_of_nodes(nodes, before->n, out);
    free(nodes);
    return kept;
}

/* Get the configured or the discovered nodes. */
static bool nodes_of(struct cluster *cluster, const struct origin *origin,
                     const struct node_conf **nodes, size_t *n)
{
    const struct cluster_conf *conf = cluster->conf;
    const struct members_source *members = origin->members;
    *nodes = conf->nodes;
    *n = conf->n_nodes;
    if (!conf->discovery)
        return true;
    const struct members *found = members ? members->of(members->arg, conf->name) : NULL;
    const struct cluster *before = found ? NULL : stand_in(origin->before, conf);
    if ((found && !members_copy(found, &cluster->found)) ||
        (before && !keep_nodes(before, &cluster->found)))
        return false;
    *nodes = cluster->found.nodes;
    *n = cluster->found.n;
    return true;
}

static bool is_among(const struct node_conf *nodes, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(nodes[i].name, name) == 0)
            return true;
    return false;
}

/* Collect the nodes that were removed from the cluster but still have sessions. */
static bool removed_init(struct cluster *cluster, const struct cluster *before,
                         const struct node_conf *nodes, size_t n)
{
    struct members left = {.nodes = before ? calloc(before->n_all + 1, sizeof(*nodes)) : NULL};
    if (!before)
        return true;
    if (!left.nodes)
        return false;
    for (size_t i = 0; i < before->n_all; i++) {
        const struct node *old = &before->nodes[i];
        if (NODE_LIVE_READ(old->live->sessions) > 0 && !is_among(nodes, n, old->conf->name))
            left.nodes[left.n++] = *old->conf;
    }
    bool copied = members_copy(&left, &cluster->removed);
    free(left.nodes);
    return copied;
}

/* Set the weights of all nodes, and those used by the hash. */
static void weigh(struct cluster *cluster, const struct members_source *source)
{
    for (size_t i = 0; i < cluster->n; i++) {
        const struct node_conf *conf = cluster->nodes[i].conf;
        const uint32_t weight =
            source && source->weigh
                ? source->weigh(source->weights, cluster->conf->name, conf->name, conf->weight)
                : conf->weight;
        cluster->nodes[i].weight = cluster->homes[i].weight = weight;
    }
    for (size_t i = cluster->n; i < cluster->n_all; i++) /* removed */
        cluster->nodes[i].weight = cluster->nodes[i].conf->weight;
}

static bool nodes_init(struct cluster *cluster, const struct node_conf *nodes, size_t n,
                       struct node_registry *registry)
{
    for (size_t i = 0; i < n; i++)
        if (!node_init(&cluster->nodes[cluster->n_all++], cluster->conf, &nodes[i], registry))
            return false;
    return true;
}

static bool cluster_init(struct cluster *cluster, const struct cluster_conf *conf,
                         const struct origin *origin)
{
    const struct cluster *before =
        origin->before ? snapshot_find_cluster(origin->before, conf->name) : NULL;
    const struct node_conf *nodes;
    size_t n;
    cluster->conf = conf;
    if (!sources_init(cluster, conf) || !nodes_of(cluster, origin, &nodes, &n) ||
        !removed_init(cluster, before, nodes, n))
        return false;
    cluster->nodes = calloc(n + cluster->removed.n + 1, /* + 1: calloc(0) may return null */
                            sizeof(*cluster->nodes));
    cluster->homes = calloc(n + 1, sizeof(*cluster->homes));
    cluster->backup = calloc(n + 1, sizeof(*cluster->backup));
    if (!cluster->nodes || !cluster->homes || !cluster->backup)
        return false;
    cluster->n = n;
    for (size_t i = 0; i < n; i++) {
        cluster->homes[i] =
            (struct rendezvous_node){.name = nodes[i].name, .seed = rendezvous_seed(nodes[i].name)};
        cluster->backup[i] = nodes[i].backup;
    }
    if (!nodes_init(cluster, nodes, n, origin->registry) ||
        !nodes_init(cluster, cluster->removed.nodes, cluster->removed.n, origin->registry))
        return false;
    weigh(cluster, origin->members);
    return true;
}

static void cluster_fini(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->n_all; i++)
        node_live_unref(cluster->nodes[i].live);
    free(cluster->nodes);
    free(cluster->homes);
    free(cluster->backup);
    free(cluster->sources);
    members_fini(&cluster->found);
    members_fini(&cluster->removed);
}

static struct listener_live *listener_live_of(const struct snapshot *before, const char *name)
{
    for (size_t i = 0; before && i < before->config->n_listeners; i++)
        if (strcmp(before->listeners[i]->name, name) == 0)
            return listener_live_ref(before->listeners[i]);
    return listener_live_new(name);
}

static bool listeners_init(struct snapshot *snapshot, const struct snapshot *before)
{
    const struct config *config = snapshot->config;
    snapshot->listeners = calloc(config->n_listeners, sizeof(struct listener_live *));
    if (!snapshot->listeners)
        return false;
    for (size_t i = 0; i < config->n_listeners; i++) {
        snapshot->listeners[i] = listener_live_of(before, config->listeners[i].name);
        if (!snapshot->listeners[i])
            return false;
    }
    return true;
}

static bool doors_init(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    size_t n = 0;
    for (size_t i = 0; i < config->n_listeners; i++)
        n += config->listeners[i].n_addresses;
    snapshot->bindings = calloc(n, sizeof(*snapshot->bindings));
    if (!snapshot->bindings)
        return false;
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_conf *conf = &config->listeners[i];
        for (size_t k = 0; k < conf->n_addresses; k++) {
            struct binding *binding = &snapshot->bindings[snapshot->n_bindings++];
            binding->conf = conf;
            binding->live = snapshot->listeners[i];
            if (!endpoint_parse(conf->addresses[k], true, &binding->endpoint))
                return false;
        }
    }
    return true;
}

/* base: the snapshot that owns `config` and is referenced; null = the new one takes `config`. */
static struct snapshot *make(struct config *config, struct snapshot *base,
                             const struct origin *origin)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot) {
        if (!base)
            config_free(config);
        return NULL;
    }
    atomic_init(&snapshot->refs, 1);
    snapshot->config = config;
    snapshot->base = base ? snapshot_ref(base) : NULL;
    snapshot->clusters = calloc(config->n_clusters, sizeof(*snapshot->clusters));
    bool ready =
        snapshot->clusters && listeners_init(snapshot, origin->before) && doors_init(snapshot);
    for (size_t i = 0; ready && i < config->n_clusters; i++)
        ready = cluster_init(&snapshot->clusters[i], &config->clusters[i], origin);
    if (ready)
        return snapshot;
    snapshot_unref(snapshot);
    return NULL;
}

struct snapshot *snapshot_new(struct config *config, struct node_registry *registry,
                              const struct members_source *members, const struct snapshot *before)
{
    const struct origin origin = {.registry = registry, .members = members, .before = before};
    return make(config, NULL, &origin);
}

struct snapshot *snapshot_renew(struct snapshot *old, struct node_registry *registry,
                                const struct members_source *members)
{
    const struct origin origin = {.registry = registry, .members = members, .before = old};
    return make(old->config, old->base ? old->base : old, &origin);
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

static void snapshot_free(struct snapshot *snapshot)
{
    for (size_t i = 0; snapshot->clusters && i < snapshot->config->n_clusters; i++)
        cluster_fini(&snapshot->clusters[i]);
    free(snapshot->clusters);
    free(snapshot->bindings);
    for (size_t i = 0; snapshot->listeners && i < snapshot->config->n_listeners; i++)
        listener_live_unref(snapshot->listeners[i]);
    free(snapshot->listeners);
    if (snapshot->base)
        snapshot_unref(snapshot->base);
    else
        config_free(snapshot->config);
    free(snapshot);
}

void snapshot_unref(struct snapshot *snapshot)
{
    /* acq_rel: all uses by other threads happen before the free */
    if (snapshot && atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) == 1)
        snapshot_free(snapshot);
}
