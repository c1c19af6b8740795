/*
 * bucket.h - so many events within so long, and no more: a token bucket.
 *
 * Pure: no clock, no allocation. The caller keeps one number, 0 at first, and tells the time, in
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

/* So many events within so long, and how many of them may come at once. */
struct bucket_rate {
    uint64_t window_us; /* 1 at least; burst times window_us / events is below 2^50 */
    uint32_t events;    /* 1 at least */
    uint32_t burst;     /* 1 at least */
};

/*
 * May one more come at now_us? When it may, *next moves on; when not, it does not: who is refused
 * is not pushed back further. A rate that has become faster counts at once.
 */
MUST_USE bool bucket_take(uint64_t *next, uint64_t now_us, struct bucket_rate rate);

/* The same for who can wait: *wait_us, rounded up, is at most patience_us. */
MUST_USE bool bucket_take_within(uint64_t *next, uint64_t now_us, struct bucket_rate rate,
                                 uint64_t patience_us, uint64_t *wait_us);

/* What the number has to be for half of the burst to be left at now_us. */
uint64_t bucket_half_full(uint64_t now_us, struct bucket_rate rate);

#endif
