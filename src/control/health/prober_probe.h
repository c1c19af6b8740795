/*
 * prober_probe.h - the probe of one node: its health, its next check, the check in progress.
 *
 * Private to the prober. Logs each change of the node's status, and writes it to the node's record.
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
    struct ev_loop *loop;           /* borrowed, like the next two */
    struct node_registry *registry; /* whose record's status is written */
    struct log *log;
    struct prober_callbacks callbacks;
    /* called when a probe's verdict has changed; it settles the cluster */
    void (*verdict_changed)(void *arg, struct probe *probe);
    void *arg;               /* of verdict_changed */
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
    enum node_state configured; /* as in the file; health.admin_state may be an operator's */
    bool by_operator;
    uint64_t failures_seen;   /* of live->failures */
    uint32_t failures_logged; /* number that led to the ejection, for the log */

    char client_id[PROBE_CLIENT_ID_MAX];
    char why[PROBE_WHY_MAX];    /* the last check's reason */
    enum check_contact contact; /* how far the last check got */
    uint64_t checked_us;        /* when it ended */
    bool unanswered;            /* no check of the cluster ever got a byte for its CONNECT */
    uint64_t silent_since_us;   /* when the first check in a row that timed out began */
    uint64_t checks[HEALTH_CHECK_RESULTS]; /* how many had which result */
    struct ev_timer next;
    unsigned turn; /* of the cluster's source addresses */

    /* the check in progress; its parameters are kept until it ends */
    struct check *check;
    struct prober_plan *check_plan; /* a reference */
    struct endpoint check_endpoint;
    uint64_t check_begun_us;
    bool shortage_logged; /* the last check could not start, which is logged */

    bool kept;    /* during prober_take(): it is in the new snapshot */
    bool rejoins; /* during prober_take(): it was known, and joins again */
};

/* Does nothing before probe_serve(). Null if memory is short. */
MUST_USE struct probe *probe_new(struct prober_place *place, struct node_live *live);
void probe_free(struct probe *probe); /* null is allowed */

/*
 * Whether the node joins its cluster: it is new, returns, or has another address.
 *
 *   node   a member of its cluster in the new plan's snapshot
 */
bool probe_joins(const struct probe *probe, const struct node *node);

/* Why a node joins. */
enum probe_begin {
    PROBE_FROM_START, /* at the router's start, or with its whole cluster: no slow start */
    PROBE_LATER       /* joins other nodes: slow start, and checked soon */
};

/*
 * Use this plan for the node from now on.
 *
 *   within_ms   upper limit of the random delay of the first check
 */
void probe_serve(struct probe *probe, struct prober_plan *plan, struct prober_cluster *cluster,
                 const struct node *node, uint32_t within_ms);

/* For a node that joins, before probe_serve(): earlier results may be out of date. */
void probe_begin(struct probe *probe, enum probe_begin how);

/* Set an operator's override; the probe must be settled afterwards. */
void probe_override(struct probe *probe, enum node_state state);

/* Reason for its status; points into the probe or into `text`. */
const char *probe_why(const struct probe *probe, char text[PROBE_WHY_MAX]);

/* Number of failed sessions since the last call. */
uint32_t probe_take_failures(struct probe *probe);

/* Update the node's record from its health; log and report a change. */
void probe_settle(struct probe *probe);

#endif
