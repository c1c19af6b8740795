/*
 * snapshot.h - everything a worker needs to serve by, immutable once published.
 *
 * Made from a configuration on the main thread, then only read. The one thing in it that
 * moves is each node's live record, which is atomic.
 */
#ifndef PROXY_SNAPSHOT_H
#define PROXY_SNAPSHOT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "model/config.h"
#include "model/rendezvous.h"
#include "net/endpoint.h"

/* What all workers know of a node at this moment. */
struct node_live {
    _Atomic uint32_t sessions; /* placed on the node now; relaxed: a count, it orders nothing */
};

struct node {
    const struct node_conf *conf; /* borrowed from the snapshot's configuration */
    struct endpoint endpoint;
    struct node_live *live; /* owned by the snapshot */
};

struct cluster {
    const struct cluster_conf *conf; /* borrowed from the snapshot's configuration */
    struct node *nodes;
    struct rendezvous_node *homes; /* the same nodes in the same order, as the hash wants them */
    size_t n;
};

/* One address of a listener. */
struct door {
    const struct listener_conf *conf; /* borrowed from the snapshot's configuration */
    struct endpoint endpoint;         /* port 0 = whatever is free */
};

struct snapshot {
    struct config *config; /* owned */
    struct door *doors;    /* every address of every listener, in the configuration's order */
    size_t n_doors;
    struct cluster *clusters; /* as many as config->n_clusters */
};

#define SNAPSHOT_CANDIDATES_MAX 3u /* nodes tried for one session */

/* Takes the configuration (freed on failure too). Null when memory is short. */
MUST_USE struct snapshot *snapshot_new(struct config *config);
void snapshot_free(struct snapshot *snapshot);

/*
 * The nodes to try for a key, home first; for the empty key the least loaded ones (sessions
 * by weight), `turn` breaking ties so that equals take turns.
 *
 *   out   node indices, room for SNAPSHOT_CANDIDATES_MAX
 */
size_t cluster_candidates(const struct cluster *cluster, struct span key, uint32_t *out);
size_t cluster_least_loaded(const struct cluster *cluster, uint32_t turn, uint32_t *out);

#endif
