/*
 * nodes.h - format a node as JSON, for several handlers.
 */
#ifndef CONTROL_ADMIN_API_NODES_H
#define CONTROL_ADMIN_API_NODES_H

#include <jansson.h>

#include "control/admin/context.h"

/* A node of the current snapshot. */
struct admin_node {
    const struct cluster *cluster;
    size_t index; /* in cluster->nodes, which includes removed nodes */
};

/* Format a node. If out of memory, members can be null. */
json_t *admin_node_json(const struct admin_context *context, const struct admin_node *at);

const char *admin_state_name(enum node_state state);

/* Texts that describe what undoes a change made at run time. */
#define ADMIN_UNDONE_STATE                                                                         \
    "a reload after the node's \"state\" has changed in the file, or a restart"
#define ADMIN_UNDONE_WEIGHT                                                                        \
    "a reload after the node's \"weight\" has changed in the file, or a restart"
#define ADMIN_UNDONE_LEVEL "a reload, or a restart"

#endif
