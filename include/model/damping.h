/*
 * damping.h - detect events that are too frequent, and impose growing penalties.
 *
 * Pure: no clock, no allocation. The caller zeroes the struct first, and passes the time of a
 * monotonic clock in microseconds.
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
    DAMPING_BEGINS, /* too many events: a penalty begins */
    DAMPING_PENALTY /* during a penalty, which is not extended */
};

/*
 * Count one event at now_us. max_connects events within window_ms are allowed; one more begins a
 * penalty of penalty_ms. A penalty that begins within penalty_max_ms of the end of the last one is
 * twice as long as that one, up to penalty_max_ms. After a penalty the bucket is half full, so that
 * a client that does not slow down soon gets the next penalty.
 *
 *   left_ms   set to the remaining time of the penalty; 0 for DAMPING_FREE
 */
enum damping_verdict damping_step(struct damping *d, const struct flapping_conf *conf,
                                  uint64_t now_us, uint32_t *left_ms);

#endif
