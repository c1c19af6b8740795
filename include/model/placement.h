/*
 * placement.h - which nodes to try for a session, in which order. Pure: what is known of the
 * nodes goes in, indices come out.
 *
 *   1. nodes that are open (up, weight above 0): those that are no backup; only when there is
 *      none of them, the backups
 *   2. by rendezvous hash for a key, by load for a session without one
 *   3. those with nothing in the way of this session first; behind them, while there are tries
 *      left, those that would rather not have it (warming up, busy); never the full
 *   4. behind all open primaries (no backups), while there are tries left and none of them is
 *      full: free backups, for when the primaries turn out to be dead before it is known
 *   5. after all open nodes, while there are tries left and none of them is full: paused nodes,
 *      which are alive but ask for no new sessions; primaries first, then backups
 *
 * So a device is sent to a node that is warming up or paused rather than refused, but it is refused
 * rather than sent to a node beyond its limit. A full primary counts as up: while there is one, no
 * backup is tried, even if all other primaries are dead.
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

/* How a session came to its node: enum suffix, word in log and metrics. */
#define PLACEMENT_KINDS(X)                                                                         \
    X(HOME, "home")         /* where the hash says */                                              \
    X(FALLBACK, "fallback") /* home is not open, or could not be reached */                        \
    X(OVERFLOW, "overflow") /* home is full, or warming up, or its queue is */                     \
    X(REPLAY, "replay")     /* another node failed or refused before its CONNACK */                \
    X(SPREAD, "spread")     /* no key: the least loaded */

enum placement_kind {
#define X(suffix, word) PLACEMENT_##suffix,
    PLACEMENT_KINDS(X)
#undef X
        PLACEMENT_KIND_COUNT
};

const char *placement_kind_name(enum placement_kind kind);

/* What stands between one open node and one session. */
enum placement_availability {
    PLACEMENT_FREE,
    PLACEMENT_WARMING, /* slow start, and not warm for this key: placement_is_warm_for() */
    PLACEMENT_BUSY,    /* beyond its share of bounded load: placement_capacity() */
    PLACEMENT_FULL     /* max_connections */
};

/* The nodes of a cluster as a pick sees them; arrays of n, all borrowed. */
struct placement_view {
    const struct rendezvous_node *nodes; /* every node, with its weight */
    const bool *open;                    /* takes new sessions now (its weight may still be 0) */
    const bool *backup;                  /* null = none is */
    const bool *paused;                  /* the last resort; null = none is */
    size_t n;
    /*
     * Called for open and paused nodes that are in question only, perhaps more than once; key
     * absent = session without a key. Null = nothing stands in the way of any.
     */
    enum placement_availability (*availability)(void *arg, uint32_t index, struct span key);
    void *arg;
};

struct placement {
    uint32_t candidates[PLACEMENT_TRIES_MAX]; /* node indices, in the order to try them */
    uint8_t n;                                /* 0: no node can take the session */
    uint8_t n_paused; /* number of paused nodes at the end of the candidates: the last resort */
    bool overflow;    /* the first candidate is not the best open node, which is barred */
    bool full;        /* n is 0: all open nodes are full; if primaries are open, all of these */
    bool has_home;
    uint32_t home; /* where the hash says while all non-backup nodes are open; for a key only */
};

/*
 * The nodes to try for a key, which may be any bytes. In a cluster where all is well it hashes
 * the key once for each node.
 */
void placement_by_key(const struct placement_view *view, struct span key, struct placement *out);

/*
 * The nodes to try for a session without a key: least sessions by weight first.
 *
 *   sessions   on each node now, view->n of them
 *   turn       one more each time: equals take turns, evenly, whatever stands between them
 */
void placement_by_load(const struct placement_view *view, const uint32_t *sessions, uint32_t turn,
                       struct placement *out);

/*
 * Has a node that is slowly starting room for this key yet? It takes a share of its keys that
 * grows from nothing to all of them over slow_start_ms; a key it took once it keeps taking,
 * and every router with the same idea of the time takes the same.
 *
 *   seed    the node's rendezvous seed
 *   up_ms   how long it has been back
 */
bool placement_is_warm_for(uint64_t seed, struct span key, uint64_t up_ms, uint32_t slow_start_ms);

/*
 * Bounded load (consistent hashing with bounded loads; Mirrokni, Thorup, Zadimoghaddam, 2018):
 * the most sessions a node may have, the one at hand included.
 *
 *   permille          1000 and above
 *   total             sessions on all open nodes, without the one at hand
 *   weight, weights   the node's, and the sum over all open nodes (above 0)
 *
 * The capacities of all open nodes together have room for the session at hand.
 */
uint64_t placement_capacity(uint32_t permille, uint64_t total, uint32_t weight, uint64_t weights);

/*
 * Pacing of new sessions to a node: reserve the next turn.
 *
 *   next        which turns are taken, private to this function; 0 at first. In: as the last
 *               call left it; out: one turn more
 *   now_us      of the monotonic clock, below 2^52
 *   per_s       sessions a second; 0 = any number: nobody waits
 *   queue_ms    the longest a session may wait
 *
 * Returns how many microseconds this session has to wait for its turn (0 = goes at once), or
 * PLACEMENT_NO_TURN, *next untouched, when that would be more than queue_ms.
 *
 * A burst of what the node may get in 100 ms, at least one session, goes at once; so no t
 * seconds ever see more than that burst and t * per_s. A turn is rounded up by less than
 * 0.25 ns, which keeps the pace below per_s by 2 in 100,000 at 100,000 a second.
 */
#define PLACEMENT_NO_TURN UINT64_MAX
uint64_t placement_take_turn(uint64_t *next, uint64_t now_us, uint32_t per_s, uint32_t queue_ms);

/* What a comparison of two sets of nodes needs of each. */
struct placement_homes {
    const struct rendezvous_node *nodes; /* weight 0 and backups may be among them: no home */
    const bool *backup;                  /* null = none is */
    size_t n;
};

/*
 * What share of all keys has another home in `after` than in `before`, in permille: by asking
 * for the homes of 8192 made-up keys, fewer with more than 30 nodes, 256 at least. Good to
 * about 5 permille, to 30 with a thousand nodes; takes some milliseconds, with a thousand nodes
 * of different weights some fifty.
 * Nodes are matched by name. A side without any home: 1000, unless both are such.
 */
uint32_t placement_moved_permille(const struct placement_homes *before,
                                  const struct placement_homes *after);

/* The key's home among the nodes that have a weight and are not backups. False: there is none. */
MUST_USE bool placement_home_index(const struct placement_homes *homes, struct span key,
                                   uint32_t *index);

/* Its name; null = none. */
const char *placement_home(const struct placement_homes *homes, struct span key);

/*
 * What share of all keys has its home on each node, in permille of them, as they are now.
 *
 *   open   the nodes that take sessions; the others get 0. While no primary is open, backups are
 *          home (see the top of this file)
 *   out    homes->n of them. They add up to 1000 (each rounded so that they do), or are all 0
 *          when there is no home
 *
 * By sampling as placement_moved_permille(), and as good and as dear as that.
 */
void placement_shares(const struct placement_homes *homes, const bool *open, uint32_t *out);

#endif
