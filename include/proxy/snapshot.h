/*
 * snapshot.h - all settings that a worker needs to serve, immutable once published.
 *
 * The main thread makes it from a configuration and the members of discovered clusters; after that
 * it is only read. What changes is in each node's live record, which outlives the snapshot.
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
    /* from conf, or from node_defaults if not set there */
    uint32_t max_connections, max_connects_per_s;
    uint32_t weight; /* from conf, or as an operator has set since */
};

struct cluster {
    const struct cluster_conf *conf; /* borrowed from the snapshot's configuration */
    struct members found;            /* if it is discovered: its nodes' conf points into it */
    struct members removed;          /* the same for removed nodes that still have sessions */
    struct node *nodes;              /* n, followed by the removed nodes: n_all in total */
    struct rendezvous_node *homes;   /* n, in the same order, as the hash requires them */
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
    struct endpoint endpoint;         /* port 0 = any free port */
};

struct snapshot {
    _Atomic uint32_t refs; /* release on unref, acquire by the last */
    struct snapshot *base; /* a reference to the owner of the configuration; null = this one */
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
    /* The weight in effect of a node with this weight in the file; null = the same. */
    uint32_t (*weigh)(const void *weights, const char *cluster, const char *node, uint32_t weight);
    const void *weights;
};

/*
 * Take a configuration (freed on failure too). Null if memory is short. The caller owns the first
 * reference.
 *
 *   before   the snapshot that it replaces; null = none. If a cluster still exists, nodes removed
 *            from it stay in the snapshot while they have sessions: they get no new ones, but are
 *            still checked
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
