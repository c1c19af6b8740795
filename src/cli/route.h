/*
 * route.h - `mqtt-router route`: which nodes a device would be sent to, in order.
 */
#ifndef CLI_ROUTE_H
#define CLI_ROUTE_H

#include <stdio.h>

#include "base/util.h"
#include "model/config/config.h"

/* A device as described on the command line; null = not given. */
struct route_query {
    const char *client_id;
    const char *username;
    const char *source_ip; /* "192.0.2.1", as address_normalize() writes it */
    const char *tls_cn;    /* common name of a verified certificate */
    const char *sni;
    const char *cluster; /* null = the first */
};

/*
 * Print every node of the cluster that would be tried, one a line, home first:
 * "1 NAME ADDRESS". A device without a route key is said to have none.
 *
 *   config   taken
 *
 * Returns an exit code: 0 printed, 1 no such cluster, no key or no node.
 */
MUST_USE int route_command(struct config *config, const struct route_query *query, FILE *out,
                           FILE *err);

#endif
