/*
 * worker_evict.c - what the nodes' records tell a worker to do with its sessions.
 *
 * The main thread hands out closings as credit on a node's record (control/evictor.h); each
 * worker takes from it one by one, for sessions it has. And sessions that wait for a node that
 * has been found down need not wait for their deadline: they go on to the next.
 */
#include <stdatomic.h>

#include "base/list.h"
#include "session.h"
#include "worker.h"

/* Sessions closed before others get a turn: a deadline may tell us to close thousands. */
#define EVICTED_A_TURN 256u

static const enum close_reason reasons[] = {
    [EVICT_DRAIN_CLEAN] = CLOSE_NODE_DRAINED,
    [EVICT_DRAIN] = CLOSE_NODE_DRAINED,
    [EVICT_DOWN] = CLOSE_NODE_DOWN,
    [EVICT_HOME] = CLOSE_HOMECOMING,
};
_Static_assert(ARRAY_LEN(reasons) == EVICTION_COUNT, "every eviction has its reason");

/* The oldest session to close; null when this worker has none. */
static struct session *next_to_go(struct node_seat *seat, enum eviction why)
{
    if (why == EVICT_HOME)
        return list_empty(&seat->away) ? NULL
                                       : CONTAINER_OF(seat->away.next, struct away, link)->session;
    if (!list_empty(&seat->clean))
        return CONTAINER_OF(seat->clean.next, struct session, seat_link);
    if (why == EVICT_DRAIN_CLEAN || list_empty(&seat->kept))
        return NULL;
    return CONTAINER_OF(seat->kept.next, struct session, seat_link);
}

static bool take_credit(_Atomic uint32_t *credit)
{
    uint32_t left = atomic_load_explicit(credit, memory_order_relaxed);
    while (left > 0)
        if (atomic_compare_exchange_weak_explicit(credit, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* Returns how many were closed. */
static unsigned evict(struct worker *w, struct node_live *live, enum eviction why)
{
    struct session *s;
    unsigned n = 0;
    while (n < EVICTED_A_TURN && (s = next_to_go(&live->seats[w->index], why)) &&
           take_credit(&live->evictions[why])) {
        session_end(s, reasons[why]);
        n++;
    }
    return n;
}

static bool is_lost(const struct node_live *live)
{
    enum node_status status = node_live_status(live);
    return status == NODE_DOWN || status == NODE_OFF;
}

/* Each goes to another node, or is closed: the list empties. */
static void move_waiting(struct worker *w, struct node_live *live)
{
    struct list waiting;
    list_init(&waiting);
    list_move_all(&live->seats[w->index].waiting, &waiting);
    while (!list_empty(&waiting)) {
        struct session *s = CONTAINER_OF(waiting.next, struct session, seat_link);
        list_remove(&s->seat_link);
        list_append(&live->seats[w->index].waiting, &s->seat_link);
        session_node_lost(s);
    }
}

static void look_at(struct worker *w, struct node_live *live)
{
    for (int why = 0; why < EVICTION_COUNT; why++)
        if (NODE_LIVE_READ(live->evictions[why]) > 0 &&
            evict(w, live, (enum eviction)why) == EVICTED_A_TURN)
            worker_wake(w); /* there may be more: in the next turn of the loop */
    if (is_lost(live))
        move_waiting(w, live);
}

void worker_look_at_nodes(struct worker *w)
{
    for (size_t i = 0; i < w->n_rosters; i++) {
        /* held: a session that ends may be the last one to hold it, and it must not go now */
        struct roster *roster = roster_ref(w->rosters[i]);
        for (size_t k = 0; k < roster->cluster->n_all; k++)
            look_at(w, roster->cluster->nodes[k].live);
        roster_unref(roster);
    }
}
