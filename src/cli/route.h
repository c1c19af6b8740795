/*
 * route.h - `mqtt-router route --config`: print the nodes that a device would be sent to.
 */
#ifndef CLI_ROUTE_H
#define CLI_ROUTE_H

#include <stdio.h>

#include "base/util.h"
#include "model/config/config.h"
#include "model/rendezvous.h"

/*
 * The nodes of a cluster, for placement by the configuration alone. A node whose state is not
 * "up" has weight 0, so it is not the home of any key.
 */
struct route_nodes {
    struct rendezvous_node *nodes; /* owned, n of them */
    bool *backup;                  /* owned, n of them */
    size_t n;
};

/* A null conf has no nodes. Returns false if out of memory. Call route_nodes_fini() in any case. */
MUST_USE bool route_nodes_init(struct route_nodes *nodes, const struct cluster_conf *conf);
void route_nodes_fini(struct route_nodes *nodes);

/* A device as described on the command line; null: not given. */
struct route_query {
    const char *client_id;
    const char *username;
    const char *source_ip; /* "192.0.2.1", normalized by address_normalize() */
    const char *tls_cn;    /* common name of a verified certificate */
    const char *sni;
    const char *cluster; /* null: the first */
};

/*
 * Print the nodes that would be tried, one per line, the home first: "1 NAME ADDRESS". Assumes that
 * every node is up unless the configuration sets another state.
 *
 * Returns the exit code: 0 on success; 1 if there is no such cluster, no route key or no node,
 * after printing a message to err.
 */
MUST_USE int route_command(const struct config *config, const struct route_query *query, FILE *out,
                           FILE *err);

#endif
