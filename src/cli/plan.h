/*
 * plan.h - `mqtt-router plan OLD NEW`: print the keys that move to another node when the
 * configuration changes.
 */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"

struct plan_query {
    const char *old_path, *new_path; /* configuration files */
    const char *cluster;             /* null: all; with ids_path: the first of NEW */
    /*
     * File of keys, one per line; "-" = standard input; null = none. If route_by is "sni" alone,
     * the server names are normalized.
     */
    const char *ids_path;
    bool json;
};

/*
 * Print the share of keys that move in each cluster, and between which nodes. With ids_path, print
 * each key that moves instead: "ID<tab>FROM<tab>TO" ("-": no node).
 *
 * Shares are estimated from 65,536 synthetic keys, with an error of about half a percent. With more
 * than 32 nodes, fewer keys are used, but at least 2,048. Progress is printed to err if it is a
 * terminal. If route_by is "source_ip" alone, each line must be an IP address; it is hashed like
 * the source address of a connection.
 *
 * Returns the exit code: 0 on success; 1 if a file is invalid or cannot be read, there is no such
 * cluster, or the nodes of a cluster are discovered by DNS.
 */
MUST_USE int plan_command(const struct plan_query *query, FILE *out, FILE *err);

#endif
