/*
 * plan_json.h - what `mqtt-router plan` has found, and its JSON. Private to the plan command.
 */
#ifndef CLI_PLAN_JSON_H
#define CLI_PLAN_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"

#define PLAN_NOWHERE "-" /* a key without a home */

/* Keys that move from one node to another. */
struct plan_move {
    const char *from, *to; /* borrowed from the configurations, or PLAN_NOWHERE */
    uint64_t keys;
};

enum plan_fate { PLAN_STAYS, PLAN_ADDED, PLAN_REMOVED };

struct plan_cluster {
    const char *name; /* borrowed */
    enum plan_fate fate;
    uint64_t keys, moved;
    struct plan_move *moves; /* owned; the largest first */
    size_t n;
};

static inline double plan_percent(const struct plan_cluster *cluster, uint64_t keys)
{
    return cluster->keys ? 100.0 * (double)keys / (double)cluster->keys : 0;
}

/*
 * {"clusters": [{"name", "change": "stays" | "added" | "removed", "moved_percent",
 *                "moves": [{"from", "to", "percent"}]}]}; a node null = no home. False: memory is
 * short, or it cannot be written.
 */
MUST_USE bool plan_print_json(const struct plan_cluster *clusters, size_t n, FILE *out);

#endif
