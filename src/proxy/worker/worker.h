/*
 * worker.h - a worker thread: its loop, listening sockets, mailbox, and the core that its sessions
 * use.
 */
#ifndef PROXY_WORKER_WORKER_H
#define PROXY_WORKER_WORKER_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "proxy/listener.h"
#include "proxy/session/worker_core.h"
#include "proxy/session_walk.h"
#include "proxy/worker/session_query.h"
#include "proxy/worker/workers.h"

/* An update that the main thread has prepared. Null parts remain unchanged. */
struct worker_update {
    struct worker_update *next;
    struct snapshot *snapshot;           /* a reference */
    struct cluster_view **cluster_views; /* with a snapshot: one per cluster, references */
    struct listener **listeners;         /* one per binding, references */
    size_t *takes_over; /* per listener without a socket: the old binding that provides it */
    struct worker_tls *tls;
    bool counted; /* counted in the registry's `recounts` */
};

struct worker {
    struct worker_core core;
    pthread_t thread;
    bool started; /* the thread exists */
    bool running; /* the thread is in its loop */
    struct ev_check woken;
    struct ev_prepare run_yielded;

    struct listener **listeners; /* one per binding of the snapshot, references */
    size_t n_listeners;
    struct tls_library *tls_library;

    /* mailbox.c */
    struct ev_async mail; /* wakes the loop to check the mailbox and the nodes' records */
    _Atomic(struct worker_update *) updates; /* newest first; acq_rel */
    _Atomic(struct session_part *) queries;  /* newest first; acq_rel */
    _Atomic int mode; /* enum worker_mode; the main thread releases, the worker acquires */

    int mode_entered;            /* the mode that is in effect */
    struct session_walk recount; /* recount.c */
    uint32_t recounts;           /* this worker's part of the registry's `recounts` */
    struct list queries_active;  /* query.c: the first one is served in each turn */
    struct ev_timer pace;        /* ticks while sessions are drained */
    size_t pace_each;            /* sessions to close per tick */

    /* accept.c */
    bool accept_held;             /* TLS listeners are paused while handshakes wait */
    struct ev_timer accept_pause; /* active while accepting is paused */
    bool still_short;             /* no connection was accepted since the previous pause */
    int reserve_fd;               /* freed to accept and close a connection that cannot be served */
};

/* ---- mailbox.c: from other threads ---- */

/* Take all pending updates, oldest first. */
struct worker_update *worker_mailbox_take_updates(struct worker *w);

/* Take all pending queries, newest first. */
struct session_part *worker_mailbox_take_queries(struct worker *w);

/* Send a part of a query to the worker, from the main thread. */
void worker_send_query(struct worker *w, struct session_part *part);

/* ---- update.c ---- */

/* Apply an update, then free it. */
void worker_apply_update(struct worker *w, struct worker_update *update);

/* ---- evict.c ---- */

/*
 * Close as many sessions as the nodes' records require, and move those that wait for a node that is
 * down. Returns true if it must be called again in the next turn of the loop.
 */
MUST_USE bool worker_check_nodes(struct worker *w);

/* ---- recount.c ---- */

/* Begin to update which sessions are off home, after the nodes have changed. */
void worker_begin_recount(struct worker *w);

/*
 * Check some of the sessions. Returns true if it must be called again in the next turn of the loop.
 */
MUST_USE bool worker_recount(struct worker *w);

/* ---- query.c ---- */

/*
 * Take new queries, and search some sessions for the first active query. Returns true if it must be
 * called again in the next turn of the loop.
 */
MUST_USE bool worker_search_sessions(struct worker *w);

/* End all queries with an incomplete result, on the worker's thread or after it has ended. */
void worker_end_queries(struct worker *w);

/* Access to a query's filter and state. Implemented in session_query.c, for query.c. */
const struct session_filter *session_part_filter(const struct session_part *part);
void session_part_done(struct session_part *part);
bool session_part_is_cancelled(const struct session_part *part);

/* ---- accept.c ---- */

void worker_init_accept(struct worker *w);
void worker_fini_accept(struct worker *w);

/* Watch a listening socket. */
void worker_start_listener(struct worker *w, struct listener *listener);

/* Accept the pending connections of a removed listener, then close its socket. */
void worker_retire_listener(struct worker *w, struct listener *listener);

/* Stop watching all listening sockets. */
void worker_pause_listeners(struct worker *w);

/* Run as many queued handshake steps as a turn of the loop allows, those that have begun first. */
void worker_run_handshakes(struct worker *w);

#endif
