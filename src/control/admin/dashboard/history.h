/*
 * history.h - the last 15 minutes, one sample every 5 seconds: what the dashboard plots.
 *
 * Of the main thread; history_update() is called once a second and takes a sample when it is time:
 * a few loads of each worker and each node.
 */
#ifndef CONTROL_ADMIN_DASHBOARD_HISTORY_H
#define CONTROL_ADMIN_DASHBOARD_HISTORY_H

#include "base/util.h"
#include "control/reload/reload.h"

#define HISTORY_EVERY_S 5u
#define HISTORY_SAMPLES 180u

/*
 * Name, whose fault or doing. A refusal is a connection that the router closed, or that failed,
 * before a node had it.
 */
#define HISTORY_SERIES(X)                                                                          \
    X(sessions)              /* at the sample's end, in whatever stage */                          \
    X(accepts_per_s)         /* connections accepted */                                            \
    X(connects_per_s)        /* sessions given to a node */                                        \
    X(refusals_per_s)        /* the next three together */                                         \
    X(refused_peer_per_s)    /* what the device sent, or did not */                                \
    X(refused_limit_per_s)   /* limits, and lists of who may come */                               \
    X(refused_no_node_per_s) /* no node, or none in time */

struct history_sample {
#define X(name) double name;
    HISTORY_SERIES(X)
#undef X
};

struct history;

MUST_USE struct history *history_new(void);
void history_free(struct history *history); /* null is allowed */
void history_update(struct history *history, const struct service *service);

/* The i-th sample, 0 = the oldest. Null: there are not so many. Borrowed until the next look. */
const struct history_sample *history_sample(const struct history *history, unsigned i);

/* When the newest was taken, by the monotonic clock; 0 = there is none. */
uint64_t history_end_us(const struct history *history);

#endif
