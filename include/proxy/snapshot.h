/*
 * snapshot.h - everything a worker needs to serve by, immutable once published.
 *
 * Made from a configuration, and the members of discovered clusters, on the main thread; then
 * only read. What moves is each node's live record, which outlives it.
 */
#ifndef PROXY_SNAPSHOT_H
#define PROXY_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "listener_live.h"
#include "model/config/config.h"
#include "model/members.h"
#include "model/rendezvous.h"
#include "net/endpoint.h"
#include "node_live.h"

struct node {
    const struct node_conf *conf; /* borrowed from the snapshot */
    struct endpoint endpoint;
    struct node_live *live; /* a reference */
    /* conf's, or node_defaults' where conf says nothing */
    uint32_t max_connections, max_connects_per_s;
    uint32_t weight; /* conf's, or what an operator has set since */
};

struct cluster {
    const struct cluster_conf *conf; /* borrowed from the snapshot's configuration */
    struct members found;            /* when it is discovered: its nodes' conf points into it */
    struct members removed;          /* not any more in it, but sessions are: the same */
    struct node *nodes;              /* n, and behind them those departed: n_all */
    struct rendezvous_node *homes;   /* n, in the same order, as the hash wants them */
    bool *backup;                    /* the same */
    size_t n;                        /* 0 while nothing has been discovered yet */
    size_t n_all;
    struct address *sources; /* source_addresses, port 0 */
    size_t n_sources;
};

/* One address that a listener is bound to. */
struct binding {
    const struct listener_conf *conf; /* borrowed from the snapshot's configuration */
    struct listener_live *live;       /* borrowed from the snapshot */
    struct endpoint endpoint;         /* port 0 = whatever is free */
};

struct snapshot {
    _Atomic uint32_t refs; /* release when one goes, acquire by the last */
    struct snapshot *base; /* a reference; whose configuration this is; null = our own */
    struct config *config;
    struct listener_live **listeners; /* of config->listeners, a reference to each */
    struct binding *bindings; /* every address of every listener, in the configuration's order */
    size_t n_bindings;
    struct cluster *clusters; /* as many as config->n_clusters */
};

/*
 * Source of the members of discovered clusters; null = none known yet. The cluster then keeps the
 * nodes that it, or another one with the same DNS query, had in the previous snapshot.
 */
struct members_source {
    const struct members *(*of)(const void *arg, const char *cluster);
    const void *arg;
    /* What a node of this weight in the file weighs; null = that. */
    uint32_t (*weigh)(const void *weights, const char *cluster, const char *node, uint32_t weight);
    const void *weights;
};

/*
 * Take a configuration (freed on failure too). Null when memory is short. The first reference is
 * the caller's.
 *
 *   before   the snapshot it takes the place of; null = none. Its nodes that are not in the new
 *            one, of a cluster that still is, stay beside it as departed while they have
 *            sessions: they get no new ones, but are still watched over
 */
MUST_USE struct snapshot *snapshot_new(struct config *config, struct node_registry *registry,
                                       const struct members_source *members,
                                       const struct snapshot *before);

/* The same configuration with other members. */
MUST_USE struct snapshot *snapshot_renew(struct snapshot *old, struct node_registry *registry,
                                         const struct members_source *members);

/* Find a cluster by name; a null name finds the first one. Null if there is none; borrowed. */
const struct cluster *snapshot_find_cluster(const struct snapshot *snapshot, const char *name);

/* Find a configured or discovered node by name. Null if there is none; borrowed. */
const struct node *cluster_find_node(const struct cluster *cluster, const char *name);

/* From any thread. */
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* null is allowed */

#endif
