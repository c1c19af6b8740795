/*
 * placement.h - select the nodes to try for a session, in order. Pure: the state of the nodes goes
 * in, indices come out.
 *
 *   1. Take the open nodes (up, weight above 0) that are primaries (not backups). If there are
 *      none, take the open backups.
 *   2. Sort them by rendezvous hash of the key, or by load if the session has no key.
 *   3. Move nodes that are warming up or busy to the end, and remove full nodes.
 *   4. If tries are left and no primary is full, add free backups, in case the primaries turn out
 *      to be dead.
 *   5. If tries are left and no open node is full, add paused nodes, which are alive but take no
 *      new sessions: first primaries, then backups.
 *
 * A device is placed on a node that is warming up or paused rather than refused, but is refused
 * rather than placed on a full node. A full primary counts as up: while there is one, no backup is
 * tried, even if all other primaries are dead.
 */
#ifndef MODEL_PLACEMENT_H
#define MODEL_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/util.h"
#include "rendezvous.h"

#define PLACEMENT_TRIES_MAX 3u /* nodes tried for one session */

/* Why a session was placed on its node: enum suffix, name in log and metrics. */
#define PLACEMENT_KINDS(X)                                                                         \
    X(HOME, "home")         /* it is the key's home */                                             \
    X(FALLBACK, "fallback") /* home is not open, or could not be reached */                        \
    X(OVERFLOW, "overflow") /* home is at a limit or warming up */                                 \
    X(REPLAY, "replay")     /* another node failed or refused before its CONNACK */                \
    X(SPREAD, "spread")     /* no key: the least loaded node */

enum placement_kind {
#define X(suffix, word) PLACEMENT_##suffix,
    PLACEMENT_KINDS(X)
#undef X
        PLACEMENT_KIND_COUNT
};

const char *placement_kind_name(enum placement_kind kind);

/* Availability of an open node for a session. */
enum placement_availability {
    PLACEMENT_FREE,
    PLACEMENT_WARMING, /* in slow start, not yet warm for this key: placement_is_warm_for() */
    PLACEMENT_BUSY,    /* above its bounded load: placement_capacity() */
    PLACEMENT_FULL     /* max_connections is reached */
};

/* The state of a cluster's nodes: arrays of n elements, all borrowed. */
struct placement_view {
    const struct rendezvous_node *nodes; /* all nodes, with their weights */
    const bool *open;                    /* accepts new sessions (the weight can still be 0) */
    const bool *backup;                  /* null = no node is a backup */
    const bool *paused;                  /* the last resort; null = no node is paused */
    size_t n;
    /*
     * Called only for open and paused nodes that can become candidates, possibly more than once
     * per node. key is absent for a session without a key. Null = all nodes are free.
     */
    enum placement_availability (*availability)(void *arg, uint32_t index, struct span key);
    void *arg;
};

struct placement {
    uint32_t candidates[PLACEMENT_TRIES_MAX]; /* node indices, in the order to try them */
    uint8_t n;                                /* 0: no node can take the session */
    uint8_t n_paused; /* number of paused nodes at the end of the candidates */
    bool overflow;    /* the best open node is not free, and another one is the first candidate */
    bool full;        /* all open primaries are full, or all open backups if no primary is open */
    bool has_home;    /* false if there is no key, or no node that can be home */
    uint32_t home;    /* the key's home, whether it is open or not */
};

/*
 * Select the nodes to try for a key, which can be any bytes. If all nodes are open and free, the
 * key is hashed once per node.
 */
void placement_by_key(const struct placement_view *view, struct span key, struct placement *out);

/*
 * Select the nodes to try for a session without a key, in the order of sessions per weight.
 *
 *   sessions   current number of sessions on each of view->n nodes
 *   turn       incremented by the caller for each session, so that equally loaded nodes take turns
 */
void placement_by_load(const struct placement_view *view, const uint32_t *sessions, uint32_t turn,
                       struct placement *out);

/*
 * Return whether a node in slow start already takes this key. The share of keys that it takes grows
 * from none to all over slow_start_ms. Once it takes a key, it continues to do so. Routers with the
 * same up_ms take the same keys.
 *
 *   seed    the node's rendezvous seed
 *   up_ms   time since the node came up
 */
bool placement_is_warm_for(uint64_t seed, struct span key, uint64_t up_ms, uint32_t slow_start_ms);

/*
 * Return the maximum number of sessions of a node, including the new one, under bounded load
 * (consistent hashing with bounded loads; Mirrokni, Thorup, Zadimoghaddam, 2018).
 *
 *   permille          at least 1000
 *   total             number of sessions on all open nodes, without the new one
 *   weight, weights   weight of the node, and sum over all open nodes (above 0)
 *
 * At least one open node has room for the new session.
 */
uint64_t placement_capacity(uint32_t permille, uint64_t total, uint32_t weight, uint64_t weights);

/*
 * Pace new sessions to a node: reserve the next turn.
 *
 *   next        private state of this function; 0 before the first call
 *   now_us      time of the monotonic clock, below 2^52
 *   per_s       sessions per second; 0 = no limit
 *   queue_ms    maximum time that a session may wait
 *
 * Returns the time in microseconds until this session's turn, or PLACEMENT_NO_TURN, with *next
 * untouched, if that is more than queue_ms.
 *
 * A burst of per_s / 10 sessions, at least one, does not wait. So no more than burst + t * per_s
 * sessions start in any t seconds. The time between turns is rounded up by less than 0.25 ns, so at
 * 100,000 per second the actual rate is about 0.002 % lower.
 */
#define PLACEMENT_NO_TURN UINT64_MAX
uint64_t placement_take_turn(uint64_t *next, uint64_t now_us, uint32_t per_s, uint32_t queue_ms);

/* The nodes of a cluster. Backups and nodes of weight 0 are not homes. */
struct placement_homes {
    const struct rendezvous_node *nodes;
    const bool *backup; /* null = no node is a backup */
    size_t n;
};

/*
 * Return the share of all keys, in permille, whose home in `after` is not the one in `before`.
 * Nodes are matched by name. If only one side has homes, the result is 1000.
 *
 * The result is an estimate from the homes of 8192 sample keys (fewer if both sides together have
 * more than 32 nodes, at least 256). The error is about 5 permille, or 30 for a thousand nodes.
 * This takes a few milliseconds, or about 50 for a thousand nodes of different weights.
 */
uint32_t placement_moved_permille(const struct placement_homes *before,
                                  const struct placement_homes *after);

/* Find the key's home. Returns false if no node can be home. */
MUST_USE bool placement_home_index(const struct placement_homes *homes, struct span key,
                                   uint32_t *index);

/* Return the name of the key's home, or null if no node can be home. */
const char *placement_home(const struct placement_homes *homes, struct span key);

/*
 * Estimate each node's current share of all keys, in permille.
 *
 *   open   nodes that accept sessions; others get 0. While no primary is open, the open backups
 *          share the keys
 *   out    homes->n values, rounded so that their sum is 1000; all 0 if no node accepts sessions
 *
 * Samples keys as placement_moved_permille() does, with the same accuracy and cost.
 */
void placement_shares(const struct placement_homes *homes, const bool *open, uint32_t *out);

#endif
