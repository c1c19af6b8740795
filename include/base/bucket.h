/*
 * bucket.h - a token bucket: at most N events within a time window.
 *
 * Pure: no clock, no allocation. The caller stores the state, one number that starts at 0, and
 * passes the time of a monotonic clock in microseconds.
 *
 * Source: the generic cell rate algorithm, ITU-T I.371 annex A, in its virtual scheduling form: the
 * state is the time at which the next event is due.
 */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "util.h"

/* Rate limit: events per time window, and the largest burst. */
struct bucket_rate {
    uint64_t window_us; /* at least 1; burst * window_us / events must be below 2^50 */
    uint32_t events;    /* 1 at least */
    uint32_t burst;     /* 1 at least */
};

/*
 * Whether one more event is allowed at now_us. If so, *next advances. A rejected event does not
 * delay later ones. A higher rate takes effect immediately.
 */
MUST_USE bool bucket_take(uint64_t *next, uint64_t now_us, struct bucket_rate rate);

/* Like bucket_take(), for an event that can wait up to patience_us. Sets *wait_us, rounded up. */
MUST_USE bool bucket_take_within(uint64_t *next, uint64_t now_us, struct bucket_rate rate,
                                 uint64_t patience_us, uint64_t *wait_us);

/* Return the value of *next for which half of the burst is available at now_us. */
uint64_t bucket_half_full(uint64_t now_us, struct bucket_rate rate);

#endif
