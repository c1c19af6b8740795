/* counters.c - histograms of durations, and names. */
#include "proxy/counters.h"

#include <assert.h>
#include <stddef.h>

#include "base/util.h"

static const uint32_t bounds_us[] = {
#define X(us) us,
    HISTOGRAM_BOUNDS(X)
#undef X
};

void histogram_add(struct histogram *h, uint64_t us)
{
    size_t i = 0;
    while (i < ARRAY_LEN(bounds_us) && us > bounds_us[i])
        i++;
    counter_add(&h->buckets[i], 1);
    counter_add(&h->sum_us, us);
}

const char *tls_hold_name(enum tls_hold hold)
{
    static const char *const words[] = {
#define X(suffix, word) word,
        TLS_HOLDS(X)
#undef X
    };
    assert(hold < TLS_HOLD_COUNT);
    return words[hold];
}

const char *tls_side_name(enum tls_side side)
{
    static const char *const words[] = {[TLS_SIDE_CLIENT] = "client", [TLS_SIDE_NODE] = "node"};
    assert(side < TLS_SIDE_COUNT);
    return words[side];
}
