/*
 * recount.c - update which sessions are off home after the nodes have changed, a slice per turn of
 * the loop, so that half a million sessions do not block it.
 *
 * New sessions are skipped: they are placed on the new nodes, or compared with them when they are
 * relayed.
 */
#include "proxy/session/off_home.h"
#include "proxy/session/session.h"
#include "proxy/session/session_list.h"
#include "worker.h"

/* Hashes per turn, about 100 us. A session needs one per node of its cluster. */
#define HASHES_A_TURN   4096u
#define SESSIONS_A_TURN 512u

void worker_begin_recount(struct worker *w)
{
    session_walk_begin(&w->core, &w->recount);
}

/* Recount one session. Returns the number of hashes computed. */
static size_t recount(struct worker *w, struct session *s)
{
    if (s->state != SESSION_RELAY || !s->counted)
        return 0;
    const struct cluster_view *cluster_view =
        cluster_view_find(w->core.cluster_views, w->core.n_cluster_views, s->node->cluster);
    if (!cluster_view) {
        off_home_clear(s);
        return 0;
    }
    off_home_recount(s, cluster_view);
    return cluster_view->cluster->n;
}

static void finish(struct worker *w)
{
    session_walk_end(&w->recount);
    /* release: a thread that reads 0 here also reads the new counts of the nodes */
    atomic_fetch_sub_explicit(&w->core.shared->registry->recounts, w->recounts,
                              memory_order_release);
    w->recounts = 0;
}

bool worker_recount(struct worker *w)
{
    size_t hashes = 0;
    if (!session_walk_is_active(&w->recount))
        return false;
    for (unsigned i = 0; i < SESSIONS_A_TURN && hashes < HASHES_A_TURN; i++) {
        struct session *s = session_walk_next(&w->core, &w->recount);
        if (!s) {
            finish(w);
            return false;
        }
        hashes += recount(w, s);
    }
    return true;
}
