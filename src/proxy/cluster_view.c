/*
 * cluster_view.c - one worker's view of the nodes of a cluster.
 *
 * The status of a node rarely changes. A worker keeps a copy of each status, and refreshes all
 * copies when the registry's status version has changed.
 */
#include "cluster_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct cluster_view *cluster_view_new(struct snapshot *snapshot, size_t cluster,
                                      const struct node_registry *registry)
{
    struct cluster_view *cluster_view = calloc(1, sizeof(*cluster_view));
    if (!cluster_view)
        return NULL;
    cluster_view->refs = 1;
    cluster_view->snapshot = snapshot_ref(snapshot);
    cluster_view->cluster = &snapshot->clusters[cluster];
    cluster_view->registry = registry;
    /*
     * acquire: pairs with the release in node_live_set_status(); - 1: the first refresh() reads all
     */
    cluster_view->status_version =
        atomic_load_explicit(&registry->status_version, memory_order_acquire) - 1;
    cluster_view->open = calloc(cluster_view->cluster->n + 1, sizeof(*cluster_view->open));
    cluster_view->paused = calloc(cluster_view->cluster->n + 1, sizeof(*cluster_view->paused));
    cluster_view->loads = calloc(cluster_view->cluster->n + 1, sizeof(*cluster_view->loads));
    if (cluster_view->open && cluster_view->paused && cluster_view->loads)
        return cluster_view;
    cluster_view_unref(cluster_view);
    return NULL;
}

struct cluster_view *cluster_view_ref(struct cluster_view *cluster_view)
{
    cluster_view->refs++;
    return cluster_view;
}

struct cluster_view *cluster_view_find(struct cluster_view *const *views, size_t n,
                                       const char *cluster)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(views[i]->cluster->conf->name, cluster) == 0)
            return views[i];
    return NULL;
}

void cluster_view_unref(struct cluster_view *cluster_view)
{
    if (!cluster_view || --cluster_view->refs > 0)
        return;
    tls_client_context_free(cluster_view->tls);
    snapshot_unref(cluster_view->snapshot);
    free(cluster_view->open);
    free(cluster_view->paused);
    free(cluster_view->loads);
    free(cluster_view);
}

static void refresh(struct cluster_view *cluster_view)
{
    /* acquire: pairs with the release in node_live_set_status() */
    uint32_t status_version =
        atomic_load_explicit(&cluster_view->registry->status_version, memory_order_acquire);
    if (status_version == cluster_view->status_version)
        return;
    cluster_view->status_version = status_version;
    cluster_view->has_paused = false;
    for (size_t i = 0; i < cluster_view->cluster->n; i++) {
        const enum node_status status = node_live_status(cluster_view->cluster->nodes[i].live);
        cluster_view->open[i] = status == NODE_UP;
        cluster_view->paused[i] = status == NODE_PAUSED;
        cluster_view->has_paused |= cluster_view->paused[i];
    }
}

/* ---- availability of a node for a session ---- */

struct asking {
    const struct cluster_view *cluster_view;
    bool warming;
    bool summed;             /* `total` and `weights` are set */
    uint64_t total, weights; /* sums over the open nodes */
};

static void sum_up(struct asking *a)
{
    const struct cluster *cluster = a->cluster_view->cluster;
    for (size_t i = 0; i < cluster->n; i++) {
        if (!a->cluster_view->open[i] || cluster->backup[i] || cluster->homes[i].weight == 0)
            continue;
        a->total += NODE_LIVE_READ(cluster->nodes[i].live->sessions);
        a->weights += cluster->homes[i].weight;
    }
    a->summed = true;
}

/* Return true if the node has more sessions than its share times bounded_load. */
static bool is_busy(struct asking *a, uint32_t index)
{
    const struct cluster *cluster = a->cluster_view->cluster;
    const uint32_t permille = cluster->conf->bounded_load_permille;
    if (permille == 0 || cluster->backup[index])
        return false;
    if (!a->summed)
        sum_up(a);
    return a->weights > 0 &&
           NODE_LIVE_READ(cluster->nodes[index].live->sessions) >=
               placement_capacity(permille, a->total, cluster->homes[index].weight, a->weights);
}

static bool is_warming(const struct asking *a, uint32_t index, struct span key)
{
    const struct cluster *cluster = a->cluster_view->cluster;
    const uint32_t slow_start_ms = cluster->conf->node_defaults.slow_start_ms;
    uint64_t since_us = slow_start_ms ? NODE_LIVE_READ(cluster->nodes[index].live->up_since_us) : 0;
    if (since_us == 0)
        return false;
    uint64_t now_us = clock_monotonic_us();
    uint64_t up_ms = now_us > since_us ? (now_us - since_us) / 1000u : 0;
    if (!key.p) /* slow start also limits sessions without a key */
        key = span_of(&a->cluster_view->turn, sizeof(a->cluster_view->turn));
    return !placement_is_warm_for(cluster->homes[index].seed, key, up_ms, slow_start_ms);
}

static enum placement_availability availability(void *arg, uint32_t index, struct span key)
{
    struct asking *a = arg;
    const struct node *n = &a->cluster_view->cluster->nodes[index];
    if (n->max_connections > 0 && NODE_LIVE_READ(n->live->sessions) >= n->max_connections)
        return PLACEMENT_FULL;
    if (is_busy(a, index))
        return PLACEMENT_BUSY;
    if (!is_warming(a, index, key))
        return PLACEMENT_FREE;
    a->warming = true;
    return PLACEMENT_WARMING;
}

void cluster_view_place(struct cluster_view *cluster_view, struct span key, struct placement *out,
                        bool *warming)
{
    const struct cluster *cluster = cluster_view->cluster;
    struct asking asking = {.cluster_view = cluster_view};
    refresh(cluster_view);
    const struct placement_view view = {.nodes = cluster->homes,
                                        .open = cluster_view->open,
                                        .backup = cluster->backup,
                                        .paused =
                                            cluster_view->has_paused ? cluster_view->paused : NULL,
                                        .n = cluster->n,
                                        .availability = availability,
                                        .arg = &asking};
    if (key.p) {
        placement_by_key(&view, key, out);
    } else {
        for (size_t i = 0; i < cluster->n; i++)
            cluster_view->loads[i] = NODE_LIVE_READ(cluster->nodes[i].live->sessions);
        placement_by_load(&view, cluster_view->loads, cluster_view->turn++, out);
    }
    *warming = asking.warming;
}
