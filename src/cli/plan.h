/*
 * plan.h - `mqtt-router plan OLD NEW`: which keys a change of the configuration moves to another
 * node.
 */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"

struct plan_query {
    const char *old_path, *new_path; /* configuration files */
    const char *cluster;             /* null: all; with ids: the first of NEW */
    const char *ids_path; /* keys, one per line; "-" = standard input; null = none. Server
                             names in any form, if the cluster routes by these alone */
    bool json;
};

/*
 * For each cluster print the share of keys that move, and between which nodes. With ids_path print
 * each key that moves: "ID<tab>FROM<tab>TO" ("-": no node).
 *
 * Shares are estimated from 65,536 synthetic keys, to about half a percent; with more than 32 nodes
 * from fewer keys, at least 2,048. Progress is printed to err if that is a terminal. If route_by is
 * "source_ip" alone, each line must be an IP address; it is hashed like the source of a connection.
 *
 * Returns an exit code: 0 printed; 1 a file is invalid or cannot be read, there is no such cluster,
 * or the nodes of a cluster are discovered by DNS.
 */
MUST_USE int plan_command(const struct plan_query *query, FILE *out, FILE *err);

#endif
