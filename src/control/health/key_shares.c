/*
 * key_shares.c - compute the share of the key space of each node, using the current statuses.
 */
#include "key_shares.h"

#include <stdlib.h>

#include "model/placement.h"

struct key_shares {
    struct snapshot *snapshot; /* a reference; the shares are of this snapshot; null = none */
    uint32_t news;             /* the registry's status_version for these shares */
    uint32_t *permille;        /* owned */
};

struct key_shares *key_shares_new(void)
{
    return calloc(1, sizeof(struct key_shares));
}

static void clear(struct key_shares *shares)
{
    snapshot_unref(shares->snapshot);
    free(shares->permille);
    *shares = (struct key_shares){0};
}

void key_shares_free(struct key_shares *shares)
{
    if (!shares)
        return;
    clear(shares);
    free(shares);
}

/*
 * Find the nodes that accept new sessions: those that are up or, if none of these has a weight,
 * paused nodes.
 */
static void note_open(const struct cluster *cluster, bool *open)
{
    bool any = false;
    for (size_t i = 0; i < cluster->n; i++) {
        open[i] = node_live_status(cluster->nodes[i].live) == NODE_UP;
        any |= open[i] && cluster->homes[i].weight > 0;
    }
    for (size_t i = 0; !any && i < cluster->n; i++)
        open[i] = node_live_status(cluster->nodes[i].live) == NODE_PAUSED;
}

static bool share_out(const struct cluster *cluster, uint32_t *permille)
{
    const struct placement_homes homes = {cluster->homes, cluster->backup, cluster->n};
    bool *open = calloc(cluster->n + 1, sizeof(*open));
    if (open) {
        note_open(cluster, open);
        placement_shares(&homes, open, permille);
    }
    free(open);
    return open;
}

static bool fill(struct key_shares *shares, struct snapshot *snapshot)
{
    size_t n = 0;
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        n += snapshot->clusters[i].n;
    uint32_t *permille = shares->permille = calloc(n + 1, sizeof(*permille));
    for (size_t i = 0; permille && i < snapshot->config->n_clusters; i++) {
        if (!share_out(&snapshot->clusters[i], permille))
            return false;
        permille += snapshot->clusters[i].n;
    }
    return permille;
}

const uint32_t *key_shares_get(struct key_shares *shares, struct snapshot *snapshot,
                               const struct node_registry *registry)
{
    /* relaxed: only this thread writes it */
    const uint32_t news = atomic_load_explicit(&registry->status_version, memory_order_relaxed);
    if (shares->snapshot == snapshot && shares->news == news)
        return shares->permille;
    clear(shares);
    if (!fill(shares, snapshot)) {
        clear(shares);
        return NULL;
    }
    shares->snapshot = snapshot_ref(snapshot);
    shares->news = news;
    return shares->permille;
}
