/*
 * health.h - decide whether a node may get new sessions. Pure: no clock, no socket; the time is an
 * argument.
 *
 * Three sources can each exclude a node: the administrative state (configuration, operator), active
 * checks (fall and rise), and failures of real sessions (passive: too many within a window eject
 * the node for a while, longer each time it happens again soon).
 */
#ifndef MODEL_HEALTH_H
#define MODEL_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/config/config.h"

/* Enum suffix, name in log and metrics. Only UP accepts new sessions. */
#define NODE_STATUSES(X)                                                                           \
    X(UP, "up")                                                                                    \
    X(PAUSED, "paused")     /* its checks report that it accepts no new sessions */                \
    X(EJECTED, "ejected")   /* sessions failed on it */                                            \
    X(DRAINING, "draining") /* administrative state "draining" */                                  \
    X(DOWN, "down")         /* its checks failed */                                                \
    X(OFF, "off")           /* administrative state "down" */

enum node_status {
#define X(suffix, word) NODE_##suffix,
    NODE_STATUSES(X)
#undef X
        NODE_STATUS_COUNT
};

const char *node_status_name(enum node_status status);

/*
 * Result of one active check, from the best to the worst: enum suffix, name in log and metrics.
 * After a refused connection or a wrong answer the node is certainly faulty. After a timeout it is
 * only suspected: EMQX, for example, delays every CONNECT while one node of its cluster hangs.
 */
#define CHECK_RESULTS(X)                                                                           \
    X(GOOD, "good")                                                                                \
    X(NO_NEW, "no_new") /* alive, but accepts no new sessions: HTTP no_new code, CONNACK code 3 */ \
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
 * One node's health. Private to health.c, except that the owner sets admin_state and panic. All
 * zero means that the node is up and has not been checked yet.
 */
struct health {
    enum node_state admin_state;
    bool panic; /* the cluster is in panic mode: ignore timeouts of checks */

    bool checked;              /* false: the next result becomes the verdict */
    enum check_result verdict; /* of the active checks; GOOD before the first result */
    enum check_result latest;  /* the last result */
    /* Number of latest consecutive results that are at least as bad, or as good, as the index. */
    uint32_t as_bad[HEALTH_CHECK_RESULTS], as_good[HEALTH_CHECK_RESULTS];

    uint32_t failures[HEALTH_WINDOW_SLOTS]; /* failed sessions per tenth of window_ms */
    uint64_t slot;                          /* number of the current tenth, since 0 ms */
    uint64_t ejected_at_ms, ejected_until_ms;
    uint32_t ejections; /* number of times that the next ejection is doubled */
    uint32_t eject_ms;  /* of the last ejection, before doubling */
};

/*
 * Process a check's result. Returns true if the verdict of the active checks changed.
 *
 * The first result becomes the verdict. After that, if the last `fall` results are all worse than
 * the verdict, the best of them becomes the verdict. If the last `rise` results are all better than
 * the verdict, the worst of them becomes the verdict. For example, if fall is 2 and the verdict is
 * GOOD, one BAD changes nothing; BAD and NO_NEW change it to NO_NEW, and BAD and BAD to BAD.
 *
 * If the verdict changes from TIMEOUT or BAD to NO_NEW or GOOD, an ejection ends too, because it
 * was caused by failures while the node was down. A GOOD result while the verdict is GOOD shortens
 * an ejection to its time before doubling.
 */
bool health_check_done(struct health *h, const struct health_check_conf *conf,
                       enum check_result result);

/* Return whether the last result contradicts the verdict. Checks should then be more frequent. */
bool health_is_changing(const struct health *h);

/* Assume that the node is well, so that fall and rise apply to its first result too. */
void health_presume_good(struct health *h);

/*
 * Note that earlier results may be out of date, because the node was removed for a while or has
 * another address. The next result becomes the verdict; until then the old verdict stays. Clears
 * all failures.
 */
void health_renew(struct health *h);

/* Discard all check results, because the cluster no longer has active checks. */
void health_forget_checks(struct health *h);

/*
 * Add n failures of real sessions (n can be 0). Eject the node if at least conf->failures happened
 * within window_ms. They are counted per tenth of window_ms: those of the last nine tenths always
 * count, those older than window_ms never.
 *
 *   may_eject   whether max_ejected_percent of the cluster allows one more ejected node
 *
 * Returns true if this call ejected the node. An ejection lasts eject_ms, doubled for each recent
 * ejection before it, at most 32 times eject_ms. The doubling starts again after a time without
 * ejection that is as long as the last ejection plus window_ms. Failures of an ejected node are
 * ignored, because they are of earlier sessions. After the ejection the window is empty.
 *
 * Time may jump. A jump forward counts as time without failures. A jump backward clears the window,
 * and ends an ejection if it is to before its start. conf->off clears failures and ejections.
 */
bool health_sessions_failed(struct health *h, const struct passive_conf *conf, uint32_t n,
                            uint64_t now_ms, bool may_eject);

/*
 * Return whether max_ejected_percent allows one more ejected node. The last node of a cluster is
 * never ejected. In a cluster of two or more nodes, one may always be ejected, even if that is more
 * than the percentage, unless the percentage is 0.
 *
 *   n_ejected   number of ejected nodes; the caller may include nodes excluded for other reasons
 */
bool health_may_eject(const struct passive_conf *conf, size_t n_nodes, size_t n_ejected);

/*
 * Return the status that results from all three sources. The administrative state has priority,
 * then a failed check, an ejection, and a check that reports no new sessions. In panic mode a node
 * whose checks time out is not down.
 */
enum node_status health_status(const struct health *h, uint64_t now_ms);

/* Return whether the node's administrative state is up, but its checks time out. */
bool health_is_suspected(const struct health *h);

/*
 * Counts of primaries at [0] and backups at [1]. n: nodes that should accept sessions
 * (administrative state up, weight above 0). up: those that do, without panic mode.
 */
struct health_tally {
    size_t n[2], up[2];
};

/*
 * Return whether so few nodes are up that timeouts of checks must be ignored (panic mode, as in
 * Envoy): fewer than `percent` of the primaries are up, and fewer than `percent` of the backups,
 * which would otherwise take over. Without primaries, only the backups are counted.
 *
 *   percent   0: never panic
 */
bool health_panics(uint32_t percent, const struct health_tally *tally);

#endif
