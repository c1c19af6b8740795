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
      "Number of times that accepting was paused because no file descriptor was left.")            \
    X(accept_shed, "accept_shed_total",                                                            \
      "Connections closed immediately because no file descriptor was left.")                       \
    X(accept_holds, "accept_holds_total",                                                          \
      "Number of times that accepting was paused because TLS handshakes were waiting.")            \
    X(handshakes_queued, "handshakes_queued_total",                                                \
      "TLS handshake steps that had to wait for their turn.")                                      \
    X(flapping, "flapping_detected_total",                                                         \
      "CONNECTs above limits.flapping.max_connects, rejected or not.")                             \
    X(sampled_out, "log_sessions_sampled_total",                                                   \
      "Session ends that were not logged because of sampling.")

/*
 * Suffix, name in log, API and metrics: the TLS connections of relayed sessions. All but the last
 * have OpenSSL's connection.
 */
#define TLS_HOLDS(X)                                                                               \
    X(NEW, "new")                 /* not tried yet: relayed for less than a second */              \
    X(BUSY, "busy")               /* data was on its way inside it; tried again */                 \
    X(NO_MEMORY, "no_memory")     /* tried again */                                                \
    X(DISABLED, "disabled")       /* tls.detach is false */                                        \
    X(UNSUPPORTED, "unsupported") /* the cipher suite does not allow it */                         \
    X(DETACHED, "detached")

enum tls_hold {
#define X(suffix, word) TLS_HOLD_##suffix,
    TLS_HOLDS(X)
#undef X
        TLS_HOLD_COUNT,
    TLS_HOLD_NONE = TLS_HOLD_COUNT /* the connection is not TLS, or not relayed */
};

/* "detached". Not for TLS_HOLD_NONE. */
const char *tls_hold_name(enum tls_hold hold);

/* The two sides of a session. */
enum tls_side { TLS_SIDE_CLIENT, TLS_SIDE_NODE, TLS_SIDE_COUNT };

/* "client", "node". */
const char *tls_side_name(enum tls_side side);

/* Upper bounds of the buckets of the histograms, in microseconds. */
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
    counter closed[CLOSE_REASON_COUNT];                /* sessions ever closed, by reason */
    counter in_state[SESSION_STATE_COUNT];             /* gauge: sessions in each state now */
    counter bytes_up, bytes_down;                      /* device to node, node to device */
    struct connack_counters connacks[256];             /* from nodes, passed on to devices */
    counter refused[256];                              /* CONNACKs of our own, by code */
    counter tls_full, tls_resumed;                     /* handshakes with devices that succeeded */
    counter tls_failed[TLS_FAILURE_COUNT];             /* those that timed out are in closed */
    counter tls_holds[TLS_SIDE_COUNT][TLS_HOLD_COUNT]; /* gauge: of relayed sessions */
    struct histogram tls_us;     /* of these, from accept or PROXY header to their end */
    struct histogram connack_us; /* from a complete CONNECT to the CONNACK passed on */
    struct histogram turn_us;    /* one turn of the worker's loop, without the wait for events */
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
