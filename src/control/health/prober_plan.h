/*
 * prober_plan.h - a snapshot with the secrets and TLS contexts that its checks need. Shared by the
 * prober and the running checks, which may outlast a reload.
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
    uint64_t panic_us;      /* since when */
    uint64_t calm_since_us; /* since when enough nodes are up again; 0 = they are not */
    bool any_answer;        /* a check was answered since PROXY protocol or TLS last changed */
};

/* Whether both have the same PROXY protocol and TLS settings. */
bool prober_same_way(const struct cluster_conf *a, const struct cluster_conf *b);

struct prober_cluster {
    struct prober_group group;
    const struct cluster *cluster;  /* of the plan's snapshot */
    struct tls_client_context *tls; /* owned; null = checks are plain */
    struct small_file password;     /* owned; text null = none */
    bool able;                      /* checks are configured, and their TLS was loaded */
};

struct prober_plan {
    unsigned refs;
    struct snapshot *snapshot;       /* a reference */
    struct prober_cluster *clusters; /* as many as the snapshot has */
};

/*
 * Read the password files and load the certificates of clusters with checks. Failures are logged:
 * `check.no_password` (checks run without it), `check.no_tls` (no checks).
 *
 *   library   outlives the plan; created if it is null and needed
 *
 * One reference, the caller's. Null when memory is short.
 */
MUST_USE struct prober_plan *prober_plan_new(struct snapshot *snapshot,
                                             struct tls_library **library, struct log *log);
struct prober_plan *prober_plan_ref(struct prober_plan *plan);
void prober_plan_unref(struct prober_plan *plan); /* null is allowed */

/* Address of a node's checks. Returns false if it has none (possible for a discovered node). */
MUST_USE bool prober_endpoint(const struct cluster_conf *conf, const struct node *node,
                              struct endpoint *out);

#endif
