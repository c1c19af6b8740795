/*
 * evictor.h - close sessions at a limited rate, with jitter: of nodes that drain, of nodes that
 * are down but whose connections are still open, and for homecoming.
 *
 * Main thread only. It stores credit in a node's record (evictions[]) and wakes the workers, which
 * choose the sessions.
 *
 * No second has more than 1.1 times the configured rate, even if the main thread is busy. Credit
 * that finds no session is dropped.
 *
 * No session is closed unless another node would accept it: another node of the cluster (for a
 * homecoming: the home itself) must be up, have a weight, and be below its max_connections. Until
 * then the job is held (node.held).
 *
 *   draining
 *       drain_rate_per_s; clean sessions first, then the others. At drain_deadline_ms all that are
 *       left are closed, even if no other node accepts them. The numbers of sessions are logged at
 *       the start (node.draining), and an event when the node is empty (node.drained).
 *   down, off
 *       on_node_down "close": close_rate_per_s.
 *   homecoming
 *       rate_per_s, once the home has been up for after_ms (and slow_start_ms, if that is longer)
 *       without a failure. Sessions that are elsewhere because their home was not up; with
 *       after_scale_out also those whose home has changed with the nodes. Those that their home
 *       refused, or that overflowed, only if an operator orders it.
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

/* Serve by this snapshot from now on; a reference is taken. False: memory is short. */
MUST_USE bool evictor_take(struct evictor *evictor, struct snapshot *snapshot);

/* Check all nodes soon: a status has changed, or a homecoming may be due. */
void evictor_check(struct evictor *evictor);

/*
 * Set an operator's rate for one drain, the current or the next one, instead of the configured one.
 *
 *   rate_per_s    0 = as configured, deadline included
 *   deadline_ms   since the drain began; 0 = none
 */
void evictor_set_drain(struct evictor *evictor, struct node_live *live, uint32_t rate_per_s,
                       uint32_t deadline_ms);

/* A drain in progress or completed. */
struct evictor_drain {
    uint32_t rate_per_s, deadline_ms; /* in effect; 0 = no deadline */
    uint32_t sessions_at_start;
    uint64_t begun_us; /* of the monotonic clock */
    bool held;         /* no session is closed, because no other node accepts sessions */
};

/* Returns false if the node does not drain. */
MUST_USE bool evictor_read_drain(const struct evictor *evictor, const struct node_live *live,
                                 struct evictor_drain *out);

/*
 * Start homecoming of a node's sessions at this rate, regardless of the configuration. It closes
 * all sessions that are off-home now, each of them once.
 */
void evictor_bring_home(struct evictor *evictor, struct node_live *live, uint32_t rate_per_s);

#endif
