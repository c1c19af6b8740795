/*
 * worker.h - one thread: its loop, listening sockets and mailbox, and the core that its sessions
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

/* What the main thread has prepared, in order. Null parts do not change. */
struct worker_update {
    struct worker_update *next;
    struct snapshot *snapshot; /* a reference */
    struct cluster_view *
        *cluster_views;          /* with the snapshot: of each of its clusters, a reference */
    struct listener **listeners; /* of each of its bindings, a reference */
    size_t *takes_over; /* with the listeners: index of the binding to take the socket from, if they
                           have none */
    struct worker_tls *tls;
    bool counted; /* in the registry's recounts */
};

struct worker {
    struct worker_core core;
    pthread_t thread;
    bool started; /* the thread exists */
    bool running; /* and is in its loop */
    struct ev_check woken;
    struct ev_prepare run_yielded;

    struct listener **listeners; /* one for each binding of the snapshot, references */
    size_t n_listeners;
    struct tls_library *tls_library;

    /* mailbox.c */
    struct ev_async mail; /* wakes the loop to check the mailbox and the nodes' records */
    _Atomic(struct worker_update *)
        updates; /* newest first; owned by the thread that removes them; acq_rel */
    _Atomic(struct session_part *) queries; /* the same, for session queries */
    _Atomic int mode; /* enum worker_mode; release by the main thread, acquire here */

    int mode_entered;            /* the last mode carried out */
    struct session_walk recount; /* recount.c */
    uint32_t recounts;           /* of the registry's, those of this worker */
    struct list queries_active;  /* query.c: each turn of the loop serves the first one */
    struct ev_timer pace;        /* closes sessions while draining */
    size_t pace_each;            /* sessions per tick */

    /* accept.c */
    bool accept_held;             /* TLS listeners are paused while handshakes wait */
    struct ev_timer accept_pause; /* active while accepting is paused */
    bool still_short;             /* and no connection was accepted since the previous pause */
    int reserve_fd; /* closed to accept, and close, a connection that cannot be served */
};

/* ---- mailbox.c: from other threads ---- */

/* All pending plans, in the order they were sent. */
struct worker_update *worker_mailbox_take_updates(struct worker *w);

/* All pending queries, newest first. */
struct session_part *worker_mailbox_take_queries(struct worker *w);

/* From the main thread. */
void worker_send_query(struct worker *w, struct session_part *part);

/* ---- plan.c ---- */

/* Apply an update, which is freed. */
void worker_apply_update(struct worker *w, struct worker_update *update);

/* ---- evict.c ---- */

/*
 * Close the sessions that the nodes' records list for closing, and move those that wait for a node
 * that is down. True: call it again in the next turn of the loop.
 */
MUST_USE bool worker_check_nodes(struct worker *w);

/* ---- recount.c ---- */

/* The nodes have changed: find out which sessions are off home, in the turns that follow. */
void worker_begin_recount(struct worker *w);

/* Check some of the sessions. True: call it again in the next turn of the loop. */
MUST_USE bool worker_recount(struct worker *w);

/* ---- query.c ---- */

/*
 * Take in new queries, and search some sessions for the first active one. True: call it again in
 * the next turn of the loop.
 */
MUST_USE bool worker_search_sessions(struct worker *w);

/* The worker ends: queries get an incomplete answer. Also after its thread has ended. */
void worker_end_queries(struct worker *w);

/* For query.c, of session_query.c: the filter of a query, and its state. */
const struct session_filter *session_part_filter(const struct session_part *part);
void session_part_done(struct session_part *part);
bool session_part_is_cancelled(const struct session_part *part);

/* ---- accept.c ---- */

void worker_init_accept(struct worker *w);
void worker_fini_accept(struct worker *w);

/* Watch a listening socket. */
void worker_start_listener(struct worker *w, struct listener *listener);

/* A listener was removed: accept the connections that are in its queue, then close it. */
void worker_retire_listener(struct worker *w, struct listener *listener);

/* Stop watching all listening sockets. */
void worker_pause_listeners(struct worker *w);

/* A new turn of the loop: run as many queued handshakes as it allows, longest waiting first. */
void worker_run_handshakes(struct worker *w);

#endif
