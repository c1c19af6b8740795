/*
 * session_queries.h - send session queries to the workers, and wait at most
 * SESSION_QUERIES_TIMEOUT_S for their answers.
 *
 * Main thread only.
 */
#ifndef CONTROL_ADMIN_API_SESSION_DESK_H
#define CONTROL_ADMIN_API_SESSION_DESK_H

#include <ev.h>

#include "base/util.h"
#include "proxy/worker/session_query.h"
#include "proxy/worker/workers.h"

struct session_queries;
struct pending_query;

#define SESSION_QUERIES_MAX       16u /* pending queries, and those still held by a worker */
#define SESSION_QUERIES_TIMEOUT_S 2.0

MUST_USE struct session_queries *session_queries_new(struct ev_loop *loop);

/* Drop all pending queries without calling `done`. Null is allowed. */
void session_queries_free(struct session_queries *queries);

/*
 * Query all workers, or with terms->by_id the worker of that session.
 *
 *   done   called once, from the loop, with the query, which is borrowed. A part is null if its
 *          worker did not answer in time, and incomplete if its worker has stopped
 *
 * Returns null if too many queries are pending, or if out of memory.
 */
MUST_USE struct pending_query *
session_queries_start(struct session_queries *queries, const struct workers *workers,
                      const struct session_filter *terms,
                      void (*done)(void *arg, const struct session_query *query), void *arg);

/* Drop a query; `done` is then not called. */
void session_queries_cancel(struct pending_query *pending);

#endif
