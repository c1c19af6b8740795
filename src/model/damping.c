/*
 * damping.c - how often is too often: a token bucket, and a penalty that grows.
 *
 * The bucket counts in 1/4096 of a microsecond, rounded up: at high rates a whole microsecond is
 * no small part of a turn, and rounding down would let more through than is allowed.
 */
#include "model/damping.h"

#include <assert.h>

#define FRACTION_BITS 12
#define LEVEL_MAX     31u

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

bool bucket_is_full(uint64_t next, uint64_t now_us)
{
    return next <= now_us << FRACTION_BITS;
}

static struct bucket_rate rate_of(const struct flapping_conf *conf)
{
    return (struct bucket_rate){.window_us = conf->window_ms * UINT64_C(1000),
                                .events = conf->max_connects,
                                .burst = conf->max_connects};
}

static bool is_forgiven(const struct damping *d, const struct flapping_conf *conf, uint64_t now_us)
{
    return d->until_us == 0 ||
           (now_us > d->until_us && now_us - d->until_us > conf->penalty_max_ms * UINT64_C(1000));
}

static uint32_t begin_penalty(struct damping *d, const struct flapping_conf *conf, uint64_t now_us)
{
    const struct bucket_rate rate = rate_of(conf);
    uint64_t ms = (uint64_t)conf->penalty_ms << d->level;
    if (ms > conf->penalty_max_ms)
        ms = conf->penalty_max_ms;
    d->until_us = now_us + ms * 1000;
    d->next = (d->until_us << FRACTION_BITS) + early_of(rate) / 2;
    if (d->level < LEVEL_MAX)
        d->level++;
    return (uint32_t)ms;
}

enum damping_verdict damping_step(struct damping *d, const struct flapping_conf *conf,
                                  uint64_t now_us, uint32_t *left_ms)
{
    if (now_us < d->until_us) {
        *left_ms = (uint32_t)((d->until_us - now_us + 999) / 1000);
        return DAMPING_PENALTY;
    }
    if (is_forgiven(d, conf, now_us))
        d->level = 0;
    *left_ms = 0;
    if (bucket_take(&d->next, now_us, rate_of(conf)))
        return DAMPING_FREE;
    *left_ms = begin_penalty(d, conf, now_us);
    return DAMPING_BEGINS;
}

bool damping_is_clean(const struct damping *d, const struct flapping_conf *conf, uint64_t now_us)
{
    return bucket_is_full(d->next, now_us) && is_forgiven(d, conf, now_us);
}
