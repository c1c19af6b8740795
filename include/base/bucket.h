/*
 * bucket.h - a token bucket: at most N events within a time window.
 *
 * Pure: no clock, no allocation. The caller stores one number, 0 at first, and passes the time in
 * microseconds of any monotonic clock.
 *
 * Source: the generic cell rate algorithm, ITU-T I.371 annex A, as the virtual scheduling it
 * describes: one number holds when the next cell would be due.
 */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "util.h"

/* Number of events per window, and the largest burst. */
struct bucket_rate {
    uint64_t window_us; /* 1 at least; burst times window_us / events is below 2^50 */
    uint32_t events;    /* 1 at least */
    uint32_t burst;     /* 1 at least */
};

/*
 * Whether one more event is allowed at now_us. If so, *next advances; a rejected event does not
 * change it, and so does not delay later ones. A faster rate takes effect immediately.
 */
MUST_USE bool bucket_take(uint64_t *next, uint64_t now_us, struct bucket_rate rate);

/* The same for an event that can wait up to patience_us; *wait_us is rounded up. */
MUST_USE bool bucket_take_within(uint64_t *next, uint64_t now_us, struct bucket_rate rate,
                                 uint64_t patience_us, uint64_t *wait_us);

/* The value of *next that leaves half of the burst at now_us. */
uint64_t bucket_half_full(uint64_t now_us, struct bucket_rate rate);

#endif
