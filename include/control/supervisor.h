/*
 * supervisor.h - the main thread's work: start the workers, heed signals, end in order.
 *
 *   SIGTERM   stop accepting, close the sessions paced within timeouts.shutdown_ms, end
 *   SIGINT    close everything now, end (also during a SIGTERM's pacing)
 *   SIGHUP    read the configuration anew, and all files it names
 *   SIGUSR2   log one event `router.gauges` with what is counted now
 */
#ifndef CONTROL_SUPERVISOR_H
#define CONTROL_SUPERVISOR_H

#include <stdio.h>

#include "base/util.h"

/*
 * Serve by a configuration until a signal ends it.
 *
 *   config_path   where it is, read again on SIGHUP; borrowed
 *   out   where failures to start are reported, one line each
 *
 * Returns the process's exit code: 0 ended by a signal, 1 could not start.
 */
MUST_USE int supervisor_run(const char *config_path, FILE *out);

/*
 * Prepare to serve exactly as supervisor_run() does, up to the point at which threads would start,
 * then undo it. Errors and warnings go to `out`, among them the warnings that a start would log.
 *
 * Does not disturb a router that runs with the same configuration: no socket listens, so an address
 * in use is only a warning; no file of a Unix socket is created, replaced or removed; and no log
 * file is created or written. Afterwards this process has dropped its privileges and is in the
 * sandbox.
 *
 * Returns the process's exit code: 0 no error, 1 a start would fail.
 */
MUST_USE int supervisor_check(const char *config_path, FILE *out);

#endif
