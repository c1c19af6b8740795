/*
 * prober.h - track the health of all nodes, using administrative states, active checks and failed
 * sessions. Only the prober writes node statuses (proxy/node_live.h); it logs each change.
 *
 * Panic mode, as in Envoy: if checks that time out would leave fewer than panic_percent of a
 * cluster's nodes up, suspected nodes stay up. It ends when enough nodes have been up for two
 * intervals, or when no node is suspected any more. Logs `cluster.panic` and `cluster.panic_ended`.
 *
 * Main thread only. Checks are spread over their interval with jitter. Workers count failed
 * sessions. The counts are evaluated when a worker reports a failure, and then ten times per second
 * until no more sessions fail. The rules are in model/health.h.
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
 *   boot_id         makes client identifiers of checks different from those of other routers
 */
MUST_USE struct prober *prober_new(struct ev_loop *loop, struct node_registry *registry,
                                   struct log *log, uint64_t boot_id,
                                   const struct prober_callbacks *callbacks);
void prober_free(struct prober *prober); /* null is allowed */

/*
 * Use this snapshot from now on; takes a reference. Existing nodes (matched by record) keep their
 * health. New nodes start as up, and are checked soon. Removed nodes are checked while they have
 * sessions. A removed node that returns, or a node whose address has changed, keeps its verdict
 * until its next check, which follows soon and is decisive. The administrative state of each node
 * is the configured one, unless prober_override() was called and the configured state has not
 * changed since.
 *
 * Password files and certificates are read again, even if the snapshot is the same.
 *
 *   first   the router is starting: no slow start, and the first checks are spread over at most one
 *           second. In a later snapshot, new and returning nodes have a slow start (up_since_us),
 *           unless no other node stays in their cluster
 *
 * Returns false if out of memory; the old snapshot then stays in use.
 */
MUST_USE bool prober_take(struct prober *prober, struct snapshot *snapshot, bool first);

/* Override a node's configured state. Returns false if there is no such node. */
bool prober_override(struct prober *prober, const char *cluster, const char *node,
                     enum node_state state);

/*
 * Report that a session has failed, after counting it in the node's record. Any thread can call
 * this. Returns true on the first call since the last evaluation: the main thread must then call
 * prober_check_failures().
 */
MUST_USE bool prober_note_failing(struct prober *prober);
void prober_check_failures(struct prober *prober);

#define PROBER_WHY_MAX 160u

/* Health of a node. */
struct prober_facts {
    enum node_state admin_state, in_file; /* the current state, the configured state */
    bool has_checks, checked;             /* checks are configured; one has finished */
    enum check_result latest;
    uint64_t checked_us;                   /* time of the last check, monotonic */
    char why[PROBER_WHY_MAX];              /* reason for the status; "" = unknown */
    uint64_t checks[HEALTH_CHECK_RESULTS]; /* number of checks by result */
    bool suspected;   /* accepts sessions although its checks time out, due to panic mode */
    bool unanswered;  /* no check of its cluster has ever got an answer */
    bool unreachable; /* its last check could not connect */
};

/* Whether a cluster (an index in the snapshot) is in panic mode. */
bool prober_panics(const struct prober *prober, size_t cluster);

/* Read the health of a node. Returns false if the node is unknown. */
MUST_USE bool prober_read(const struct prober *prober, const struct node_live *live,
                          struct prober_facts *out);

#endif
