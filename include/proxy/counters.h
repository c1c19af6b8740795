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

/*
 * Field, word in log and metrics, help. A word that ends in _total counts since the start; the
 * others are gauges.
 */
#define COUNTERS(X)                                                                                \
    X(buffers_held, "buffers_held", "Relay blocks that hold data now.")                            \
    X(waiting_bytes, "waiting_bytes", "Of these, and of CONNECTs with what came behind them.")     \
    X(accepted, "accepted_total", "Connections accepted.")                                         \
    X(dial_failures, "dial_failures_total", "Tries that did not reach a node.")                    \
    X(accept_pauses, "accept_pauses_total", "Times accepting paused for want of descriptors.")     \
    X(accept_shed, "accept_shed_total", "Connections closed at once, for the same reason.")        \
    X(accept_holds, "accept_holds_total", "Times accepting was held for TLS handshakes.")          \
    X(handshakes_queued, "handshakes_queued_total", "Steps of TLS handshakes that had to wait.")

struct counters {
#define X(field, word, help) counter field;
    COUNTERS(X)
#undef X
    counter closed[CLOSE_REASON_COUNT];    /* sessions ever closed, by reason */
    counter in_state[SESSION_STATE_COUNT]; /* gauge: sessions in each state now */
    counter bytes_up, bytes_down;          /* of closed sessions: device to node, node to device */
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
