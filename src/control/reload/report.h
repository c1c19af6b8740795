/*
 * report.h - what a reload changes, for the log.
 */
#ifndef CONTROL_RELOAD_REPORT_H
#define CONTROL_RELOAD_REPORT_H

#include "base/log.h"
#include "proxy/snapshot.h"

/*
 * Say which keys differ that only a restart can change.
 *
 *   said   the same as lines "warning: ..." behind what stands there; malloc's, or null. Null = for
 *          the log alone
 */
void reload_report_restart(struct log *log, char **said, const struct snapshot *before,
                           const struct snapshot *after);

/* What a reload did to a cluster. */
struct reload_cluster {
    size_t nodes, added, removed;
    uint32_t moved_permille; /* the share of the key space with another home than before */
};

/*
 * Say what changed: events reload.cluster and reload.done. Returns the most that moved.
 *
 *   out   one for each cluster of `after`; null = for the log alone
 */
uint32_t reload_report(struct log *log, const struct snapshot *before, const struct snapshot *after,
                       struct reload_cluster *out);

#endif
