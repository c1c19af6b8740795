/*
 * health.h - is a node fit for new sessions? Rules alone: what was seen goes in, a verdict
 * comes out. No clock, no socket; the time is an argument.
 *
 * Three voices, each with a veto: the decree (configuration, operator), the active check (fall
 * and rise), and the failures of real sessions (passive: so many within a window eject the
 * node for a while, longer each time it happens again soon).
 */
#ifndef MODEL_HEALTH_H
#define MODEL_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/config.h"

/* Enum suffix, word in log and metrics. Only UP takes new sessions. */
#define NODE_STATUSES(X)                                                                           \
    X(UP, "up")                                                                                    \
    X(PAUSED, "paused")     /* alive, but its check says: no new sessions, keep what is there */   \
    X(EJECTED, "ejected")   /* real sessions failed on it */                                       \
    X(DRAINING, "draining") /* by decree */                                                        \
    X(DOWN, "down")         /* its check failed */                                                 \
    X(OFF, "off")           /* down by decree */

enum node_status {
#define X(suffix, word) NODE_##suffix,
    NODE_STATUSES(X)
#undef X
        NODE_STATUS_COUNT
};

const char *node_status_word(enum node_status status);

/* What one active check found. */
enum check_result {
    CHECK_GOOD,
    CHECK_NO_NEW, /* alive, wants no new sessions: HTTP no_new codes, CONNACK return code 3 */
    CHECK_BAD
};

#define HEALTH_WINDOW_SLOTS 10u

/* One node's health. Private to health.c; all zero is a node nobody has looked at: up. */
struct health {
    enum node_state decree;

    bool checked;              /* a check has answered: the first verdict counts at once */
    enum check_result verdict; /* of the active checks */
    enum check_result latest;  /* the last result */
    uint32_t in_a_row;         /* how often it came in a row, while it differs from the verdict */

    uint32_t failures[HEALTH_WINDOW_SLOTS]; /* of real sessions, by tenths of window_ms */
    uint64_t slot;                          /* number of the present tenth, since 0 ms */
    uint64_t ejected_at_ms, ejected_until_ms;
    uint32_t ejections; /* in a row: each doubles the time; forgotten after a good while */
};

/* Take a check's result. True when the verdict of the active checks changed. */
bool health_check_done(struct health *h, const struct health_check_conf *conf,
                       enum check_result result);

/* Is the node on its way from one verdict to another, so that checks should come faster? */
bool health_is_changing(const struct health *h);

/* The cluster has no checks any more: what they said is forgotten. */
void health_forget_checks(struct health *h);

/*
 * Take n failures of real sessions (n may be 0), and eject the node when they are too many.
 *
 *   may_eject   whether the cluster's max_ejected_percent has room for one more
 *
 * True when the node was ejected just now.
 */
bool health_sessions_failed(struct health *h, const struct passive_conf *conf, uint32_t n,
                            uint64_t now_ms, bool may_eject);

/* Does max_ejected_percent have room for one more ejected node? Never in a cluster of one. */
bool health_may_eject(const struct passive_conf *conf, size_t n_nodes, size_t n_ejected);

/* The verdict of all three voices; the most severe speaks. */
enum node_status health_status(const struct health *h, uint64_t now_ms);

#endif
