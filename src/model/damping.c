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
    uint64_t turn = turn_of(rate), most = UINT64_MAX / 2;
    return rate.burst - 1 > most / turn ? most : (rate.burst - 1) * turn;
}

bool bucket_take(uint64_t *next, uint64_t now_us, struct bucket_rate rate)
{
    assert(rate.events > 0 && rate.burst > 0 && rate.window_us > 0);
    uint64_t now = now_us << FRACTION_BITS;
    uint64_t at = *next > now ? *next : now;
    if (at - now > early_of(rate))
        return false;
    *next = at + turn_of(rate);
    return true;
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
