/*
 * supervisor.h - the main thread: start the workers, handle signals, shut down cleanly.
 *
 *   SIGTERM   stop accepting, close the sessions paced within timeouts.shutdown_ms, end
 *   SIGINT    close everything now, end (also during a SIGTERM's pacing)
 *   SIGHUP    reload the configuration and all files that it names
 *   SIGUSR2   log the current counters as one event `router.gauges`
 */
#ifndef CONTROL_SUPERVISOR_H
#define CONTROL_SUPERVISOR_H

#include <stdio.h>

#include "base/util.h"

/*
 * Serve with a configuration until a signal ends the router.
 *
 *   config_path   path of the file, read again on SIGHUP; borrowed
 *   out   receives errors of the start, one line each
 *
 * Returns the process's exit code: 0 ended by a signal, 1 could not start.
 */
MUST_USE int supervisor_run(const char *config_path, FILE *out);

/*
 * Prepare to serve exactly as supervisor_run() does, up to the point at which threads would start,
 * then undo it. Errors and warnings go to `out`, among them the warnings that a start would log.
 *
 * Does not disturb a router that runs with the same configuration: no socket listens, so an address
 * in use is only a warning; no file of a Unix socket and no log file is created, changed or
 * removed. Afterwards this process has dropped its privileges and is in the
 * sandbox.
 *
 * Returns the process's exit code: 0 no error, 1 a start would fail.
 */
MUST_USE int supervisor_check(const char *config_path, FILE *out);

#endif
