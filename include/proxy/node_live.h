/*
 * node_live.h - the live record of a node, shared by all threads and independent of the
 * configuration: one per node, matched by the names of cluster and node, which outlives every
 * snapshot. Relayed sessions hold a reference to it and to nothing else.
 *
 * All atomics are relaxed unless stated otherwise: they are counts, or are read again soon.
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

/* Why a relayed session is not at its home, which decides when homecoming closes it. */
enum off_home_cause {
    OFF_HOME_DOWN,    /* its home was not up: every homecoming */
    OFF_HOME_MOVED,   /* its home changed with the nodes: only if requested */
    OFF_HOME_REFUSED, /* its home was up, but refused or did not answer: as OUT after it was down */
    OFF_HOME_OVERFLOW, /* its home was full, busy or paced: only if requested */
    OFF_HOME_CAUSE_COUNT
};

/*
 * Why the router closes sessions of a node that does not close them itself. Enum suffix, and whose
 * sessions: those on the node, or those off home whose home it is.
 */
enum eviction {
    EVICT_DRAIN_CLEAN, /* draining: sessions that the broker forgets at their end (clean) */
    EVICT_DRAIN,       /* draining: any session */
    EVICT_DOWN,        /* the node is down and has not reset them */
    EVICT_OFF_HOME,    /* one for each enum off_home_cause */
    EVICTION_COUNT = EVICT_OFF_HOME + OFF_HOME_CAUSE_COUNT
};

/* One worker's sessions of one node. Used by that worker only. */
struct node_seat {
    _Alignas(64) struct list waiting;           /* dialling, or waiting for its CONNACK */
    struct list clean;                          /* relayed, clean session */
    struct list kept;                           /* relayed, the broker keeps the session */
    struct list off_home[OFF_HOME_CAUSE_COUNT]; /* relayed elsewhere; this is their home */
};

struct node_live {
    _Atomic uint32_t refs;
    const char *cluster, *name; /* live as long as the record */

    /* written by the main thread */
    _Atomic uint32_t status;      /* enum node_status */
    _Atomic uint64_t up_since_us; /* when it came back; 0 = up since our start */
    /* Since when its checks have timed out; 0 = they do not, or the node is known to be down. */
    _Atomic uint64_t suspected_since_us;
    _Atomic uint32_t evictions[EVICTION_COUNT]; /* sessions to close now: workers decrement */

    /* written by the workers */
    _Atomic uint32_t sessions; /* placed on the node now, dialling included */
    _Atomic uint32_t clean, kept, off_home[OFF_HOME_CAUSE_COUNT]; /* lengths of the seats' lists */
    _Atomic uint64_t failures; /* failures of sessions that count against the node */
    _Atomic uint64_t placed[PLACEMENT_KIND_COUNT];
    _Atomic uint64_t next_turn_us; /* pacing: placement_take_turn() */
    _Atomic uint64_t accepted_us;  /* when it last accepted a CONNECT; 0 = never */
    _Atomic uint32_t refused;      /* CONNECTs it refused with return code 3 since then */
    _Atomic uint32_t unanswered;   /* CONNECTs in a row that got no byte in answer */
    _Atomic bool answered; /* it has answered one; cleared when PROXY protocol or TLS change */

    struct list link; /* in the registry; main thread */
    unsigned n_seats;
    struct node_seat *seats; /* one for each worker */
};

static inline enum node_status node_live_status(const struct node_live *live)
{
    return (enum node_status)atomic_load_explicit(&live->status, memory_order_relaxed);
}

/* A relaxed load of one of its counts. */
#define NODE_LIVE_READ(field) atomic_load_explicit(&(field), memory_order_relaxed)

/* A CONNECT to the node got no answer: the connection ended, or the time limit passed. */
static inline void node_live_note_unanswered(struct node_live *live)
{
    atomic_fetch_add_explicit(&live->unanswered, 1, memory_order_relaxed);
}

/* The node has answered a CONNECT. Stores only on change, because every session calls this. */
static inline void node_live_note_answer(struct node_live *live)
{
    if (NODE_LIVE_READ(live->unanswered) > 0)
        atomic_store_explicit(&live->unanswered, 0, memory_order_relaxed);
    if (!NODE_LIVE_READ(live->answered))
        atomic_store_explicit(&live->answered, true, memory_order_relaxed);
}

/* Number of sessions on other nodes whose home this node is, for any cause. */
static inline uint32_t node_live_off_home(const struct node_live *live)
{
    uint32_t n = 0;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
        n += NODE_LIVE_READ(live->off_home[cause]);
    return n;
}

/* All records of a process. For the main thread; workers read `status_version`. */
struct node_registry {
    struct list records;
    unsigned workers;
    _Atomic uint32_t
        status_version; /* changes with any status; release, and acquire by the workers */
    /*
     * Workers that have not yet found out which of their sessions are off home under the current
     * nodes. The main thread increments, workers decrement (release; acquire to read).
     */
    _Atomic uint32_t recounts;
};

void node_registry_init(struct node_registry *registry, unsigned workers);
void node_registry_fini(struct node_registry *registry); /* no reference may be left */

/* The record of a node, a reference taken; created if there is none. Null: memory is short. */
MUST_USE struct node_live *node_registry_get(struct node_registry *registry, const char *cluster,
                                             const char *name);

/* Free the records that only the registry holds. */
void node_registry_sweep(struct node_registry *registry);

/* From any thread. The last reference is the registry's, so nothing is freed here. */
void node_live_ref(struct node_live *live);
void node_live_unref(struct node_live *live); /* null is allowed */

/* Main thread: change a node's status; workers see it at their next placement. */
void node_live_set_status(struct node_registry *registry, struct node_live *live,
                          enum node_status status);

#endif
