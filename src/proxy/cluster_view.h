/*
 * cluster_view.h - one worker's view of the nodes of a cluster: which are open, and which to try
 * for a session. Used by one thread, so nothing in it is atomic.
 *
 * A view is created with each snapshot; sessions hold a reference from ROUTE until they are
 * relayed.
 */
#ifndef PROXY_CLUSTER_VIEW_H
#define PROXY_CLUSTER_VIEW_H

#include <stdbool.h>

#include "base/span.h"
#include "base/util.h"
#include "model/placement.h"
#include "net/tls/client.h"
#include "proxy/snapshot.h"

struct cluster_view {
    unsigned refs;
    struct snapshot *snapshot;      /* a reference */
    const struct cluster *cluster;  /* in that snapshot */
    struct tls_client_context *tls; /* a reference; null = no TLS */
    const struct node_registry *registry;
    bool *open;      /* per node: whether it is up, as of `status_version` */
    bool *paused;    /* per node: whether it is paused, as of `status_version` */
    bool has_paused; /* at least one node is paused */
    uint32_t *loads; /* scratch space for placement_by_load() */
    uint32_t status_version;
    uint32_t turn;        /* next tie-breaker for sessions without a key */
    uint32_t source_turn; /* next source address to use */
};

/*
 * The caller owns the first reference. May be called on any thread. Returns null if out of memory.
 */
MUST_USE struct cluster_view *cluster_view_new(struct snapshot *snapshot, size_t cluster,
                                               const struct node_registry *registry);
struct cluster_view *cluster_view_ref(struct cluster_view *cluster_view);
void cluster_view_unref(struct cluster_view *cluster_view); /* null is allowed */

/* Find the view of a cluster by name; null = the cluster is no longer configured. */
struct cluster_view *cluster_view_find(struct cluster_view *const *views, size_t n,
                                       const char *cluster);

/*
 * Choose the nodes to try for a session, in order.
 *
 *   key       absent if the session has none
 *   warming   set to whether a node was skipped because of slow start
 */
void cluster_view_place(struct cluster_view *cluster_view, struct span key, struct placement *out,
                        bool *warming);

#endif
