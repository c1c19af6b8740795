/*
 * damping.h - how often is too often: a token bucket, and a penalty that grows.
 *
 * Pure: no clock, no allocation. The caller keeps the structs, all zero at first, and tells the
 * time, in microseconds of any monotonic clock.
 *
 * Source of the bucket: the generic cell rate algorithm, ITU-T I.371 annex A, as the virtual
 * scheduling it describes: one number holds when the next cell would be due.
 */
#ifndef MODEL_DAMPING_H
#define MODEL_DAMPING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "model/config.h"

/* So many events within so long, and how many of them may come at once. */
struct bucket_rate {
    uint64_t window_us; /* 1 at least; burst times window_us / events is below 2^50 */
    uint32_t events;    /* 1 at least */
    uint32_t burst;     /* 1 at least */
};

/*
 * May one more come at now_us? When it may, *next moves on; when not, nothing changes: who is
 * refused is not pushed back further.
 */
MUST_USE bool bucket_take(uint64_t *next, uint64_t now_us, struct bucket_rate rate);

/* The same for who can wait: *wait_us, rounded up, is at most patience_us. */
MUST_USE bool bucket_take_within(uint64_t *next, uint64_t now_us, struct bucket_rate rate,
                                 uint64_t patience_us, uint64_t *wait_us);

/* Is the bucket as good as new: would forgetting it change nothing? */
bool bucket_is_full(uint64_t next, uint64_t now_us);

struct damping {
    uint64_t next;     /* the bucket */
    uint64_t until_us; /* of the last penalty; 0 = there was none */
    uint8_t level;     /* how many penalties followed each other */
};

enum damping_verdict {
    DAMPING_FREE,   /* go on */
    DAMPING_BEGINS, /* one too many: a penalty begins with it */
    DAMPING_PENALTY /* within a penalty, which it does not lengthen */
};

/*
 * One more event at now_us. max_connects of them within window_ms are allowed; one more begins a
 * penalty of penalty_ms, doubled for each that follows another within penalty_max_ms of its end,
 * up to penalty_max_ms. After a penalty the bucket is half full, so that who has learned nothing
 * is caught sooner.
 *
 *   left_ms   how long the penalty lasts from now on; 0 with FREE
 */
enum damping_verdict damping_step(struct damping *d, const struct flapping_conf *conf,
                                  uint64_t now_us, uint32_t *left_ms);

/* Would forgetting it change nothing? */
bool damping_is_clean(const struct damping *d, const struct flapping_conf *conf, uint64_t now_us);

#endif
