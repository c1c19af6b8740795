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

#include "model/config/config.h"

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

const char *node_status_name(enum node_status status);

/*
 * Result of one active check, from the best to the worst: enum suffix, word in log and metrics.
 * A refused connection or a wrong answer is a fact about the node. A check that times out is a
 * suspicion: EMQX, for example, holds up each CONNECT while one node of its cluster hangs.
 */
#define CHECK_RESULTS(X)                                                                           \
    X(GOOD, "good")                                                                                \
    X(NO_NEW, "no_new") /* alive, but takes no new sessions: HTTP no_new code, CONNACK code 3 */   \
    X(TIMEOUT, "timeout")                                                                          \
    X(BAD, "bad")

enum check_result {
#define X(suffix, word) CHECK_##suffix,
    CHECK_RESULTS(X)
#undef X
};

#define HEALTH_CHECK_RESULTS ((unsigned)CHECK_BAD + 1u)
#define HEALTH_WINDOW_SLOTS  10u

const char *check_result_name(enum check_result result);

/*
 * One node's health. Private to health.c except for the decree and `spared`, which the owner
 * writes. All zero is a node that has not been checked yet: up.
 */
struct health {
    enum node_state admin_state;
    bool panic; /* set by the owner: the cluster is in panic mode, so time-outs do not count */

    bool checked;              /* a check has answered: the first verdict counts at once */
    enum check_result verdict; /* of the active checks; good until the first has answered */
    enum check_result latest;  /* the last result */
    /* Results in a row until now that were at least as bad, and at least as good, as each. */
    uint32_t as_bad[HEALTH_CHECK_RESULTS], as_good[HEALTH_CHECK_RESULTS];

    uint32_t failures[HEALTH_WINDOW_SLOTS]; /* of real sessions, by tenths of window_ms */
    uint64_t slot;                          /* number of the present tenth, since 0 ms */
    uint64_t ejected_at_ms, ejected_until_ms;
    uint32_t ejections; /* in a row: each doubles the time */
    uint32_t eject_ms;  /* the time before it is doubled */
};

/*
 * Take a check's result. True when the verdict of the active checks changed.
 *
 * The first result is the verdict at once. After that the verdict gets as bad as the mildest
 * of the last `fall` results when all of them are worse than it is, and as good as the poorest
 * of the last `rise` results when all of them are better: with fall 2, BAD after a verdict of
 * GOOD changes nothing, NO_NEW behind it makes it NO_NEW, two times BAD makes it BAD.
 *
 * When the verdict changes from TIMEOUT or BAD to something better, any ejection ends too: the
 * failures behind it happened while the node was down. A good check of a node that is not down
 * cuts an ejection to its undoubled time.
 */
bool health_check_done(struct health *h, const struct health_check_conf *conf,
                       enum check_result result);

/* Is the node on its way from one verdict to another, so that checks should come faster? */
bool health_is_changing(const struct health *h);

/* The node was well as far as anybody knew: the first check's result is not the verdict then. */
void health_presume_good(struct health *h);

/*
 * Earlier results may be out of date, because the node was gone or has another address. The next
 * check's result becomes the verdict; until then the old verdict stays. Clears all failures.
 */
void health_renew(struct health *h);

/* The cluster has no checks any more: what they said is forgotten. */
void health_forget_checks(struct health *h);

/*
 * Take n failures of real sessions (n may be 0), and eject the node when as many as
 * conf->failures came within window_ms (counted in tenths of it: for certain within nine
 * tenths, never beyond the whole).
 *
 *   may_eject   whether the cluster's max_ejected_percent has room for one more
 *
 * True when the node was ejected just now: for eject_ms, doubled for each ejection before it
 * in a row, 32 times eject_ms at the most. A row ends when the node has not been ejected for
 * as long as its last ejection lasted and window_ms more. While the node is ejected failures
 * do not count (they are of sessions from before), and it comes back with an empty window.
 *
 * Time may jump: forward it is quiet time, backward it forgets the window, and ends an
 * ejection that would lie in the future. conf->off forgets everything.
 */
bool health_sessions_failed(struct health *h, const struct passive_conf *conf, uint32_t n,
                            uint64_t now_ms, bool may_eject);

/*
 * Does max_ejected_percent have room for one more ejected node? Never in a cluster of one, and
 * never for the last node; but for one node in any larger cluster, whatever it is a percentage
 * of, unless the percentage is 0.
 *
 *   n_ejected   of the n_nodes; a caller may count nodes that are out for other reasons as well
 */
bool health_may_eject(const struct passive_conf *conf, size_t n_nodes, size_t n_ejected);

/*
 * The verdict of all three voices. A decree goes before everything; then the first that is
 * true of: down by its checks, ejected, paused by its checks. A spared node that is only
 * suspected is not down.
 */
enum node_status health_status(const struct health *h, uint64_t now_ms);

/* Whether its checks time out, without an override against it or a worse result. */
bool health_is_suspected(const struct health *h);

/*
 * The nodes of a cluster, primaries at [0] and backups at [1]: those that should take sessions (no
 * decree against them, weight above 0), and how many of these do when no node is spared.
 */
struct health_tally {
    size_t n[2], up[2];
};

/*
 * Whether so few nodes are up that time-outs must not take out more (panic mode, as in Envoy):
 * fewer than `percent` of the primaries are up, and fewer than `percent` of the backups, which
 * would otherwise take over. Without primaries only the backups count.
 *
 *   percent   0 = never
 */
bool health_panics(uint32_t percent, const struct health_tally *tally);

#endif
