/*
 * plan.h - `mqtt-router plan OLD NEW`: which devices a change of the configuration moves,
 * before it is made.
 */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"

struct plan_query {
    const char *old_path, *new_path; /* configuration files */
    const char *cluster;             /* null = all; with ids the first of NEW */
    const char *ids_path; /* keys, one per line; "-" = standard input; null = none. Server
                             names in any form, if the cluster routes by these alone */
    bool json;
};

/*
 * Print for each cluster the share of keys that move, from where to where; or with ids_path
 * the very keys that do, "ID<tab>FROM<tab>TO" ("-" = no node). Shares are told from 65,536 made-up
 * keys, good to half a percent; of more than 32 nodes from fewer, 2,048 at least. Progress goes to
 * err, when that is a terminal. If route_by is "source_ip" alone, each line must be an address, and
 * is hashed as a connection from there is.
 *
 * Returns an exit code: 0 printed; 1 a file is wrong or cannot be read, there is no such cluster,
 * or the nodes of one are found by DNS.
 */
MUST_USE int plan_command(const struct plan_query *query, FILE *out, FILE *err);

#endif
