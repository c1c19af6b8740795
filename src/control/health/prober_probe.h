/*
 * prober_probe.h - one node under observation: its health, its next check, the check under way.
 *
 * Private to the prober. Says each change of the node's status, and writes it to its record.
 */
#ifndef CONTROL_HEALTH_PROBER_PROBE_H
#define CONTROL_HEALTH_PROBER_PROBE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "model/health.h"
#include "prober.h"
#include "prober_plan.h"

struct probe;

/* What all probes share. */
struct prober_place {
    struct ev_loop *loop;           /* borrowed, as the next two */
    struct node_registry *registry; /* whose record's status is written */
    struct log *log;
    struct prober_callbacks news;
    /* called when the verdict of a probe's checks has changed: its cluster is settled then */
    void (*judged)(void *arg, struct probe *probe);
    void *arg;               /* of judged */
    uint64_t client_numbers; /* the next probe's, in its client identifier */
    uint64_t random;         /* of the jitter; never 0 */
};

#define PROBE_CLIENT_ID_MAX 24u
#define PROBE_WHY_MAX       PROBER_WHY_MAX

struct probe {
    struct prober_place *place;     /* borrowed */
    struct prober_plan *plan;       /* a reference; null until it serves */
    struct prober_cluster *cluster; /* of the plan */
    const struct node *node;        /* of the plan's snapshot */
    struct node_live *live;         /* the same snapshot's */

    struct health health;
    enum node_state configured; /* the configuration's decree; health.decree may be an operator's */
    bool by_operator;
    uint64_t failures_seen; /* of live->failures */
    uint32_t failures_told; /* how many took it out, for the log */

    char client_id[PROBE_CLIENT_ID_MAX];
    char why[PROBE_WHY_MAX];    /* the last check's reason */
    enum check_contact contact; /* how far it came */
    uint64_t checked_us;        /* when it ended */
    bool unanswered; /* it got no byte for its CONNECT, as all checks of the cluster so far */
    uint64_t silent_since_us;              /* when the first check in a row that timed out began */
    uint64_t checks[HEALTH_CHECK_RESULTS]; /* how many had which result */
    struct ev_timer next;
    unsigned turn; /* of the cluster's source addresses */

    /* the check under way; what it was asked with stays until it ends */
    struct check *check;
    struct prober_plan *check_plan; /* a reference */
    struct endpoint check_endpoint;
    uint64_t check_begun_us;
    bool short_said; /* the last one could not be begun, and the log says so */

    bool kept;    /* while a snapshot is taken up: it is in the new one as well */
    bool renewed; /* the same: it was known, and joins again */
};

/* For a node as it is in its first snapshot; does nothing yet. Null when memory is short. */
MUST_USE struct probe *probe_new(struct prober_place *place, struct node_live *live);
void probe_free(struct probe *probe); /* null is allowed */

/*
 * Does the node join its cluster with this plan? It is new, or was departed, or has another address
 * than before.
 *
 *   node   in the new plan's snapshot, one that has not departed
 */
bool probe_joins(const struct probe *probe, const struct node *node);

/* How a node begins to be served. */
enum probe_begin {
    PROBE_FROM_START, /* at the router's start, or with its whole cluster: no slow start */
    PROBE_LATER       /* joins others: slowly, and checked soon */
};

/*
 * Serve the node as this plan has it from now on.
 *
 *   within_ms   a first check comes within this time, spread at random
 */
void probe_serve(struct probe *probe, struct prober_plan *plan, struct prober_cluster *cluster,
                 const struct node *node, uint32_t within_ms);

/* For a node that joins, before probe_serve(): earlier results may be out of date. */
void probe_begin(struct probe *probe, enum probe_begin how);

/* Set an operator's override; the probe must be settled afterwards. */
void probe_override(struct probe *probe, enum node_state state);

/* Reason for its status; points into the probe or into `text`. */
const char *probe_why(const struct probe *probe, char text[PROBE_WHY_MAX]);

/* How many sessions have failed on it since the last call. */
uint32_t probe_take_failures(struct probe *probe);

/* Let the record have the status that its health says now; says and tells a change. */
void probe_settle(struct probe *probe);

#endif
