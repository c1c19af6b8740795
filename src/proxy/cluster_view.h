/*
 * cluster_view.h - a cluster's nodes as one worker sees them: which are open, and which to try for
 * a session. Used by one thread, so its counts are plain.
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
    const struct cluster *cluster;  /* of that snapshot */
    struct tls_client_context *tls; /* a reference; null = plain */
    const struct node_registry *registry;
    bool *open;      /* status of the nodes at `status_version` */
    bool *paused;    /* the same */
    bool has_paused; /* some node is */
    uint32_t *loads; /* room for placement_by_load() */
    uint32_t status_version;
    uint32_t turn;        /* next tie-break for sessions without a key */
    uint32_t source_turn; /* next of the cluster's source addresses */
};

/*
 * One reference, for the caller. May be created on another thread and handed over. Null: no memory.
 */
MUST_USE struct cluster_view *cluster_view_new(struct snapshot *snapshot, size_t cluster,
                                               const struct node_registry *registry);
struct cluster_view *cluster_view_ref(struct cluster_view *cluster_view);
void cluster_view_unref(struct cluster_view *cluster_view); /* null is allowed */

/* The view of a cluster among n; null = it is no longer configured. */
struct cluster_view *cluster_view_find(struct cluster_view *const *views, size_t n,
                                       const char *cluster);

/*
 * The nodes to try for a session, in order.
 *
 *   key       absent: the session has none
 *   warming   whether a node was skipped because of slow start
 */
void cluster_view_place(struct cluster_view *cluster_view, struct span key, struct placement *out,
                        bool *warming);

#endif
