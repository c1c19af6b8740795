/*
 * placement_pace.c - limit the rate of new sessions to a node.
 */
#include "base/bucket.h"
#include "model/placement.h"

#define BURSTS_PER_S 10u /* a burst is 100 ms worth of sessions */

uint64_t placement_take_turn(uint64_t *next, uint64_t now_us, uint32_t per_s, uint32_t queue_ms)
{
    const uint32_t burst = per_s / BURSTS_PER_S;
    const struct bucket_rate rate = {
        .window_us = 1000000, .events = per_s, .burst = burst > 1 ? burst : 1};
    uint64_t wait_us;
    if (per_s == 0)
        return 0;
    return bucket_take_within(next, now_us, rate, queue_ms * UINT64_C(1000), &wait_us)
               ? wait_us
               : PLACEMENT_NO_TURN;
}
