/*
 * readiness.h - whether devices should be sent to this router: what GET /readyz returns.
 *
 * Ready means that the router is serving, and that at least one listener has a node that takes new
 * sessions. So one dead cluster does not take the router out of a load balancer.
 */
#ifndef CONTROL_ADMIN_READINESS_H
#define CONTROL_ADMIN_READINESS_H

#include <jansson.h>
#include <stdbool.h>

#include "context.h"

/* Which clusters must have a node that takes new sessions. */
enum admin_scope {
    ADMIN_ANY_LISTENER, /* the cluster of any one listener */
    ADMIN_ONE_CLUSTER,
    ADMIN_ALL_CLUSTERS
};

/*
 * Returns {"ready", "phase", "reasons"}, owned by the caller, or null if out of memory. *ready is
 * set in any case.
 *
 *   cluster   with ADMIN_ONE_CLUSTER: its index
 */
json_t *admin_readiness(const struct admin_context *context, enum admin_scope scope, size_t cluster,
                        bool *ready);

#endif
