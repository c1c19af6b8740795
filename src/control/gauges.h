/*
 * gauges.h - what the router counts at this moment, as log events.
 */
#ifndef CONTROL_GAUGES_H
#define CONTROL_GAUGES_H

#include "base/log.h"
#include "proxy/worker.h"
#include "publish.h"

/*
 * Log one event `router.gauges` (sessions in each state, totals since the start) and one
 * `node.gauges` for each node. With no session left every gauge is 0.
 *
 *   ports_low   how often local ports ran low: ports_watch_warnings()
 */
void gauges_log(struct log *log, const struct worker_shared *shared,
                const struct snapshot *snapshot, const struct crew *crew, uint64_t ports_low);

#endif
