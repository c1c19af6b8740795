/*
 * reload_report.h - what a reload changes, for the log.
 */
#ifndef CONTROL_RELOAD_REPORT_H
#define CONTROL_RELOAD_REPORT_H

#include "base/log.h"
#include "proxy/snapshot.h"

/* Say which keys differ that only a restart can change. */
void reload_report_restart(struct log *log, const struct snapshot *before,
                           const struct snapshot *after);

/* Say what changed: events reload.cluster and reload.done. */
uint32_t reload_report(struct log *log, const struct snapshot *before,
                       const struct snapshot *after);

#endif
