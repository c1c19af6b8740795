/*
 * prober.h - the health of all nodes: decrees, active checks, failures of real sessions. The one
 * writer of every node's status (proxy/node_live.h); it says each change in the log.
 *
 * Panic, as in Envoy: when checks that time out would leave fewer than panic_percent of a cluster's
 * nodes up, nodes that are only suspected stay up. Logs `cluster.panic` and `cluster.panic_ended`.
 * It ends when enough nodes have been up for two intervals, or none is suspected any more.
 *
 * Of the main thread. Checks are spread over their interval with jitter; what the
 * workers counted as failed is folded in when they say so, and then ten times a second until it is
 * calm again. The rules are model/health.h.
 */
#ifndef CONTROL_HEALTH_PROBER_H
#define CONTROL_HEALTH_PROBER_H

#include <ev.h>
#include <stdbool.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/node_live.h"
#include "proxy/snapshot.h"

struct prober;

/* Called after a node's status changed, with its record. */
struct prober_callbacks {
    void (*changed)(void *arg, struct node_live *live);
    void *arg;
};

/*
 *   registry, log   borrowed
 *   boot_id         makes our client identifiers differ from those of other routers
 */
MUST_USE struct prober *prober_new(struct ev_loop *loop, struct node_registry *registry,
                                   struct log *log, uint64_t boot_id,
                                   const struct prober_callbacks *news);
void prober_free(struct prober *prober); /* null is allowed */

/*
 * Serve by this snapshot from now on, a reference taken: nodes that were there keep their
 * health (matched by record). New ones begin as up and are checked soon. Those that are gone
 * are forgotten; those departed are checked on while they have sessions, which would hang if
 * they were down. A node that was departed and is back, or has another address, keeps its
 * verdict until its next check, which comes soon and decides alone. The decree of each node is
 * the configuration's, unless prober_override() was called and the configuration's has not changed
 * since.
 *
 * Password files and certificates are read anew, also when it is the same snapshot again.
 *
 *   first   our own start: no slow start, and the first round of checks is spread over one
 *           second at most. Nodes that a later snapshot brings, or brings back, start slowly
 *           (up_since_us), unless their cluster has no other node that stays.
 *
 * False when memory is short: then the old snapshot goes on being served.
 */
MUST_USE bool prober_take(struct prober *prober, struct snapshot *snapshot, bool first);

/* An operator's word on a node: as "state" in the configuration. False: no such node. */
bool prober_override(struct prober *prober, const char *cluster, const char *node,
                     enum node_state state);

/*
 * A session has failed, as its node's record says. From any thread; true when nobody has said so
 * since the last look: then the main thread is to be woken, for prober_check_failures().
 */
MUST_USE bool prober_note_failing(struct prober *prober);
void prober_check_failures(struct prober *prober);

#define PROBER_WHY_MAX 160u

/* What is known of a node's health. */
struct prober_facts {
    enum node_state admin_state, in_file; /* an operator's word, or the file's; and the file's */
    bool has_checks, checked;             /* checks are made; one has answered */
    enum check_result latest;
    uint64_t checked_us;                   /* of the monotonic clock: when it did */
    char why[PROBER_WHY_MAX];              /* reason for its status; "" = none known */
    uint64_t checks[HEALTH_CHECK_RESULTS]; /* how many had which result */
    bool suspected;  /* it takes sessions, but its checks time out: its cluster is in panic */
    bool unanswered; /* its last check got no byte for its CONNECT, and none of the cluster ever did
                      */
    bool unreachable; /* its last check got no connection */
};

/* Is a cluster of the snapshot in panic: its checks time out, and suspected nodes are spared? */
bool prober_panics(const struct prober *prober, size_t cluster);

/* False: it is not observed. */
MUST_USE bool prober_read(const struct prober *prober, const struct node_live *live,
                          struct prober_facts *out);

#endif
