/*
 * host.h - check that this host has what a configuration requires: files, addresses, limits.
 */
#ifndef CONTROL_HOST_HOST_H
#define CONTROL_HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/util.h"
#include "model/config/config.h"

struct faults;

/*
 * Check that token_file of the admin interface and each password_file of a health check are
 * readable and contain one line, that each source address belongs to this host, and that the owners
 * of Unix sockets exist. Warns if every user can read the token. Reports all errors.
 *
 * Returns true if there is no error.
 */
MUST_USE bool host_check(const struct faults *faults);

/* Raise the limit of open files to the hard limit. */
void host_limits_raise(void);

/*
 * Number of connections that the limit of open files allows: two descriptors per connection, and a
 * few spare ones for files that are read again. Call this after the router's own descriptors are
 * open.
 *
 *   reserved   descriptors to keep free for connections other than those of clients
 */
uint32_t host_limits_connections(uint32_t reserved);

/*
 * Log `host.limit` for each limit that is too low for the configuration: open files (compared with
 * limits.max_connections), net.core.somaxconn (with listeners[].backlog), local ports (with the
 * number of connections that one node can get).
 *
 *   fd_connections   the result of host_limits_connections()
 */
void host_limits_warn(struct log *log, const struct config *config, uint32_t fd_connections);

#endif
