/*
 * host.h - what the machine lets the router do, against what is configured.
 */
#ifndef CONTROL_HOST_HOST_H
#define CONTROL_HOST_HOST_H

#include <stdint.h>

#include "base/log.h"
#include "model/config/config.h"

/* Raise the limit of open files to its hard limit, as far as the system lets us. */
void host_limits_raise(void);

/*
 * How many connections the open files carry, asked when everything of the router's own is
 * open: two descriptors each, and a few to spare for files that are read anew.
 *
 *   others   descriptors to keep free for connections that are no device's
 */
uint32_t host_limits_connections(uint32_t others);

/*
 * Log a warning, event `host.limit`, for each limit that cannot carry the configuration:
 * open files (against limits.max_connections), net.core.somaxconn (against listeners[].backlog),
 * local ports (against the connections one node may get).
 *
 *   carried   what host_limits_connections() answered
 */
void host_limits_warn(struct log *log, const struct config *config, uint32_t carried);

#endif
