/*
 * session_list.h - count a worker's sessions, and iterate over them while they begin and end.
 */
#ifndef PROXY_SESSION_SESSION_LIST_H
#define PROXY_SESSION_SESSION_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "proxy/session_walk.h"

struct session;
struct worker_core;

/* Return an id for a new session. Ids repeat after 2^32 sessions on one worker. */
uint64_t session_list_next_id(struct worker_core *w);

/* Count a connection, and uncount it at its end, even if there is no memory for a session. */
void session_list_count(struct worker_core *w);
void session_list_uncount(struct worker_core *w);

/* Return true if the process is within its connection limit, including the newest session. */
MUST_USE bool session_list_is_within_limit(const struct worker_core *w);

/* Remove a session from the worker's lists. Walks continue with the next session. */
void session_list_remove(struct session *s);

/* Stop the loop if `stops_when_empty` is set and no session is left. */
void session_list_stop_if_empty(struct worker_core *w);

/* Start a walk over the sessions that exist now. */
void session_walk_begin(struct worker_core *w, struct session_walk *walk);

/* Return the next session, which the caller may end; null if there are no more. */
MUST_USE struct session *session_walk_next(struct worker_core *w, struct session_walk *walk);

/* End a walk, at any point. Safe to call again. */
void session_walk_end(struct session_walk *walk);

/* Return true if the walk has begun and has not ended. */
static inline bool session_walk_is_active(const struct session_walk *walk)
{
    return !list_empty(&walk->link);
}

#endif
