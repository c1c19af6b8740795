/*
 * gauges.h - what the router counts at this moment, added up; and as log events.
 */
#ifndef CONTROL_SERVICE_GAUGES_H
#define CONTROL_SERVICE_GAUGES_H

#include "base/log.h"
#include "control/reload/publish.h"
#include "proxy/counters.h"
#include "proxy/worker/workers.h"

/* Which of COUNTERS, in their order. */
enum {
#define X(field, word, help) COUNT_##field,
    COUNTERS(X)
#undef X
        COUNTS
};

/* All workers together, a few loads of each. */
struct gauges {
    uint64_t in_state[SESSION_STATE_COUNT];
    uint64_t sessions; /* in all of these */
    uint64_t closed[CLOSE_REASON_COUNT];
    uint64_t closed_total;
    uint64_t count[COUNTS];
    uint64_t bytes_up, bytes_down;
};

void gauges_sum(const struct workers *workers, struct gauges *out);

/*
 * Log one event `router.gauges` (sessions in each state, totals since the start) and one
 * `node.gauges` for each node. With no session left every gauge is 0.
 *
 *   ports_low   how often local ports ran low: ports_watch_warnings()
 */
void gauges_log(struct log *log, const struct worker_shared *shared,
                const struct snapshot *snapshot, const struct workers *workers, uint64_t ports_low);

#endif
