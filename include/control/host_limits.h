/*
 * host_limits.h - what the machine lets the router do, against what is configured.
 */
#ifndef CONTROL_HOST_LIMITS_H
#define CONTROL_HOST_LIMITS_H

#include <stdint.h>

#include "base/log.h"
#include "model/config.h"

/*
 * Raise the limit of open files to its hard limit, and say how many connections that
 * carries: each takes two descriptors, and some are the router's own.
 */
uint32_t host_limits_connections(void);

/*
 * Log a warning, event `host.limit`, for each limit that cannot carry the configuration:
 * open files (against limits.max_connections), net.core.somaxconn (against our backlog),
 * local ports (against the connections one node may get).
 *
 *   carried   what host_limits_connections() answered
 */
void host_limits_warn(struct log *log, const struct config *config, uint32_t carried);

#endif
