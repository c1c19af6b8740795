/*
 * evictor.h - close sessions at a limited rate, with jitter: on draining nodes, on nodes that are
 * down but still have connections, and for homecoming.
 *
 * Main thread only. It stores credit in a node's record (evictions[]) and wakes the workers, which
 * choose the sessions.
 *
 * No second has more closings than 1.1 times the configured rate, even if the main thread is busy.
 * Unused credit is dropped.
 *
 * Sessions are closed only if a node would accept them: another node of the cluster (for a
 * homecoming: the home itself) must be up, have a weight, and be below its max_connections. Until
 * then, the job is held (node.held).
 *
 *   draining
 *       The rate is drain_rate_per_s. Clean sessions are closed first. At drain_deadline_ms, all
 *       remaining sessions are closed, even if no other node accepts them. Logs the number of
 *       sessions at the start (node.draining), and when the node is empty (node.drained).
 *   down, off
 *       The rate is close_rate_per_s, if on_node_down is "close".
 *   homecoming
 *       The rate is rate_per_s, after the home has been up for after_ms (or slow_start_ms, if that
 *       is longer) without a failure. Closes sessions that were placed elsewhere because their home
 *       was not up; with after_scale_out, also sessions whose home has changed with the nodes.
 *       Sessions that were refused by their home, or that overflowed, are closed only if an
 *       operator starts the homecoming.
 */
#ifndef CONTROL_HEALTH_EVICTOR_H
#define CONTROL_HEALTH_EVICTOR_H

#include <ev.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/node_live.h"
#include "proxy/snapshot.h"

struct evictor;

/* `wake` is called when workers must check their nodes. log and registry are borrowed. */
MUST_USE struct evictor *evictor_new(struct ev_loop *loop, struct log *log,
                                     const struct node_registry *registry, void (*wake)(void *arg),
                                     void *arg);
void evictor_free(struct evictor *evictor); /* null is allowed */

/* Use this snapshot from now on; takes a reference. Returns false if out of memory. */
MUST_USE bool evictor_take(struct evictor *evictor, struct snapshot *snapshot);

/* Check all nodes soon, because a status has changed or a homecoming may be due. */
void evictor_check(struct evictor *evictor);

/*
 * Override the configured rate for one drain, the current or the next one.
 *
 *   rate_per_s    0 = use the configured rate and deadline
 *   deadline_ms   time from the start of the drain; 0 = no deadline
 */
void evictor_set_drain(struct evictor *evictor, struct node_live *live, uint32_t rate_per_s,
                       uint32_t deadline_ms);

/* A drain in progress or completed. */
struct evictor_drain {
    uint32_t rate_per_s, deadline_ms; /* in effect; 0 = no deadline */
    uint32_t sessions_at_start;
    uint64_t begun_us; /* monotonic clock */
    bool held;         /* no session is closed, because no other node accepts sessions */
};

/* Read the state of a drain. Returns false if the node is not draining. */
MUST_USE bool evictor_read_drain(const struct evictor *evictor, const struct node_live *live,
                                 struct evictor_drain *out);

/*
 * Start a homecoming to a node at this rate, regardless of the configuration. Each session that is
 * off-home now is closed once.
 */
void evictor_bring_home(struct evictor *evictor, struct node_live *live, uint32_t rate_per_s);

#endif
