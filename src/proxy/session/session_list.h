/*
 * session_list.h - a worker's sessions: count them, and walk over them while they come and go.
 */
#ifndef PROXY_SESSION_SESSION_LIST_H
#define PROXY_SESSION_SESSION_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "proxy/session_walk.h"

struct session;
struct worker_core;

/* The id of a new session; repeats after 2^32 of them on one worker. */
uint64_t session_list_next_id(struct worker_core *w);

/* A connection was accepted, or has ended: count it, also if there is no memory for a session. */
void session_list_count(struct worker_core *w);
void session_list_uncount(struct worker_core *w);

/* Whether the process is within its connection limit, the newest session included. */
MUST_USE bool session_list_is_within_limit(const struct worker_core *w);

/* Remove a session from the worker's lists; walks continue after it. */
void session_list_remove(struct session *s);

/* Leave the loop if `stops_when_empty` is set and no session is left. */
void session_list_stop_if_empty(struct worker_core *w);

/* Start a walk over the sessions that exist now. */
void session_walk_begin(struct worker_core *w, struct session_walk *walk);

/* The next session, which the caller may end; null when there are no more. */
MUST_USE struct session *session_walk_next(struct worker_core *w, struct session_walk *walk);

/* End a walk, at any point. Safe to repeat. */
void session_walk_end(struct session_walk *walk);

/* Whether the walk has begun and not ended. */
static inline bool session_walk_is_active(const struct session_walk *walk)
{
    return !list_empty(&walk->link);
}

#endif
