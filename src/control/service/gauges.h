/*
 * gauges.h - add up the counters of all workers, and log them as events.
 */
#ifndef CONTROL_SERVICE_GAUGES_H
#define CONTROL_SERVICE_GAUGES_H

#include "base/log.h"
#include "proxy/counters.h"
#include "proxy/worker/workers.h"

/* Indexes of the rows of COUNTERS. */
enum {
#define X(field, word, help) COUNT_##field,
    COUNTERS(X)
#undef X
        COUNTS
};

struct gauges {
    uint64_t in_state[SESSION_STATE_COUNT];
    uint64_t sessions; /* the sum of in_state */
    uint64_t closed[CLOSE_REASON_COUNT];
    uint64_t closed_total;
    uint64_t count[COUNTS];
    uint64_t bytes_up, bytes_down;
    uint64_t tls_holds[TLS_SIDE_COUNT][TLS_HOLD_COUNT]; /* TLS connections of relayed sessions */
};

/* Add up the counters of all workers. */
void gauges_sum(const struct workers *workers, struct gauges *out);

/*
 * Log one event `router.gauges` (sessions in each state, TLS connections, totals since the start),
 * and one event `node.gauges` per node. If no session is left, every gauge is 0.
 *
 *   ports_low   number of warnings about local ports: ports_watch_warnings()
 */
void gauges_log(struct log *log, const struct worker_shared *shared,
                const struct snapshot *snapshot, const struct workers *workers, uint64_t ports_low);

#endif
