/*
 * readiness.h - whether devices should be sent here, as GET readyz answers and status repeats.
 *
 * Ready means that the router serves, and that some listener has a node for its devices. So one
 * dead cluster does not take the others out of the load balancer.
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

/* {"ready", "phase", "reasons"}, the caller's. Null when memory is short; *ready is set then, too.
 *
 *   cluster   with ADMIN_ONE_CLUSTER: its index
 */
json_t *admin_readiness(const struct admin_context *context, enum admin_scope scope, size_t cluster,
                        bool *ready);

#endif
