/*
 * nodes.h - a node as JSON, for the handlers about nodes.
 */
#ifndef CONTROL_ADMIN_API_NODES_H
#define CONTROL_ADMIN_API_NODES_H

#include <jansson.h>

#include "control/admin/context.h"

/* A node of the current snapshot. */
struct admin_node {
    const struct cluster *cluster;
    size_t index; /* in cluster->nodes, removed ones included */
};

/* Members are null if out of memory. */
json_t *admin_node_json(const struct admin_context *context, const struct admin_node *at);

const char *admin_state_name(enum node_state state);

/* What undoes a change made at run time, as text. */
#define ADMIN_UNDONE_STATE                                                                         \
    "a reload after the node's \"state\" has changed in the file, or a restart"
#define ADMIN_UNDONE_WEIGHT                                                                        \
    "a reload after the node's \"weight\" has changed in the file, or a restart"
#define ADMIN_UNDONE_LEVEL "a reload, or a restart"

#endif
