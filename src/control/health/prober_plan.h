/*
 * prober_plan.h - what checks of one snapshot's nodes need besides it: the secrets and the TLS
 * of each cluster. Shared by the prober and the checks under way, which may outlast a reload.
 *
 * Of the main thread, so its count of references is plain.
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
    bool panic;             /* nodes that are only suspected are spared */
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
    bool able;                      /* its checks can be made: its TLS could be loaded */
};

struct prober_plan {
    unsigned refs;
    struct snapshot *snapshot;       /* a reference */
    struct prober_cluster *clusters; /* as many as the snapshot has */
};

/*
 * Read the password files and load the certificates of clusters with checks. What cannot be
 * read is an event: `check.no_password` (checks go on without), `check.no_tls` (no checks).
 *
 *   library   outlives the plan; made when it is null and needed
 *
 * One reference, the caller's. Null when memory is short.
 */
MUST_USE struct prober_plan *prober_plan_new(struct snapshot *snapshot,
                                             struct tls_library **library, struct log *log);
struct prober_plan *prober_plan_ref(struct prober_plan *plan);
void prober_plan_unref(struct prober_plan *plan); /* null is allowed */

/* Where the checks of a node go. False when it has no such place (a discovered node may not). */
MUST_USE bool prober_endpoint(const struct cluster_conf *conf, const struct node *node,
                              struct endpoint *out);

#endif
