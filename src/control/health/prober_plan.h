/*
 * prober_plan.h - a snapshot with the secrets and TLS contexts that its checks need. Shared by the
 * prober and the running checks, which can outlast a reload.
 *
 * Main thread only, so the reference count is not atomic.
 */
#ifndef CONTROL_HEALTH_PROBER_PLAN_H
#define CONTROL_HEALTH_PROBER_PLAN_H

#include <stdbool.h>

#include "base/log.h"
#include "base/small_file.h"
#include "base/util.h"
#include "net/tls/client.h"
#include "proxy/snapshot.h"

/* State of a whole cluster; copied to the next plan. */
struct prober_group {
    bool panic;             /* suspected nodes keep accepting sessions */
    uint64_t panic_us;      /* start of panic mode */
    uint64_t calm_since_us; /* when enough nodes were up again; 0 = not enough are up */
    bool any_answer; /* a check was answered since PROXY protocol or TLS settings last changed */
};

/* Whether both clusters have the same PROXY protocol and TLS settings. */
bool prober_same_way(const struct cluster_conf *a, const struct cluster_conf *b);

struct prober_cluster {
    struct prober_group group;
    const struct cluster *cluster;  /* in the plan's snapshot */
    struct tls_client_context *tls; /* owned; null = checks do not use TLS */
    struct small_file password;     /* owned; all zero = none */
    bool able;                      /* checks are configured, and their TLS context was loaded */
};

struct prober_plan {
    unsigned refs;
    struct snapshot *snapshot;       /* a reference */
    struct prober_cluster *clusters; /* owned; one per cluster of the snapshot */
};

/*
 * Read the password files and load the certificates of clusters with checks. Failures are logged:
 * `check.no_password` (checks run without a password), `check.no_tls` (checks do not run).
 *
 *   library   must outlive the plan; created if it is null and needed
 *
 * The caller owns one reference. Returns null if out of memory.
 */
MUST_USE struct prober_plan *prober_plan_new(struct snapshot *snapshot,
                                             struct tls_library **library, struct log *log);
struct prober_plan *prober_plan_ref(struct prober_plan *plan);
void prober_plan_unref(struct prober_plan *plan); /* null is allowed */

/*
 * Get the address for a node's checks. Returns false if there is none (possible for a discovered
 * node).
 */
MUST_USE bool prober_endpoint(const struct cluster_conf *conf, const struct node *node,
                              struct endpoint *out);

#endif
