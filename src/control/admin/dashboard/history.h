/*
 * history.h - samples of the last 15 minutes for the dashboard's plots, one every 5 seconds.
 *
 * Main thread only. history_update() is called once per second, and takes a sample if one is due. A
 * sample costs a few loads per worker and node.
 */
#ifndef CONTROL_ADMIN_DASHBOARD_HISTORY_H
#define CONTROL_ADMIN_DASHBOARD_HISTORY_H

#include "base/util.h"
#include "control/service/service.h"

#define HISTORY_EVERY_S 5u
#define HISTORY_SAMPLES 180u

/*
 * A refusal is a connection that failed or was closed by the router before it had a node.
 */
#define HISTORY_SERIES(X)                                                                          \
    X(sessions)              /* number at the end of the sample, in all stages */                  \
    X(accepts_per_s)         /* accepted connections */                                            \
    X(connects_per_s)        /* sessions placed on a node */                                       \
    X(refusals_per_s)        /* sum of the next three */                                           \
    X(refused_peer_per_s)    /* the device sent something invalid, or nothing in time */           \
    X(refused_limit_per_s)   /* a limit was reached, or the source is not allowed */               \
    X(refused_no_node_per_s) /* no node was found, or not in time */

struct history_sample {
#define X(name) double name;
    HISTORY_SERIES(X)
#undef X
};

struct history;

MUST_USE struct history *history_new(void);
void history_free(struct history *history); /* null is allowed */
void history_update(struct history *history, const struct service *service);

/*
 * Return the i-th sample, or null if there are fewer; 0 is the oldest. It is valid until the next
 * update.
 */
const struct history_sample *history_sample(const struct history *history, unsigned i);

/* Return the time of the newest sample on the monotonic clock, or 0 if there is none. */
uint64_t history_end_us(const struct history *history);

#endif
