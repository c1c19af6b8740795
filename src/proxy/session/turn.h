/*
 * turn.h - the sessions that the worker runs next: those that yielded, and TLS handshakes.
 */
#ifndef PROXY_SESSION_TURN_H
#define PROXY_SESSION_TURN_H

#include <stdbool.h>

#include "base/util.h"
#include "worker_core.h"

struct session;

/* Run the session again in the next turn of the loop, after the others. */
void turn_yield(struct session *s);

/*
 * Queue the session for a step of its TLS handshake. Handshakes that have begun (`begun`) go first.
 */
void turn_queue_handshake(struct session *s, bool begun);

/*
 * Use one of this turn's handshake steps. If none is left, returns false; the caller then queues.
 */
MUST_USE bool turn_take_handshake_step(struct worker_core *w);

/* Remove and return the first session of the runnable list, or of the handshake queues. */
struct session *turn_pop_runnable(struct list *runnable);
struct session *turn_pop_handshake(struct worker_core *w);

/* Return true if a session waits for a step of its handshake. */
static inline bool turn_has_handshakes(const struct worker_core *w)
{
    return !list_empty(&w->handshakes_active) || !list_empty(&w->handshakes_pending);
}

#endif
