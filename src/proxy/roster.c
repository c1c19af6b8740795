/*
 * roster.c - a cluster's nodes as one worker sees them.
 *
 * A node's status is an atomic that rarely moves: the worker reads them all when the
 * registry's news has moved, and otherwise looks at its own array.
 */
#include "roster.h"

#include <stdlib.h>

#include "base/clock.h"

struct roster *roster_new(struct snapshot *snapshot, size_t cluster,
                          const struct node_registry *registry)
{
    struct roster *roster = calloc(1, sizeof(*roster));
    if (!roster)
        return NULL;
    roster->refs = 1;
    roster->snapshot = snapshot_ref(snapshot);
    roster->cluster = &snapshot->clusters[cluster];
    roster->registry = registry;
    /* acquire: before the statuses that refresh() would read */
    roster->news = atomic_load_explicit(&registry->news, memory_order_acquire) - 1;
    roster->open = calloc(roster->cluster->n + 1, sizeof(*roster->open));
    roster->paused = calloc(roster->cluster->n + 1, sizeof(*roster->paused));
    roster->loads = calloc(roster->cluster->n + 1, sizeof(*roster->loads));
    if (roster->open && roster->paused && roster->loads)
        return roster;
    roster_unref(roster);
    return NULL;
}

struct roster *roster_ref(struct roster *roster)
{
    roster->refs++;
    return roster;
}

void roster_unref(struct roster *roster)
{
    if (!roster || --roster->refs > 0)
        return;
    tls_client_context_free(roster->tls);
    snapshot_unref(roster->snapshot);
    free(roster->open);
    free(roster->paused);
    free(roster->loads);
    free(roster);
}

static void refresh(struct roster *roster)
{
    /* acquire: pairs with the release in node_live_set_status() */
    uint32_t news = atomic_load_explicit(&roster->registry->news, memory_order_acquire);
    if (news == roster->news)
        return;
    roster->news = news;
    roster->has_paused = false;
    for (size_t i = 0; i < roster->cluster->n; i++) {
        const enum node_status status = node_live_status(roster->cluster->nodes[i].live);
        roster->open[i] = status == NODE_UP;
        roster->paused[i] = status == NODE_PAUSED;
        roster->has_paused |= roster->paused[i];
    }
}

/* ---- what bars a node from one session ---- */

struct asking {
    const struct roster *roster;
    bool warming;
    bool summed;             /* the two below are filled */
    uint64_t total, weights; /* over all open nodes */
};

static void sum_up(struct asking *a)
{
    const struct cluster *cluster = a->roster->cluster;
    for (size_t i = 0; i < cluster->n; i++) {
        if (!a->roster->open[i] || cluster->backup[i] || cluster->homes[i].weight == 0)
            continue;
        a->total += NODE_LIVE_READ(cluster->nodes[i].live->sessions);
        a->weights += cluster->homes[i].weight;
    }
    a->summed = true;
}

/* Beyond its share of the load by more than the cluster's bounded_load? */
static bool is_busy(struct asking *a, uint32_t index)
{
    const struct cluster *cluster = a->roster->cluster;
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
    const struct cluster *cluster = a->roster->cluster;
    const uint32_t slow_start_ms = cluster->conf->node_defaults.slow_start_ms;
    uint64_t since_us = slow_start_ms ? NODE_LIVE_READ(cluster->nodes[index].live->up_since_us) : 0;
    if (since_us == 0)
        return false;
    uint64_t now_us = clock_monotonic_us();
    uint64_t up_ms = now_us > since_us ? (now_us - since_us) / 1000u : 0;
    if (!key.p) /* a share of the sessions without a key, too */
        key = span_of(&a->roster->turn, sizeof(a->roster->turn));
    return !placement_is_warm_for(cluster->homes[index].seed, key, up_ms, slow_start_ms);
}

static enum placement_bar bar(void *arg, uint32_t index, struct span key)
{
    struct asking *a = arg;
    const struct node *n = &a->roster->cluster->nodes[index];
    if (n->max_connections > 0 && NODE_LIVE_READ(n->live->sessions) >= n->max_connections)
        return PLACEMENT_FULL;
    if (is_busy(a, index))
        return PLACEMENT_BUSY;
    if (!is_warming(a, index, key))
        return PLACEMENT_FREE;
    a->warming = true;
    return PLACEMENT_WARMING;
}

void roster_place(struct roster *roster, struct span key, struct placement *out, bool *warming)
{
    const struct cluster *cluster = roster->cluster;
    struct asking asking = {.roster = roster};
    refresh(roster);
    const struct placement_view view = {.nodes = cluster->homes,
                                        .open = roster->open,
                                        .backup = cluster->backup,
                                        .paused = roster->has_paused ? roster->paused : NULL,
                                        .n = cluster->n,
                                        .bar = bar,
                                        .arg = &asking};
    if (key.p) {
        placement_by_key(&view, key, out);
    } else {
        for (size_t i = 0; i < cluster->n; i++)
            roster->loads[i] = NODE_LIVE_READ(cluster->nodes[i].live->sessions);
        placement_by_load(&view, roster->loads, roster->turn++, out);
    }
    *warming = asking.warming;
}
