/*
 * prober.h - the health of all nodes, from administrative states, active checks and failed
 * sessions. The only writer of node statuses (proxy/node_live.h); logs each change.
 *
 * Panic, as in Envoy: when checks that time out would leave fewer than panic_percent of a cluster's
 * nodes up, nodes that are only suspected stay up. Logs `cluster.panic` and `cluster.panic_ended`.
 * It ends when enough nodes have been up for two intervals, or none is suspected any more.
 *
 * Main thread only. Checks are spread over their interval with jitter. Failed sessions that the
 * workers count are evaluated when a worker reports one, and then ten times per second until no
 * more fail. The rules are in model/health.h.
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

/* `changed` is called after a node's status has changed. */
struct prober_callbacks {
    void (*changed)(void *arg, struct node_live *live);
    void *arg;
};

/*
 *   registry, log   borrowed
 *   boot_id         makes the client identifiers differ from those of other routers
 */
MUST_USE struct prober *prober_new(struct ev_loop *loop, struct node_registry *registry,
                                   struct log *log, uint64_t boot_id,
                                   const struct prober_callbacks *callbacks);
void prober_free(struct prober *prober); /* null is allowed */

/*
 * Use this snapshot from now on; takes a reference. Nodes that existed before keep their health
 * (matched by record). New nodes begin as up and are checked soon. Removed nodes are checked while
 * they have sessions. A removed node that returns, or one with another address, keeps its verdict
 * until its next check, which comes soon and decides alone. The administrative state of each node
 * is the configured one, unless prober_override() was called and the configured state has not
 * changed since.
 *
 * Password files and certificates are read again, even if the snapshot is the same.
 *
 *   first   the router is starting: no slow start, and the first checks are spread over at most one
 *           second. New and returning nodes of a later snapshot start slowly (up_since_us), unless
 *           their cluster has no other node that stays
 *
 * Returns false if memory is short; the old snapshot then stays in use.
 */
MUST_USE bool prober_take(struct prober *prober, struct snapshot *snapshot, bool first);

/* Override a node's configured state. Returns false if there is no such node. */
bool prober_override(struct prober *prober, const char *cluster, const char *node,
                     enum node_state state);

/*
 * A session has failed; its node's record counts it. Any thread may call this. Returns true on the
 * first call since the last check: the main thread must then call prober_check_failures().
 */
MUST_USE bool prober_note_failing(struct prober *prober);
void prober_check_failures(struct prober *prober);

#define PROBER_WHY_MAX 160u

/* The state of a node's health. */
struct prober_facts {
    enum node_state admin_state, in_file; /* in effect, and configured */
    bool has_checks, checked;             /* checks are configured; one is complete */
    enum check_result latest;
    uint64_t checked_us;                   /* time of the last check, monotonic */
    char why[PROBER_WHY_MAX];              /* reason for its status; "" = none known */
    uint64_t checks[HEALTH_CHECK_RESULTS]; /* count by result */
    bool suspected;  /* accepts sessions although its checks time out: its cluster is in panic */
    bool unanswered; /* its last check got no byte for its CONNECT, and none of the cluster ever did
                      */
    bool unreachable; /* its last check got no connection */
};

/* Whether a cluster of the snapshot is in panic mode. */
bool prober_panics(const struct prober *prober, size_t cluster);

/* Returns false if the node is unknown. */
MUST_USE bool prober_read(const struct prober *prober, const struct node_live *live,
                          struct prober_facts *out);

#endif
