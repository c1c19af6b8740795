/*
 * snapshot.h - all settings that a worker needs, immutable once published.
 *
 * The main thread creates it from a configuration and the members of discovered clusters. State
 * that changes is kept in the live records of nodes and listeners, which outlive the snapshot.
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
    /* from conf; if not set there, from node_defaults */
    uint32_t max_connections, max_connects_per_s;
    uint32_t weight; /* from conf, or the operator's override */
};

struct cluster {
    const struct cluster_conf *conf; /* borrowed from the snapshot's configuration */
    struct members found;            /* discovered nodes; their `conf` points into this */
    struct members removed;          /* removed nodes that still have sessions */
    struct node *nodes;            /* the n current nodes, then the removed ones; n_all in total */
    struct rendezvous_node *homes; /* the n current nodes, in the same order, for the hash */
    bool *backup;                  /* per current node: whether it is a backup */
    size_t n;                      /* 0 until the first nodes are discovered */
    size_t n_all;
    struct address *sources; /* the parsed source_addresses, port 0 */
    size_t n_sources;
};

/* One address that a listener is bound to. */
struct binding {
    const struct listener_conf *conf; /* borrowed from the snapshot's configuration */
    struct listener_live *live;       /* borrowed from the snapshot */
    struct endpoint endpoint;         /* port 0 = any free port */
};

struct snapshot {
    _Atomic uint32_t refs; /* unref: release; the last one also acquires */
    struct snapshot *base; /* a reference to the snapshot that owns `config`; null = this one */
    struct config *config;
    struct listener_live **listeners; /* references, one per listener in `config` */
    struct binding *bindings;         /* all addresses of all listeners, in the configured order */
    size_t n_bindings;
    struct cluster *clusters; /* one per cluster in `config` */
};

/*
 * The members of discovered clusters. If the source, or the result of `of`, is null, no members are
 * known yet; the cluster then keeps the nodes that it, or a cluster with the same DNS query, had in
 * the previous snapshot.
 */
struct members_source {
    const struct members *(*of)(const void *arg, const char *cluster);
    const void *arg;
    /*
     * Returns a node's effective weight; `weight` is the configured one. Null = they are the same.
     */
    uint32_t (*weigh)(const void *weights, const char *cluster, const char *node, uint32_t weight);
    const void *weights;
};

/*
 * Create a snapshot. Takes `config`, on failure too. The caller owns the first reference. Returns
 * null if out of memory.
 *
 *   before   the snapshot to replace; null = none. Nodes that were removed from a cluster stay in
 *            the snapshot while they have sessions: they are health-checked, but get no new
 *            sessions
 */
MUST_USE struct snapshot *snapshot_new(struct config *config, struct node_registry *registry,
                                       const struct members_source *members,
                                       const struct snapshot *before);

/* Create a snapshot with the same configuration and new members. */
MUST_USE struct snapshot *snapshot_renew(struct snapshot *old, struct node_registry *registry,
                                         const struct members_source *members);

/* Find a cluster by name, or the first one if name is null. Returns a borrowed pointer, or null. */
const struct cluster *snapshot_find_cluster(const struct snapshot *snapshot, const char *name);

/* Find a configured or discovered node by name. Returns a borrowed pointer, or null. */
const struct node *cluster_find_node(const struct cluster *cluster, const char *name);

/* These two may be called from any thread. */
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* null is allowed */

#endif
