/*
 * readiness.h - the result of GET /readyz: whether devices should be sent to this router.
 *
 * Ready means that the router is serving, and that at least one listener has a node that takes new
 * sessions. So a load balancer does not remove the router because one cluster is dead.
 */
#ifndef CONTROL_ADMIN_READINESS_H
#define CONTROL_ADMIN_READINESS_H

#include <jansson.h>
#include <stdbool.h>

#include "context.h"

/* The clusters that must have a node that accepts new sessions. */
enum admin_scope {
    ADMIN_ANY_LISTENER, /* the cluster of at least one listener */
    ADMIN_ONE_CLUSTER,
    ADMIN_ALL_CLUSTERS
};

/*
 * Return {"ready", "phase", "reasons"}, owned by the caller, or null if out of memory. *ready is
 * set in any case.
 *
 *   cluster   its index, for ADMIN_ONE_CLUSTER
 */
json_t *admin_readiness(const struct admin_context *context, enum admin_scope scope, size_t cluster,
                        bool *ready);

#endif
