/*
 * listening.h - open the listening sockets of all workers.
 */
#ifndef CONTROL_LISTENING_H
#define CONTROL_LISTENING_H

#include <stdbool.h>
#include <stdio.h>

#include "base/log.h"
#include "base/util.h"
#include "model/config.h"

/*
 * Open one socket for each worker on each listener's address, and announce each listener:
 * a sentence to `out`, an event `listener.open` to the log.
 *
 *   fds   room for workers * config->n_listeners; filled worker by worker
 *
 * On failure every listener that cannot be opened is named, and nothing stays open.
 */
MUST_USE bool listening_open(const struct config *config, unsigned workers, int *fds,
                             struct log *log, FILE *out);

/* Close what listening_open() opened; -1 is skipped. */
void listening_close(const int *fds, size_t n);

#endif
