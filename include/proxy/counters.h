/*
 * counters.h - what a worker counts. One writer, the worker; anyone may read.
 *
 * All loads and stores are relaxed: a counter orders nothing.
 */
#ifndef PROXY_COUNTERS_H
#define PROXY_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "model/close_reason.h"
#include "proxy/session_state.h"

typedef _Atomic uint64_t counter;

struct counters {
    counter accepted;                      /* connections ever accepted */
    counter closed[CLOSE_REASON_COUNT];    /* sessions ever closed, by reason */
    counter in_state[SESSION_STATE_COUNT]; /* gauge: sessions in each state now */
    counter bytes_up, bytes_down;          /* of closed sessions: device to node, node to device */
    counter buffers_held;                  /* gauge: relay blocks holding data that waits */
    counter dial_failures;                 /* tries that did not reach a node */
    counter accept_pauses;                 /* times accepting paused for want of descriptors */
};

/* Only the owning worker calls these, so load and store need not be one step. */
static inline void counter_add(counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void counter_sub(counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) - n,
                          memory_order_relaxed);
}

static inline void counter_set(counter *c, uint64_t n)
{
    atomic_store_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t counter_read(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
