/*
 * evict.c - close or move sessions as the live records of their nodes require.
 *
 * A node's record contains the number of sessions to close, set by the main thread
 * (control/health/evictor.h). Workers decrement it for each session that they close. Sessions that
 * wait for a node that has gone down move on to the next candidate, without waiting for their
 * deadline.
 */
#include <stdatomic.h>

#include "base/list.h"
#include "proxy/session/off_home.h"
#include "proxy/session/session.h"
#include "proxy/stages/run.h"
#include "proxy/stages/stages.h"
#include "worker.h"

/* Maximum number of sessions closed per turn of the loop; a deadline may require thousands. */
#define EVICTED_A_TURN 256u

/* Maximum number of sessions checked per turn to find one that a suspected node does not serve. */
#define LOOKED_AT_A_TURN 1024u

/* A session that gets no byte from a suspected node for this long is not served; in 0.1 s. */
#define SERVED_WITHIN_DS 600u

static const enum close_reason reasons[] = {
    [EVICT_DRAIN_CLEAN] = CLOSE_NODE_DRAINED,
    [EVICT_DRAIN] = CLOSE_NODE_DRAINED,
    [EVICT_DOWN] = CLOSE_NODE_DOWN,
    [EVICT_OFF_HOME] = CLOSE_HOMECOMING, /* and all off-home causes */
};

/*
 * Return true if the session has received bytes from its node recently, and after the health checks
 * began to time out: the node works for this device.
 */
static bool is_served(const struct session *s)
{
    const uint64_t since_us = NODE_LIVE_READ(s->node->suspected_since_us);
    if (since_us == 0)
        return false;
    const uint32_t now_ds = (uint32_t)(s->w->now_us / 100000u);
    return s->node_active_ds > (uint32_t)(since_us / 100000u) &&
           now_ds - s->node_active_ds < SERVED_WITHIN_DS;
}

/*
 * Return the first session that its node does not serve. Earlier ones move to the end of the list.
 */
static struct session *first_unserved(struct list *list, uint32_t n)
{
    for (uint32_t i = 0; i < n && i < LOOKED_AT_A_TURN && !list_empty(list); i++) {
        struct session *s = CONTAINER_OF(list->next, struct session, seat_link);
        if (!is_served(s))
            return s;
        list_remove(&s->seat_link);
        list_append(list, &s->seat_link);
    }
    return NULL;
}

/* Return a session of a node that is down, clean ones first; null if there is none to close. */
static struct session *next_of_down(struct node_live *live, struct node_seat *seat)
{
    struct session *s = first_unserved(&seat->clean, NODE_LIVE_READ(live->clean));
    return s ? s : first_unserved(&seat->kept, NODE_LIVE_READ(live->kept));
}

/* Return the oldest session to close; null if this worker has none. */
static struct session *next_to_go(struct node_live *live, struct node_seat *seat, enum eviction why)
{
    if (why == EVICT_DOWN)
        return next_of_down(live, seat);
    if (why >= EVICT_OFF_HOME) {
        const struct list *off_home = &seat->off_home[why - EVICT_OFF_HOME];
        return list_empty(off_home) ? NULL
                                    : CONTAINER_OF(off_home->next, struct off_home, link)->session;
    }
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

/* Return the number of closed sessions. */
static unsigned evict(struct worker *w, struct node_live *live, enum eviction why)
{
    struct session *s;
    unsigned n = 0;
    while (n < EVICTED_A_TURN && (s = next_to_go(live, &live->seats[w->core.index], why)) &&
           take_credit(&live->evictions[why])) {
        session_end(s, reasons[why < EVICT_OFF_HOME ? why : EVICT_OFF_HOME]);
        n++;
    }
    return n;
}

static bool is_lost(const struct node_live *live)
{
    enum node_status status = node_live_status(live);
    return status == NODE_DOWN || status == NODE_OFF;
}

/* Each session moves to another node or is closed, which empties the list. */
static void move_waiting(struct worker *w, struct node_live *live)
{
    struct list waiting;
    list_init(&waiting);
    list_move_all(&live->seats[w->core.index].waiting, &waiting);
    while (!list_empty(&waiting)) {
        struct session *s = CONTAINER_OF(waiting.next, struct session, seat_link);
        list_remove(&s->seat_link);
        list_append(&live->seats[w->core.index].waiting, &s->seat_link);
        stage_dial_node_lost(s);
        session_run(s);
    }
}

/* Return true if there may be more to do in the next turn of the loop. */
static bool check_node(struct worker *w, struct node_live *live)
{
    bool more = false;
    for (int why = 0; why < EVICTION_COUNT; why++)
        if (NODE_LIVE_READ(live->evictions[why]) > 0)
            more |= evict(w, live, (enum eviction)why) == EVICTED_A_TURN;
    if (is_lost(live))
        move_waiting(w, live);
    return off_home_forgive(live, w->core.index) || more;
}

bool worker_check_nodes(struct worker *w)
{
    bool more = false;
    for (size_t i = 0; i < w->core.n_cluster_views; i++) {
        /* reference it, because a session that ends may release the last reference */
        struct cluster_view *cluster_view = cluster_view_ref(w->core.cluster_views[i]);
        for (size_t k = 0; k < cluster_view->cluster->n_all; k++)
            more |= check_node(w, cluster_view->cluster->nodes[k].live);
        cluster_view_unref(cluster_view);
    }
    return more;
}
