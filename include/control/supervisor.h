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
#include "model/config.h"

/*
 * Serve by a configuration, which is taken, until a signal ends it.
 *
 *   config_path   where it came from, read again on SIGHUP; borrowed
 *   out   where failures to start are said, in words
 *
 * Returns the process's exit code: 0 ended by a signal, 1 could not start.
 */
MUST_USE int supervisor_run(struct config *config, const char *config_path, FILE *out);

#endif
