/*
 * snapshot.c - make and free a snapshot; order a cluster's nodes for a session.
 */
#include "proxy/snapshot.h"

#include <assert.h>
#include <stdlib.h>

static bool node_init(struct node *n, struct rendezvous_node *home, const struct node_conf *conf)
{
    n->conf = conf;
    *home = (struct rendezvous_node){
        .name = conf->name, .seed = rendezvous_seed(conf->name), .weight = conf->weight};
    n->live = calloc(1, sizeof(*n->live));
    return n->live && endpoint_parse(conf->address, false, &n->endpoint);
}

static bool cluster_init(struct cluster *cluster, const struct cluster_conf *conf)
{
    cluster->conf = conf;
    cluster->nodes = calloc(conf->n_nodes, sizeof(*cluster->nodes));
    cluster->homes = calloc(conf->n_nodes, sizeof(*cluster->homes));
    if (!cluster->nodes || !cluster->homes)
        return false;
    cluster->n = conf->n_nodes;
    for (size_t i = 0; i < cluster->n; i++)
        if (!node_init(&cluster->nodes[i], &cluster->homes[i], &conf->nodes[i]))
            return false;
    return true;
}

static bool doors_init(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    size_t n = 0;
    for (size_t i = 0; i < config->n_listeners; i++)
        n += config->listeners[i].n_addresses;
    snapshot->doors = calloc(n, sizeof(*snapshot->doors));
    if (!snapshot->doors)
        return false;
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_conf *conf = &config->listeners[i];
        for (size_t k = 0; k < conf->n_addresses; k++) {
            struct door *door = &snapshot->doors[snapshot->n_doors++];
            door->conf = conf;
            if (!endpoint_parse(conf->addresses[k], true, &door->endpoint))
                return false;
        }
    }
    return true;
}

struct snapshot *snapshot_new(struct config *config)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot) {
        config_free(config);
        return NULL;
    }
    snapshot->config = config;
    snapshot->clusters = calloc(config->n_clusters, sizeof(*snapshot->clusters));
    bool ready = snapshot->clusters && doors_init(snapshot);
    for (size_t i = 0; ready && i < config->n_clusters; i++)
        ready = cluster_init(&snapshot->clusters[i], &config->clusters[i]);
    if (!ready) {
        snapshot_free(snapshot);
        return NULL;
    }
    return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    for (size_t i = 0; snapshot->clusters && i < snapshot->config->n_clusters; i++) {
        struct cluster *cluster = &snapshot->clusters[i];
        for (size_t k = 0; k < cluster->n; k++)
            free(cluster->nodes[k].live);
        free(cluster->nodes);
        free(cluster->homes);
    }
    free(snapshot->clusters);
    free(snapshot->doors);
    config_free(snapshot->config);
    free(snapshot);
}

size_t cluster_candidates(const struct cluster *cluster, struct span key, uint32_t *out)
{
    assert(key.n > 0);
    return rendezvous_pick(cluster->homes, cluster->n, key, SNAPSHOT_CANDIDATES_MAX, out);
}

/* Does node a carry less for its weight than node b? */
static bool lighter(const struct node *a, const struct node *b)
{
    /* +1: the load this session would make, so that empty nodes are ordered by weight */
    uint64_t load_a = atomic_load_explicit(&a->live->sessions, memory_order_relaxed) + 1u;
    uint64_t load_b = atomic_load_explicit(&b->live->sessions, memory_order_relaxed) + 1u;
    return load_a * b->conf->weight < load_b * a->conf->weight;
}

size_t cluster_least_loaded(const struct cluster *cluster, uint32_t turn, uint32_t *out)
{
    size_t n = 0;
    for (size_t k = 0; k < cluster->n; k++) {
        uint32_t index = (uint32_t)((k + turn) % cluster->n);
        const struct node *candidate = &cluster->nodes[index];
        if (candidate->conf->weight == 0)
            continue;
        size_t at = n;
        while (at > 0 && lighter(candidate, &cluster->nodes[out[at - 1]]))
            at--;
        if (at >= SNAPSHOT_CANDIDATES_MAX)
            continue;
        n = size_min(n + 1, SNAPSHOT_CANDIDATES_MAX);
        for (size_t j = n - 1; j > at; j--)
            out[j] = out[j - 1];
        out[at] = index;
    }
    return n;
}
