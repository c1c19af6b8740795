/*
 * node_live.h - the live record of a node: one per pair of cluster name and node name, shared by
 * all threads. It does not depend on the configuration and outlives snapshots. It is the only data
 * about its node that a relayed session references.
 *
 * All atomics are relaxed unless stated otherwise: they are counts, or values that are read again
 * soon.
 */
#ifndef PROXY_NODE_LIVE_H
#define PROXY_NODE_LIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/util.h"
#include "model/health.h"
#include "model/placement.h"

/*
 * Why a relayed session is not at its home. The cause decides when homecoming closes the session.
 */
enum off_home_cause {
    OFF_HOME_DOWN,     /* the home was not up; closed by every homecoming */
    OFF_HOME_MOVED,    /* the nodes have changed, and with them the home; only on request */
    OFF_HOME_REFUSED,  /* the home refused or did not answer; like DOWN if it was down since */
    OFF_HOME_OVERFLOW, /* the home was full, busy or paced; only on request */
    OFF_HOME_CAUSE_COUNT
};

/*
 * Why the router closes sessions: those on the node or, from EVICT_OFF_HOME on, those on other
 * nodes whose home is this node.
 */
enum eviction {
    EVICT_DRAIN_CLEAN, /* draining: clean sessions, which the broker discards at their end */
    EVICT_DRAIN,       /* draining: all sessions */
    EVICT_DOWN,        /* the node is down and has not reset its connections */
    EVICT_OFF_HOME,    /* one per enum off_home_cause */
    EVICTION_COUNT = EVICT_OFF_HOME + OFF_HOME_CAUSE_COUNT
};

/* The sessions of one node on one worker. Used by that worker only. */
struct node_seat {
    _Alignas(64) struct list waiting;           /* dialling, or waiting for a CONNACK */
    struct list clean;                          /* relayed, clean sessions */
    struct list kept;                           /* relayed, sessions that the broker keeps */
    struct list off_home[OFF_HOME_CAUSE_COUNT]; /* relayed by other nodes; this one is their home */
};

struct node_live {
    _Atomic uint32_t refs;
    const char *cluster, *name; /* valid as long as the record */

    /* written by the main thread */
    _Atomic uint32_t status;      /* enum node_status */
    _Atomic uint64_t up_since_us; /* when it last came up; 0 = up since the router started */
    /*
     * When health checks began to time out; 0 = they do not time out, or the node is already down.
     */
    _Atomic uint64_t suspected_since_us;
    _Atomic uint32_t evictions[EVICTION_COUNT]; /* sessions still to close; workers decrement it */

    /* written by the workers */
    _Atomic uint32_t sessions; /* currently placed on the node, including dialling ones */
    _Atomic uint32_t clean, kept,
        off_home[OFF_HOME_CAUSE_COUNT]; /* total lengths of the lists in `seats` */
    _Atomic uint64_t failures;          /* session failures charged to the node */
    _Atomic uint64_t placed[PLACEMENT_KIND_COUNT];
    _Atomic uint64_t next_turn_us; /* pacing: placement_take_turn() */
    _Atomic uint64_t accepted_us;  /* when the node last accepted a CONNECT; 0 = never */
    _Atomic uint32_t refused;      /* CONNECTs refused with return code 3 since then */
    _Atomic uint32_t unanswered;   /* consecutive CONNECTs without any answer */
    _Atomic bool
        answered; /* has answered a CONNECT; cleared when PROXY protocol or TLS settings change */

    struct list link; /* in the registry; used by the main thread only */
    unsigned n_seats;
    struct node_seat *seats; /* one per worker */
};

static inline enum node_status node_live_status(const struct node_live *live)
{
    return (enum node_status)atomic_load_explicit(&live->status, memory_order_relaxed);
}

/* A relaxed load of a field. */
#define NODE_LIVE_READ(field) atomic_load_explicit(&(field), memory_order_relaxed)

/* Note that a CONNECT got no answer: the node closed the connection, or the time limit passed. */
static inline void node_live_note_unanswered(struct node_live *live)
{
    atomic_fetch_add_explicit(&live->unanswered, 1, memory_order_relaxed);
}

/*
 * Note that the node has answered a CONNECT. Every session calls this, so it stores only changes.
 */
static inline void node_live_note_answer(struct node_live *live)
{
    if (NODE_LIVE_READ(live->unanswered) > 0)
        atomic_store_explicit(&live->unanswered, 0, memory_order_relaxed);
    if (!NODE_LIVE_READ(live->answered))
        atomic_store_explicit(&live->answered, true, memory_order_relaxed);
}

/* Return the number of sessions on other nodes whose home is this node, for all causes. */
static inline uint32_t node_live_off_home(const struct node_live *live)
{
    uint32_t n = 0;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
        n += NODE_LIVE_READ(live->off_home[cause]);
    return n;
}

/* All node records of the process. Used by the main thread; workers use only the atomics. */
struct node_registry {
    struct list records;
    unsigned workers;
    _Atomic uint32_t
        status_version; /* incremented (release) with every status change; workers acquire */
    /*
     * Number of pending recounts of off-home sessions (recount.c), after the nodes have changed.
     * The main thread increments it; workers decrement it (release; readers acquire).
     */
    _Atomic uint32_t recounts;
};

void node_registry_init(struct node_registry *registry, unsigned workers);
void node_registry_fini(
    struct node_registry *registry); /* all references must have been released */

/* Find or create the record of a node, and take a reference. Returns null if out of memory. */
MUST_USE struct node_live *node_registry_get(struct node_registry *registry, const char *cluster,
                                             const char *name);

/* Free the records that only the registry references. */
void node_registry_sweep(struct node_registry *registry);

/* May be called from any thread. The registry holds the last reference, so unref frees nothing. */
void node_live_ref(struct node_live *live);
void node_live_unref(struct node_live *live); /* null is allowed */

/* Change a node's status, on the main thread. Workers see it at their next placement. */
void node_live_set_status(struct node_registry *registry, struct node_live *live,
                          enum node_status status);

#endif
