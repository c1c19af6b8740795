/*
 * recount.c - find out which sessions are away from home, after the nodes have changed: a
 * slice in each turn of the loop, so that half a million sessions do not block the loop.
 *
 * New sessions are behind the last one that a recount looks at: they are placed by the new nodes,
 * or compared with them when they are relayed.
 */
#include <string.h>

#include "proxy/session/off_home.h"
#include "proxy/session/session.h"
#include "worker.h"

/* Hashes in one turn: some 100 us. A session needs one for each node of its cluster. */
#define HASHES_A_TURN   4096u
#define SESSIONS_A_TURN 512u

struct cluster_view *worker_cluster_view_of(const struct worker *w, const char *cluster)
{
    for (size_t i = 0; i < w->n_cluster_views; i++)
        if (strcmp(w->cluster_views[i]->cluster->conf->name, cluster) == 0)
            return w->cluster_views[i];
    return NULL;
}

void worker_begin_recount(struct worker *w)
{
    w->recount_at = w->sessions.next;
    w->recount_last = w->sessions.prev;
}

/* Recount one. Returns the hashes it took. */
static size_t recount(struct worker *w, struct session *s)
{
    if (s->state != SESSION_RELAY || !s->counted)
        return 0;
    const struct cluster_view *cluster_view = worker_cluster_view_of(w, s->node->cluster);
    if (!cluster_view) {
        away_forget(s);
        return 0;
    }
    away_recount(s, cluster_view);
    return cluster_view->cluster->n;
}

static void finish(struct worker *w)
{
    w->recount_at = w->recount_last = NULL;
    /* release: a thread that reads 0 also reads the new counts of the nodes */
    atomic_fetch_sub_explicit(&w->shared->registry->recounts, w->recounts, memory_order_release);
    w->recounts = 0;
}

static void step_on(struct worker *w)
{
    w->recount_at = w->recount_at == w->recount_last ? &w->sessions : w->recount_at->next;
}

void worker_recount(struct worker *w)
{
    size_t hashes = 0;
    if (!w->recount_at)
        return;
    for (unsigned i = 0; i < SESSIONS_A_TURN && hashes < HASHES_A_TURN; i++) {
        if (w->recount_at == &w->sessions) {
            finish(w);
            return;
        }
        hashes += recount(w, CONTAINER_OF(w->recount_at, struct session, link));
        step_on(w);
    }
    worker_wake(w); /* in the next turn of the loop */
}

void worker_recount_leaves(struct worker *w, const struct session *s)
{
    if (w->recount_at == &s->link)
        step_on(w);
    if (w->recount_last == &s->link)
        w->recount_last = s->link.prev; /* not before recount_at, unless that is at the end */
}
