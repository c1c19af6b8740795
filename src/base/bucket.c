/*
 * bucket.c - a token bucket: at most N events within a time window.
 *
 * The time between two events is stored in units of 1/4096 microsecond, because it is very short at
 * high rates. It is rounded up, since rounding down would exceed the rate.
 */
#include "base/bucket.h"

#include <assert.h>

#define FRACTION_BITS 12

static uint64_t turn_of(struct bucket_rate rate)
{
    return ((rate.window_us << FRACTION_BITS) + rate.events - 1) / rate.events;
}

static uint64_t early_of(struct bucket_rate rate)
{
    return (rate.burst - 1) * turn_of(rate);
}

bool bucket_take_within(uint64_t *next, uint64_t now_us, struct bucket_rate rate,
                        uint64_t patience_us, uint64_t *wait_us)
{
    assert(rate.events > 0 && rate.burst > 0 && rate.window_us > 0);
    uint64_t now = now_us << FRACTION_BITS, early = early_of(rate);
    /* if the rate was lower before, *next may be further ahead than this rate allows */
    const uint64_t ahead = early + turn_of(rate) + (patience_us << FRACTION_BITS);
    if (*next > now && *next - now > ahead)
        *next = now + ahead;
    uint64_t at = *next > now ? *next : now;
    uint64_t wait = at - now > early ? at - now - early : 0;
    if (wait > patience_us << FRACTION_BITS)
        return false;
    *next = at + turn_of(rate);
    *wait_us = (wait + (UINT64_C(1) << FRACTION_BITS) - 1) >> FRACTION_BITS;
    return true;
}

bool bucket_take(uint64_t *next, uint64_t now_us, struct bucket_rate rate)
{
    uint64_t wait_us;
    return bucket_take_within(next, now_us, rate, 0, &wait_us);
}

uint64_t bucket_half_full(uint64_t now_us, struct bucket_rate rate)
{
    return (now_us << FRACTION_BITS) + early_of(rate) / 2;
}
