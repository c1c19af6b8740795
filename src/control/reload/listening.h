/*
 * listening.h - open the listening sockets of all workers.
 */
#ifndef CONTROL_RELOAD_LISTENING_H
#define CONTROL_RELOAD_LISTENING_H

#include <stdbool.h>
#include <stdio.h>

#include "base/log.h"
#include "base/util.h"
#include "net/socket.h"
#include "proxy/snapshot.h"
#include "proxy/worker/workers.h"

struct listening_place {
    unsigned workers;
    struct log *log;
    FILE *out; /* for errors and announcements; null = no announcements */
    const struct socket_permissions *rights; /* default permissions of Unix socket files */
    bool dry_run; /* socket_check() instead of socket_listen(); an address in use is a warning */
};

/*
 * Open one socket per worker for each new binding of the snapshot. All workers share a Unix socket.
 * Success is not logged, see listening_announce().
 *
 *   before   the snapshot whose sockets are open; null = none
 *   sockets  array of workers * snapshot->n_bindings elements; filled worker by worker
 *
 * On failure, each binding that cannot be opened is reported, and all new sockets are closed.
 */
MUST_USE bool listening_open(const struct snapshot *snapshot, const struct snapshot *before,
                             struct worker_socket *sockets, const struct listening_place *place);

/*
 * Report each binding that listening_open() opened, on `out` and as an event `listener.open`. Call
 * this after the last step that can fail, while the descriptors are open.
 */
void listening_announce(const struct snapshot *snapshot, const struct worker_socket *sockets,
                        const struct listening_place *place);

/*
 * Get the permissions of a Unix socket file: as configured, otherwise from `base`. Returns false
 * with errno set if the owner or group does not exist on this host.
 */
MUST_USE bool listening_rights(const struct socket_conf *conf,
                               const struct socket_permissions *base,
                               struct socket_permissions *out);

/*
 * Apply the permissions of a new configuration to the file of a Unix socket that stays open. Keys
 * that are no longer set have no effect. Returns false with errno set if another user owns the
 * file, or if it was replaced.
 */
MUST_USE bool listening_change_rights(const struct endpoint *endpoint, const struct socket_conf *to,
                                      const struct socket_conf *from);

/*
 * Call listening_change_rights() for every Unix socket that is in both snapshots. Failures are
 * reported on `out`; null = not reported.
 */
MUST_USE bool listening_change_all_rights(const struct snapshot *to, const struct snapshot *from,
                                          FILE *out);

/* Close the sockets that listening_open() opened, and remove Unix socket files. Skips -1. */
void listening_close(const struct worker_socket *sockets, size_t n);

/*
 * Undo listening_open() after the plans that owned its sockets were dropped: remove the Unix socket
 * files of bindings that are not in `before` (null = no snapshot).
 */
void listening_undo(const struct snapshot *snapshot, const struct snapshot *before);

/* Get the index of the same binding in another snapshot (or null). False if there is none. */
MUST_USE bool listening_find(const struct snapshot *in, const struct binding *binding,
                             size_t *found);

/*
 * Remove the Unix socket files of bindings that are not in `after` (null = the router ends). Logs
 * `listener.closed` unless the router ends.
 */
void listening_ended(const struct snapshot *snapshot, const struct snapshot *after,
                     struct log *log);

#endif
