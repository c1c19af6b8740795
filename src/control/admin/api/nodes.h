/*
 * nodes.h - a node, as the admin interface tells it. Of the handlers about nodes.
 */
#ifndef CONTROL_ADMIN_API_NODES_H
#define CONTROL_ADMIN_API_NODES_H

#include <jansson.h>

#include "control/admin/context.h"

/* Where a node stands in the present snapshot. */
struct admin_node {
    const struct cluster *cluster;
    size_t index; /* in cluster->nodes, those departed included */
};

/* Null parts: memory is short. */
json_t *admin_node_json(const struct admin_context *context, const struct admin_node *at);

const char *admin_state_name(enum node_state state);

/* What undoes an operator's word on a node, for people. */
#define ADMIN_UNDONE_STATE                                                                         \
    "a reload in which the node's \"state\" in the file has changed, or a restart"
#define ADMIN_UNDONE_WEIGHT                                                                        \
    "a reload in which the node's \"weight\" in the file has changed, or a restart"
#define ADMIN_UNDONE_LEVEL "a reload, or a restart"

#endif
