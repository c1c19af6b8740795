/*
 * worker.h - one thread: a loop, its listening sockets, its sessions, its pools and counters.
 */
#ifndef PROXY_WORKER_WORKER_H
#define PROXY_WORKER_WORKER_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/log.h"
#include "base/pool.h"
#include "net/splice.h"
#include "proxy/cluster_view.h"
#include "proxy/counters.h"
#include "proxy/listener.h"
#include "proxy/worker/session_query.h"
#include "proxy/worker/workers.h"

struct session;

/* What the main thread has made ready, in the order it was made. Null parts: no news of them. */
struct worker_plan {
    struct worker_plan *next;
    struct snapshot *snapshot; /* a reference */
    struct cluster_view *
        *cluster_views;          /* with the snapshot: of each of its clusters, a reference */
    struct listener **listeners; /* of each of its doors, a reference */
    size_t *takes_over;          /* with the listeners: whose socket, where they have none */
    struct worker_tls *tls;
    bool counted; /* in the registry's recounts */
};

/* Ends of sessions, for log.sample_above_per_s. */
struct worker_ends {
    uint64_t second; /* of the monotonic clock */
    uint32_t n;      /* in it */
    uint32_t unsaid; /* since the last line that stood for others */
};

struct worker {
    struct worker_shared *shared;
    struct snapshot *snapshot; /* a reference; null until the first plan is taken */
    struct log *log;           /* borrowed */
    unsigned index;
    struct ev_loop *loop;
    pthread_t thread;
    bool started; /* the thread exists */
    bool running; /* and is in its loop */

    struct listener **listeners; /* one for each door of the snapshot, references */
    size_t n_listeners;
    struct cluster_view **cluster_views; /* one for each of its clusters, references */
    size_t n_cluster_views;
    struct tls_library *tls_library;

    struct list sessions;
    size_t n_sessions;
    size_t most_sessions; /* since the last time most of them had left */
    struct list runnable; /* sessions that yielded */
    struct ev_check woken;
    struct ev_prepare run_yielded;
    uint64_t now_us; /* monotonic time, read once in a turn of the loop, after it has polled */
    struct ev_idle keep_turning; /* active while somebody is runnable, or in the queues below */

    /* TLS handshakes that wait for their turn: those under way, and those not begun */
    struct list shaking, knocking;
    uint32_t handshakes_left; /* steps that may still be taken in this turn of the loop */
    bool accept_held;         /* TLS listeners accept nobody while some wait */

    struct pool relay_pool;        /* blocks of limits.relay_buffer_bytes */
    uint8_t *scratch;              /* one such block, for bytes that go straight through */
    struct splice_pipe relay_pipe; /* for bulk; also empty between pumps */
    uint64_t held_bytes; /* of CONNECTs and what is kept with them, beyond their first 2 KiB */
    uint64_t held_max;   /* this worker's share of limits.relay_memory_bytes; 0 = any amount */
    struct list stuck;   /* relayed sessions with data that waits, longest first */
    uint64_t id_base;    /* upper bits of every session id: this start, this worker */
    uint32_t next_id;

    struct ev_async mail; /* wakes the loop to look at the two below, and at its nodes */
    _Atomic(struct worker_plan *) plans; /* newest first; owned by who takes them out; acq_rel */
    _Atomic(struct session_part *) questions; /* the same, about sessions */
    struct list *recount_at, *recount_last;   /* in `sessions`, see worker_recount.c; null = none */
    uint32_t recounts;                        /* of the registry's, those of this worker */
    struct list asking;   /* questions under way: a turn of the loop is for the first of them */
    _Atomic int mode;     /* enum worker_mode; release by the main thread, acquire here */
    int mode_entered;     /* the last mode carried out */
    struct ev_timer pace; /* closes sessions while draining */
    size_t pace_each;     /* sessions a tick */
    struct ev_timer accept_pause; /* active while accepting is paused */
    bool still_short;             /* and nobody was accepted since the pause before */
    int reserve_fd;               /* given up to take, and part from, who cannot be served */

    struct worker_ends ends;
    uint32_t n_workers; /* of the process; 1 at least */
    struct counters counters;
};

/* Take up a plan, which is freed. */
void worker_take_plan(struct worker *w, struct worker_plan *plan);

/* Close the sessions that the nodes' records say, and move those that wait for a dead node. */
void worker_look_at_nodes(struct worker *w);

/* ---- which sessions are away, worker_recount.c ---- */

/* The nodes have changed: look through all sessions, by worker_recount() in the turns that follow.
 */
void worker_begin_recount(struct worker *w);

/* Look at some of them. */
void worker_recount(struct worker *w);

/* A session is about to leave the worker's list. */
void worker_recount_leaves(struct worker *w, const struct session *s);

/* The worker's present view of a cluster; null = it is not there any more. */
struct cluster_view *worker_cluster_view_of(const struct worker *w, const char *cluster);

/* ---- questions about sessions, worker_query.c ---- */

/* Take in new questions, and look through some sessions for the first of those under way. */
void worker_look_for_sessions(struct worker *w);

/* A session is about to leave the worker's list. */
void worker_session_leaves(struct worker *w, struct session *s);

/* The worker ends: whoever asks hears that it did not look. Also after its thread has ended. */
void worker_answer_no_more(struct worker *w);

/* From the main thread. */
void worker_give_question(struct worker *w, struct session_part *part);

/* For worker_query.c, of session_query.c: what is looked for; and it is done. */
const struct session_terms *session_part_terms(const struct session_part *part);
void session_part_done(struct session_part *part);
bool session_part_is_cancelled(const struct session_part *part);

/* Give a session that yielded another turn, after the others had theirs. */
void worker_yield(struct worker *w, struct session *s);

/* ---- accepting, worker_accept.c ---- */

void worker_init_accept(struct worker *w);
void worker_fini_accept(struct worker *w);

/*
 * One connection of a listener. -1 when there is none, none may come now, or none can be had for
 * want of descriptors or memory: then accepting is held or paused by this call.
 */
MUST_USE int worker_accept(struct worker *w, struct listener *listener, struct address *peer);

/* The kernel lacks the memory to watch a listening socket: accepting is paused, then tried again.
 */
void worker_cannot_watch(struct worker *w);

/* Stop watching all listening sockets. */
void worker_pause_listeners(struct worker *w);

/* May this session take a step of its TLS handshake now? Else it goes into the queue. */
MUST_USE bool worker_lets_shake(struct worker *w);

/* Put a session into the queue for its turn: it is run then. Where it has begun, it goes first. */
void worker_queue_handshake(struct worker *w, struct session *s, bool begun);

/* A new turn of the loop: run those who waited longest, as many as it allows. */
void worker_run_handshakes(struct worker *w);

/* Does anybody wait for a turn? */
static inline bool worker_has_handshakes(const struct worker *w)
{
    return !list_empty(&w->shaking) || !list_empty(&w->knocking);
}

/* The id of a new session; repeats after 2^32 of them on one worker. */
uint64_t worker_next_id(struct worker *w);

/* Tell the worker that a session has come, or is gone. */
void worker_session_came(struct worker *w);
void worker_session_gone(struct worker *w);

/* Is the process still within its connection limit, the newest session included? */
bool worker_admits(const struct worker *w);

#endif
