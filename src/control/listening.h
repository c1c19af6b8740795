/*
 * listening.h - open the listening sockets of all workers.
 */
#ifndef CONTROL_LISTENING_H
#define CONTROL_LISTENING_H

#include <stdbool.h>
#include <stdio.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/snapshot.h"

/*
 * Open one socket for each worker on each of the snapshot's doors, and announce each: a
 * sentence to `out`, an event `listener.open` to the log. The workers share a Unix socket.
 *
 *   fds   room for workers * snapshot->n_doors; filled worker by worker
 *
 * On failure every door that cannot be opened is named, and nothing stays open.
 */
MUST_USE bool listening_open(const struct snapshot *snapshot, unsigned workers, int *fds,
                             struct log *log, FILE *out);

/* Close what listening_open() opened; -1 is skipped. */
void listening_close(const int *fds, size_t n);

/* Remove the files of the Unix sockets, so that nobody dials into the void. */
void listening_remove_files(const struct snapshot *snapshot);

#endif
