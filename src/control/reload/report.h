/*
 * report.h - log what a reload has changed, and which changes need a restart.
 */
#ifndef CONTROL_RELOAD_REPORT_H
#define CONTROL_RELOAD_REPORT_H

#include "base/log.h"
#include "proxy/snapshot.h"

/*
 * Log each changed key that takes effect only after a restart.
 *
 *   messages   lines "warning: ..." are appended to *messages, which is from malloc() or null; if
 *              `messages` is null, they are only logged
 */
void reload_report_restart(struct log *log, char **messages, const struct snapshot *before,
                           const struct snapshot *after);

/* What a reload has changed in a cluster. */
struct reload_cluster {
    size_t nodes, added, removed;
    uint32_t moved_permille; /* share of the key space whose home has changed */
};

/*
 * Log the changes: events `reload.cluster` and `reload.done`. Returns the highest moved_permille.
 *
 *   out   one element per cluster of `after`; null = log only
 */
uint32_t reload_report(struct log *log, const struct snapshot *before, const struct snapshot *after,
                       struct reload_cluster *out);

#endif
