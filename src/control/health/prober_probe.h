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

/* State shared by all probes. */
struct prober_place {
    struct ev_loop *loop;           /* borrowed, like the next two */
    struct node_registry *registry; /* contains the records whose status is written */
    struct log *log;
    struct prober_callbacks callbacks;
    /* called to settle the cluster when a probe's verdict has changed */
    void (*verdict_changed)(void *arg, struct probe *probe);
    void *arg;               /* argument of verdict_changed */
    uint64_t client_numbers; /* number in the client identifier of the next probe */
    uint64_t random;         /* random state for the jitter; never 0 */
};

#define PROBE_CLIENT_ID_MAX 24u
#define PROBE_WHY_MAX       PROBER_WHY_MAX

struct probe {
    struct prober_place *place;     /* borrowed */
    struct prober_plan *plan;       /* a reference; null before probe_serve() */
    struct prober_cluster *cluster; /* in the plan */
    const struct node *node;        /* in the plan's snapshot */
    struct node_live *live;         /* the node's record */

    struct health health;
    enum node_state configured; /* state in the file; health.admin_state can be an override */
    bool by_operator;
    uint64_t failures_seen;   /* live->failures when last read */
    uint32_t failures_logged; /* number of failures that led to the ejection, for the log */

    char client_id[PROBE_CLIENT_ID_MAX];
    char why[PROBE_WHY_MAX];    /* reason given by the last check */
    enum check_contact contact; /* how far the last check got */
    uint64_t checked_us;        /* when the last check ended */
    bool unanswered;            /* see struct prober_facts */
    uint64_t silent_since_us;   /* start of the first check in the current series of timeouts */
    uint64_t checks[HEALTH_CHECK_RESULTS]; /* number of checks by result */
    struct ev_timer next;
    unsigned turn; /* counter to rotate the cluster's source addresses */

    /* the check in progress; its parameters are kept until it ends */
    struct check *check;
    struct prober_plan *check_plan; /* a reference */
    struct endpoint check_endpoint;
    uint64_t check_begun_us;
    bool shortage_logged; /* the last check could not start, and this was logged */

    bool kept;    /* during prober_take(): the node is in the new snapshot */
    bool rejoins; /* during prober_take(): an existing node that joins again */
};

/* Create a probe, which does nothing before probe_serve(). Returns null if out of memory. */
MUST_USE struct probe *probe_new(struct prober_place *place, struct node_live *live);
void probe_free(struct probe *probe); /* null is allowed */

/*
 * Whether the node joins its cluster: it is new, has returned, or has another address.
 *
 *   node   a member of its cluster in the new plan's snapshot
 */
bool probe_joins(const struct probe *probe, const struct node *node);

/* How a node joins its cluster. */
enum probe_begin {
    PROBE_FROM_START, /* at startup, or with its whole cluster: no slow start */
    PROBE_LATER       /* joins other nodes: slow start, and checked soon */
};

/*
 * Use this plan for the node from now on.
 *
 *   within_ms   upper limit of the random delay of the first check
 */
void probe_serve(struct probe *probe, struct prober_plan *plan, struct prober_cluster *cluster,
                 const struct node *node, uint32_t within_ms);

/* Reset a node that joins, because earlier results may be out of date. Call probe_serve() next. */
void probe_begin(struct probe *probe, enum probe_begin how);

/* Set an operator's override; call probe_settle() afterwards. */
void probe_override(struct probe *probe, enum node_state state);

/* Return the reason for the node's status. It points into the probe or into `text`. */
const char *probe_why(const struct probe *probe, char text[PROBE_WHY_MAX]);

/* Return the number of sessions that failed since the last call. */
uint32_t probe_take_failures(struct probe *probe);

/* Update the node's record from its health; log and report a change. */
void probe_settle(struct probe *probe);

#endif
