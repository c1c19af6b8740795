/*
 * worker_core.h - the part of a worker that its sessions use: loop, lists, buffers, counters.
 *
 * The rest of a worker (thread, sockets, mailbox) is in worker/worker.h. Only the worker's thread
 * uses these fields.
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

/* Number of session ends, for log.sample_above_per_s. */
struct worker_ends {
    uint64_t second;    /* the current second of the monotonic clock */
    uint32_t n;         /* ends in this second */
    uint32_t sampled_n; /* ends not logged since the last sampled line */
};

struct worker_core {
    struct worker_shared *shared;
    struct snapshot *snapshot; /* a reference; null until the first update is applied */
    struct log *log;           /* borrowed */
    unsigned index;
    uint32_t n_workers; /* of the process; at least 1 */
    struct ev_loop *loop;
    uint64_t now_us; /* monotonic time, read once per turn of the loop, after polling */

    struct cluster_view **cluster_views; /* one per cluster of the snapshot, references */
    size_t n_cluster_views;

    /* session_list.h */
    struct list sessions;
    struct list walks; /* over `sessions`, in progress */
    size_t n_sessions;
    size_t most_sessions;  /* maximum of n_sessions since most sessions last ended */
    bool stops_when_empty; /* stop the loop after the last session */
    uint64_t id_base;      /* upper bits of all session ids: process start and worker */
    uint32_t next_id;

    /* turn.h */
    struct list runnable;           /* sessions that yielded */
    struct list handshakes_active;  /* TLS handshakes waiting for their next step */
    struct list handshakes_pending; /* TLS handshakes waiting for their first step */
    uint32_t handshakes_left;       /* steps left in this turn */
    struct ev_idle keep_turning;    /* active while one of these lists is not empty */

    /* memory.h */
    struct pool relay_pool;        /* blocks of limits.relay_buffer_bytes */
    uint8_t *scratch;              /* one such block, for bytes that are forwarded immediately */
    struct splice_pipe relay_pipe; /* for bulk data; empty between pumps */
    uint64_t held_bytes; /* bytes of CONNECTs and data after them, beyond the first 2 KiB each */
    uint64_t held_max;   /* the worker's share of limits.relay_memory_bytes; 0 = no limit */
    struct list stuck;   /* relayed sessions with waiting data, longest wait first */

    /* settle.h */
    uint64_t settle_turn_us; /* now_us of the turn that `settles_left` is for */
    uint32_t settles_left;   /* connections that may still be settled in it */
    uint32_t settled_n;      /* since the start */

    struct worker_ends ends;
    struct counters counters;
};

#endif
