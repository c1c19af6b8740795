/*
 * session_list.c - count a worker's sessions, and iterate over them while they begin and end.
 *
 * New sessions are appended. If the next session of a walk is removed, the walk moves on to the one
 * after it.
 */
#include "session_list.h"

#include "session.h"
#include "worker_core.h"

#define TRIM_SESSIONS_MIN 512 /* with fewer sessions, returning memory is not worth the time */

uint64_t session_list_next_id(struct worker_core *w)
{
    return w->id_base | w->next_id++;
}

void session_list_count(struct worker_core *w)
{
    atomic_fetch_add_explicit(&w->shared->connections, 1, memory_order_relaxed);
    w->n_sessions++;
    w->most_sessions = size_max(w->most_sessions, w->n_sessions);
}

/* When most of many sessions have ended, their memory can be returned to the system. */
static void note_emptied(struct worker_core *w)
{
    if (w->most_sessions < TRIM_SESSIONS_MIN || w->n_sessions > w->most_sessions / 4)
        return;
    w->most_sessions = w->n_sessions;
    w->shared->freed_memory(w->shared->arg);
}

void session_list_uncount(struct worker_core *w)
{
    w->n_sessions--;
    note_emptied(w);
    atomic_fetch_sub_explicit(&w->shared->connections, 1, memory_order_relaxed);
    session_list_stop_if_empty(w);
}

bool session_list_is_within_limit(const struct worker_core *w)
{
    return atomic_load_explicit(&w->shared->connections, memory_order_relaxed) <=
           atomic_load_explicit(&w->shared->max_connections, memory_order_relaxed);
}

void session_list_stop_if_empty(struct worker_core *w)
{
    if (w->stops_when_empty && list_empty(&w->sessions))
        ev_break(w->loop, EVBREAK_ALL);
}

/* ---- walks ---- */

void session_walk_begin(struct worker_core *w, struct session_walk *walk)
{
    walk->next = w->sessions.next;
    walk->last = w->sessions.prev;
    list_remove(&walk->link);
    list_append(&w->walks, &walk->link);
}

/* Session ids cannot mark the position: they repeat, and a session can live longer than that. */
static void step_on(struct worker_core *w, struct session_walk *walk)
{
    walk->next = walk->next == walk->last ? &w->sessions : walk->next->next;
}

struct session *session_walk_next(struct worker_core *w, struct session_walk *walk)
{
    if (walk->next == &w->sessions)
        return NULL;
    struct session *s = CONTAINER_OF(walk->next, struct session, link);
    step_on(w, walk);
    return s;
}

void session_walk_end(struct session_walk *walk)
{
    list_remove(&walk->link);
}

void session_list_remove(struct session *s)
{
    struct list *walks = &s->w->walks;
    for (struct list *l = walks->next; l != walks; l = l->next) {
        struct session_walk *walk = CONTAINER_OF(l, struct session_walk, link);
        if (walk->next == &s->link)
            step_on(s->w, walk);
        if (walk->last == &s->link)
            walk->last = s->link.prev; /* never before `next`, unless the walk has ended */
    }
    list_remove(&s->link);
    list_remove(&s->runnable);
}
