/*
 * damping.h - detect too frequent events, and impose penalties that grow.
 *
 * Pure: no clock, no allocation. The caller owns the struct, all zero at first, and passes the time
 * in microseconds of any monotonic clock.
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
    uint64_t until_us : DAMPING_UNTIL_BITS; /* end of the last penalty; 0 = none yet */
    uint64_t level : 8;                     /* number of consecutive penalties */
};

enum damping_verdict {
    DAMPING_FREE,   /* allowed */
    DAMPING_BEGINS, /* one too many: a penalty begins */
    DAMPING_PENALTY /* within a penalty, which is not extended */
};

/*
 * Count one event at now_us. max_connects of them within window_ms are allowed; one more begins a
 * penalty of penalty_ms, doubled for each that follows another within penalty_max_ms of its end,
 * up to penalty_max_ms. After a penalty the bucket is half full, so that a
 * client that goes on is caught sooner.
 *
 *   left_ms   how long the penalty lasts from now on; 0 with FREE
 */
enum damping_verdict damping_step(struct damping *d, const struct flapping_conf *conf,
                                  uint64_t now_us, uint32_t *left_ms);

#endif
