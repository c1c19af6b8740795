/*
 * turn.c - the queues of sessions that need another turn of the loop.
 *
 *    runnable              sessions that have yielded and have more to do
 *    handshakes_active     TLS handshakes waiting for their next step; served first
 *    handshakes_pending    TLS handshakes waiting for their first step
 *
 * This file only queues sessions; worker.c and accept.c take them from the queues and run them.
 */
#include "turn.h"

#include "session.h"

void turn_yield(struct session *s)
{
    if (list_empty(&s->runnable))
        list_append(&s->w->runnable, &s->runnable);
    ev_idle_start(s->w->loop, &s->w->keep_turning); /* the loop must not sleep now */
}

void turn_queue_handshake(struct session *s, bool begun)
{
    struct worker_core *w = s->w;
    counter_add(&w->counters.handshakes_queued, 1);
    list_remove(&s->runnable);
    list_append(begun ? &w->handshakes_active : &w->handshakes_pending, &s->runnable);
    ev_idle_start(w->loop, &w->keep_turning); /* the loop must not sleep now */
}

bool turn_take_handshake_step(struct worker_core *w)
{
    if (w->handshakes_left == 0)
        return false;
    w->handshakes_left--;
    return true;
}

struct session *turn_pop_runnable(struct list *runnable)
{
    struct session *s = CONTAINER_OF(runnable->next, struct session, runnable);
    list_remove(&s->runnable);
    return s;
}

struct session *turn_pop_handshake(struct worker_core *w)
{
    return turn_pop_runnable(list_empty(&w->handshakes_active) ? &w->handshakes_pending
                                                               : &w->handshakes_active);
}
