/*
 * supervisor.h - the main thread: start the workers, handle signals, shut down cleanly.
 *
 *   SIGTERM   stop accepting, close the sessions gradually within timeouts.shutdown_ms, exit
 *   SIGINT    close everything immediately and exit, even during a SIGTERM shutdown
 *   SIGHUP    reload the configuration and all files that it refers to
 *   SIGUSR2   log the current counters as one event `router.gauges`
 */
#ifndef CONTROL_SUPERVISOR_H
#define CONTROL_SUPERVISOR_H

#include <stdio.h>

#include "base/util.h"

/*
 * Run the router until a signal ends it.
 *
 *   config_path   the configuration file, read again on SIGHUP; borrowed
 *   out           receives errors during startup, one per line
 *
 * Returns the exit code: 0 ended by a signal, 1 could not start.
 */
MUST_USE int supervisor_run(const char *config_path, FILE *out);

/*
 * Check that supervisor_run() would start: do everything that it does before it starts threads,
 * then undo it. Errors and warnings are printed to `out`, including those that a start would log.
 *
 * Does not disturb a running router with the same configuration: no socket listens, so an address
 * in use is only a warning, and no Unix socket or log file is created, changed or removed.
 * Afterwards the process has dropped its privileges and is sandboxed.
 *
 * Returns the exit code: 0 no error, 1 a start would fail.
 */
MUST_USE int supervisor_check(const char *config_path, FILE *out);

#endif
