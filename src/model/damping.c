/*
 * damping.c - detect events that are too frequent, and impose growing penalties.
 */
#include "model/damping.h"

#define LEVEL_MAX 31u
#define UNTIL_MAX ((UINT64_C(1) << DAMPING_UNTIL_BITS) - 1)

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
    d->until_us = (now_us + ms * 1000) & UNTIL_MAX;
    d->next = bucket_half_full(d->until_us, rate);
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
