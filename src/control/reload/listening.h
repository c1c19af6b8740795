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
    const struct socket_permissions
        *rights;  /* of files of Unix sockets, unless a listener has others */
    bool dry_run; /* socket_check() in place of socket_listen(): an address in use is a warning */
};

/*
 * Open one socket per worker for each binding of the snapshot that is new. The workers share a Unix
 * socket. Success is not logged: see listening_announce().
 *
 *   before   the snapshot whose sockets are open; null = none
 *   sockets  room for workers * snapshot->n_bindings; filled worker by worker
 *
 * On failure, each binding that cannot be opened is reported, and nothing stays open.
 */
MUST_USE bool listening_open(const struct snapshot *snapshot, const struct snapshot *before,
                             struct worker_socket *sockets, const struct listening_place *place);

/*
 * Report each binding that listening_open() opened, on `out` and as an event `listener.open`. Call
 * it when nothing can fail any more, while the descriptors are open.
 */
void listening_announce(const struct snapshot *snapshot, const struct worker_socket *sockets,
                        const struct listening_place *place);

/*
 * The permissions that the configuration sets for the file of a Unix socket, on top of `base`.
 * False with errno if its owner or group does not exist on this host.
 */
MUST_USE bool listening_rights(const struct socket_conf *conf,
                               const struct socket_permissions *base,
                               struct socket_permissions *out);

/*
 * Apply a new configuration's permissions to the file of a Unix socket that stays open. Keys that
 * are no longer set change nothing. False with errno: another user owns the file, or it was
 * replaced.
 */
MUST_USE bool listening_change_rights(const struct endpoint *endpoint, const struct socket_conf *to,
                                      const struct socket_conf *from);

/* The same for every socket in both; failures are reported on `out` (null = not at all). */
MUST_USE bool listening_change_all_rights(const struct snapshot *to, const struct snapshot *from,
                                          FILE *out);

/* Close what listening_open() opened, and remove the files of Unix sockets; -1 is skipped. */
void listening_close(const struct worker_socket *sockets, size_t n);

/*
 * listening_open() succeeded, but the plans that owned its sockets were dropped: remove the files
 * of Unix sockets that are not in `before` (null = no snapshot).
 */
void listening_undo(const struct snapshot *snapshot, const struct snapshot *before);

/* Index of the same binding in another snapshot (null is allowed). False if there is none. */
MUST_USE bool listening_find(const struct snapshot *in, const struct binding *binding,
                             size_t *found);

/*
 * The snapshot's bindings that are not in `after` (null = the router ends) are closed: remove the
 * files of Unix sockets, and log `listener.closed`.
 */
void listening_ended(const struct snapshot *snapshot, const struct snapshot *after,
                     struct log *log);

#endif
