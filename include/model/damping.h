/*
 * damping.h - how often is too often: a penalty that grows.
 *
 * Pure: no clock, no allocation. The caller keeps the struct, all zero at first, and tells the
 * time, in microseconds of any monotonic clock.
 */
#ifndef MODEL_DAMPING_H
#define MODEL_DAMPING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bucket.h"
#include "base/util.h"
#include "model/config/config.h"

#define DAMPING_UNTIL_BITS 56 /* two thousand years */
struct damping {
    uint64_t next;                          /* the bucket */
    uint64_t until_us : DAMPING_UNTIL_BITS; /* of the last penalty; 0 = there was none */
    uint64_t level : 8;                     /* how many penalties followed each other */
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

#endif
