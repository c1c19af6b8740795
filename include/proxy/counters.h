/*
 * counters.h - the counters of a worker. Only the worker writes them; any thread may read them.
 *
 * All loads and stores are relaxed, because no other data depends on a counter.
 */
#ifndef PROXY_COUNTERS_H
#define PROXY_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "model/close_reason.h"
#include "net/tls/alert.h"
#include "session_state.h"

typedef _Atomic uint64_t counter;

/*
 * Field, name in log and metrics, help text. Names that end in _total are counters; others are
 * gauges.
 */
#define COUNTERS(X)                                                                                \
    X(buffers_held, "buffers_held", "Relay blocks that currently hold data.")                      \
    X(waiting_bytes, "waiting_bytes",                                                              \
      "Bytes that are waiting in relay blocks and in buffered CONNECTs.")                          \
    X(accepted, "accepted_total", "Connections accepted.")                                         \
    X(probes, "probes_total",                                                                      \
      "Connections from health checks and port scans, which send no MQTT.")                        \
    X(dial_failures, "dial_failures_total", "Failed connection attempts to nodes.")                \
    X(accept_pauses, "accept_pauses_total",                                                        \
      "Times that accepting was paused because no file descriptor was left.")                      \
    X(accept_shed, "accept_shed_total",                                                            \
      "Connections closed immediately because no file descriptor was left.")                       \
    X(accept_holds, "accept_holds_total",                                                          \
      "Times that accepting was paused because TLS handshakes were waiting.")                      \
    X(handshakes_queued, "handshakes_queued_total",                                                \
      "TLS handshake steps that had to wait for their turn.")                                      \
    X(flapping, "flapping_detected_total",                                                         \
      "CONNECTs above limits.flapping.max_connects, rejected or not.")                             \
    X(sampled_out, "log_sessions_sampled_total",                                                   \
      "Session ends that were not logged because of sampling.")

/* Upper bounds of the histogram buckets, in microseconds. */
#define HISTOGRAM_BOUNDS(X)                                                                        \
    X(100)                                                                                         \
    X(250)                                                                                         \
    X(500)                                                                                         \
    X(1000)                                                                                        \
    X(2500)                                                                                        \
    X(5000)                                                                                        \
    X(10000)                                                                                       \
    X(25000)                                                                                       \
    X(50000)                                                                                       \
    X(100000)                                                                                      \
    X(250000)                                                                                      \
    X(500000)                                                                                      \
    X(1000000)                                                                                     \
    X(2500000)                                                                                     \
    X(5000000)                                                                                     \
    X(10000000)                                                                                    \
    X(25000000)

enum {
#define X(us) HISTOGRAM_BOUND_##us,
    HISTOGRAM_BOUNDS(X)
#undef X
        HISTOGRAM_BOUND_COUNT
};

/* A histogram of durations. */
struct histogram {
    counter buckets[HISTOGRAM_BOUND_COUNT + 1]; /* not cumulative; the last one is unbounded */
    counter sum_us;
};

/* CONNACKs with one return or reason code, by their session present flag. */
struct connack_counters {
    counter absent, present;
};

struct counters {
#define X(field, word, help) counter field;
    COUNTERS(X)
#undef X
    counter closed[CLOSE_REASON_COUNT];    /* sessions closed, by reason */
    counter in_state[SESSION_STATE_COUNT]; /* gauge: sessions by state */
    counter bytes_up, bytes_down;          /* device to node, node to device */
    struct connack_counters connacks[256]; /* from nodes, forwarded to devices; by code */
    counter refused[256];                  /* CONNACKs sent by the router itself, by code */
    counter tls_full, tls_resumed;         /* successful handshakes with devices */
    counter tls_failed[TLS_FAILURE_COUNT]; /* timeouts are counted in `closed` */
    struct histogram tls_us;               /* duration of handshakes */
    struct histogram connack_us;           /* from complete CONNECT to forwarded CONNACK */
    struct histogram turn_us; /* one turn of the worker's loop, without waiting for events */
};

/* Only the owning worker calls these, so a separate load and store are enough. */
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

/* Add one duration. Only the owning worker may call this. */
void histogram_add(struct histogram *h, uint64_t us);

static inline uint64_t counter_read(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
