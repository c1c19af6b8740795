/*
 * worker.h - one thread: a loop, its listening sockets, its sessions, its pools and counters.
 */
#ifndef PROXY_WORKER_INTERNAL_H
#define PROXY_WORKER_INTERNAL_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/log.h"
#include "base/pool.h"
#include "listener.h"
#include "proxy/counters.h"
#include "proxy/worker.h"

struct session;

struct worker {
    struct worker_shared *shared;
    const struct snapshot *snapshot; /* borrowed; outlives the worker */
    struct log *log;                 /* borrowed */
    unsigned index;
    struct ev_loop *loop;
    pthread_t thread;
    bool started; /* the thread exists */

    struct listener *listeners; /* one for each address of each configured listener */
    size_t n_listeners;
    struct tls_library *tls_library;
    struct tls_client_context **cluster_tls; /* for each cluster; null = plain */

    struct list sessions;
    size_t n_sessions;
    size_t most_sessions; /* since the last time most of them had left */
    struct list runnable; /* sessions that yielded */
    struct ev_prepare run_yielded;
    struct ev_idle keep_turning; /* active while somebody is runnable */

    struct pool relay_pool; /* blocks of limits.relay_buffer_bytes */
    uint8_t *scratch;       /* one such block, for bytes that go straight through */
    uint32_t turn;          /* next tie-break for sessions without a key */
    uint64_t id_base;       /* upper bits of every session id: this start, this worker */
    uint32_t next_id;

    struct ev_async mail;                  /* wakes the loop to look at the two below */
    _Atomic(struct worker_tls *) tls_news; /* owned by who takes it out; acq_rel on both sides */
    _Atomic int order;            /* enum worker_order; release by the main thread, acquire here */
    int obeyed;                   /* the last order carried out */
    struct ev_timer pace;         /* closes sessions while draining */
    size_t pace_each;             /* sessions a tick */
    struct ev_timer accept_pause; /* active while accepting is paused */

    struct counters counters;
};

/* Give a session that yielded another turn, after the others had theirs. */
void worker_yield(struct worker *w, struct session *s);

/* Stop accepting for a moment: the system has no descriptor or memory left (errno in why). */
void worker_pause_accept(struct worker *w, int why);

/* The id of a new session; repeats after 2^32 of them on one worker. */
uint64_t worker_next_id(struct worker *w);

/* Tell the worker that a session has come, or is gone. */
void worker_session_came(struct worker *w);
void worker_session_gone(struct worker *w);

/* Is the process still within its connection limit, the newest session included? */
bool worker_admits(const struct worker *w);

#endif
