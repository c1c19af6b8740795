/*
 * session_queries.h - questions to the workers about their sessions that are under way: asked,
 * waited for, given up after SESSION_QUERIES_TIMEOUT_S.
 *
 * Of the main thread.
 */
#ifndef CONTROL_ADMIN_API_SESSION_DESK_H
#define CONTROL_ADMIN_API_SESSION_DESK_H

#include <ev.h>

#include "base/util.h"
#include "control/reload/publish.h"
#include "proxy/worker/session_query.h"

struct session_queries;
struct pending_query;

#define SESSION_QUERIES_MAX       16u /* at a time, until the last worker has let go of them */
#define SESSION_QUERIES_TIMEOUT_S 2.0

MUST_USE struct session_queries *session_queries_new(struct ev_loop *loop);

/* Gives up all tickets without a word to who asked. Null is allowed. */
void session_queries_free(struct session_queries *queries);

/*
 * Ask all workers, or with terms->by_id the one that has such ids.
 *
 *   done   called once, from the loop: the query is borrowed for the call. A part that is null:
 *          its worker did not answer in time; one that is not complete: it ended meanwhile
 *
 * Null when too many are under way, or memory is short.
 */
MUST_USE struct pending_query *
session_queries_start(struct session_queries *queries, const struct workers *workers,
                      const struct session_terms *terms,
                      void (*done)(void *arg, const struct session_query *query), void *arg);

/* Who asked does not want to know any more. */
void session_queries_cancel(struct pending_query *ticket);

#endif
