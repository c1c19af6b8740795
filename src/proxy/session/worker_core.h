/*
 * worker_core.h - the part of a worker that its sessions use: loop, lists, buffers, counters.
 *
 * The rest of a worker (its thread, its sockets, its mailbox) is in worker/worker.h. All of this
 * belongs to the worker's thread.
 */
#ifndef PROXY_SESSION_WORKER_CORE_H
#define PROXY_SESSION_WORKER_CORE_H

#include <ev.h>

#include "base/list.h"
#include "base/log.h"
#include "base/pool.h"
#include "net/splice.h"
#include "proxy/cluster_view.h"
#include "proxy/counters.h"
#include "proxy/worker_shared.h"

/* Ends of sessions, for log.sample_above_per_s. */
struct worker_ends {
    uint64_t second;    /* of the monotonic clock */
    uint32_t n;         /* in it */
    uint32_t sampled_n; /* left out since the last line that stood for others */
};

struct worker_core {
    struct worker_shared *shared;
    struct snapshot *snapshot; /* a reference; null until the first update is applied */
    struct log *log;           /* borrowed */
    unsigned index;
    uint32_t n_workers; /* of the process; 1 at least */
    struct ev_loop *loop;
    uint64_t now_us; /* monotonic time, read once in a turn of the loop, after it has polled */

    struct cluster_view **cluster_views; /* one for each cluster of the snapshot, references */
    size_t n_cluster_views;

    /* session_list.h */
    struct list sessions;
    struct list walks; /* over `sessions`, in progress */
    size_t n_sessions;
    size_t most_sessions;  /* since the last time most of them had left */
    bool stops_when_empty; /* leave the loop after the last session */
    uint64_t id_base;      /* upper bits of every session id: this start, this worker */
    uint32_t next_id;

    /* turn.h */
    struct list runnable;           /* sessions that yielded */
    struct list handshakes_active;  /* TLS handshakes that wait for their next step */
    struct list handshakes_pending; /* ... and those that have not begun */
    uint32_t handshakes_left;       /* steps that may still be taken in this turn */
    struct ev_idle keep_turning;    /* active while one of these lists has members */

    /* memory.h */
    struct pool relay_pool;        /* blocks of limits.relay_buffer_bytes */
    uint8_t *scratch;              /* one such block, for bytes that are passed on immediately */
    struct splice_pipe relay_pipe; /* for bulk data; also empty between pumps */
    uint64_t held_bytes; /* of CONNECTs and what is kept with them, beyond their first 2 KiB */
    uint64_t held_max;   /* this worker's share of limits.relay_memory_bytes; 0 = no limit */
    struct list stuck;   /* relayed sessions with data that waits, longest first */

    struct worker_ends ends;
    struct counters counters;
};

#endif
