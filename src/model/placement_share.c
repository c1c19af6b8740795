/*
 * placement_share.c - how much of the devices a node gets: by slow start, by bounded load, and
 * after the cluster has changed.
 */
#include <assert.h>
#include <string.h>

#include "model/placement.h"

/*
 * A seed that has nothing to do with the one it is made from: the keys of a node are those
 * whose hash under its own seed is high, and must not all become warm late (or early). The
 * mixing of splitmix64 (Steele, Lea and Flood, 2014), each step of which can be undone, so no
 * two nodes share a seed.
 */
static uint64_t seed_of_warmth(uint64_t seed)
{
    uint64_t z = seed + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

bool placement_is_warm_for(uint64_t seed, struct span key, uint64_t up_ms, uint32_t slow_start_ms)
{
    if (up_ms >= slow_start_ms)
        return true;
    /* The key's place within the slow start, 0 to 2^32: both products fit in 64 bits. */
    uint64_t place = rendezvous_hash(seed_of_warmth(seed), key) >> 32;
    return place * slow_start_ms < up_ms << 32;
}

uint64_t placement_capacity(uint32_t permille, uint64_t total, uint32_t weight, uint64_t weights)
{
    assert(weights > 0);
    /* 32, 64 and 32 bits: together they need 128. Rounded up, so that one more always fits. */
    unsigned __int128 due = (unsigned __int128)((uint64_t)permille * weight) * (total + 1);
    unsigned __int128 whole = (unsigned __int128)weights * 1000;
    unsigned __int128 capacity = due / whole + (due % whole != 0);
    return capacity < UINT64_MAX ? (uint64_t)capacity : UINT64_MAX;
}

#define MOVED_KEYS_MAX 8192u
#define MOVED_KEYS_MIN 256u
#define MOVED_HASHES   (1u << 18) /* 3 ms; 25 with different weights, for their logarithms */

static bool is_no_backup(void *arg, uint32_t index)
{
    const bool *backup = arg;
    return !backup[index];
}

bool placement_home_index(const struct placement_homes *homes, struct span key, uint32_t *index)
{
    struct rendezvous_candidates field = {.nodes = homes->nodes,
                                          .n = homes->n,
                                          .is_eligible = homes->backup ? is_no_backup : NULL,
                                          .arg = (void *)homes->backup}; /* only read */
    return rendezvous_pick_from(&field, key, 1, index) > 0;
}

const char *placement_home(const struct placement_homes *homes, struct span key)
{
    uint32_t home;
    return placement_home_index(homes, key, &home) ? homes->nodes[home].name : NULL;
}

static bool same_name(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

uint32_t placement_moved_permille(const struct placement_homes *before,
                                  const struct placement_homes *after)
{
    size_t keys = MOVED_HASHES / size_max(before->n + after->n, 1);
    keys = size_max(size_min(keys, MOVED_KEYS_MAX), MOVED_KEYS_MIN);
    size_t moved = 0;
    for (uint64_t i = 0; i < keys; i++) {
        struct span key = span_of(&i, sizeof(i));
        moved += !same_name(placement_home(before, key), placement_home(after, key));
    }
    return (uint32_t)((moved * 1000 + keys / 2) / keys);
}

/* ---- who has how much ---- */

/* Whom a key may have for its home. */
struct sharing {
    const struct placement_homes *homes;
    const bool *open;
    bool backups; /* no primary is open */
};

static bool is_home(const struct sharing *s, uint32_t index)
{
    const bool backup = s->homes->backup && s->homes->backup[index];
    return s->open[index] && s->homes->nodes[index].weight > 0 && backup == s->backups;
}

static bool is_open(void *arg, uint32_t index)
{
    return is_home(arg, index);
}

static bool has_home(const struct sharing *s)
{
    for (uint32_t i = 0; i < s->homes->n; i++)
        if (is_home(s, i))
            return true;
    return false;
}

/* Hits become permille, rounded so that all of them are 1000: what is over goes on to the next. */
static void to_permille(uint32_t *out, size_t n, size_t keys)
{
    size_t sum = 0, given = 0;
    for (size_t i = 0; i < n; i++) {
        sum += out[i];
        size_t due = (sum * 1000 + keys / 2) / keys;
        out[i] = (uint32_t)(due - given);
        given = due;
    }
}

void placement_shares(const struct placement_homes *homes, const bool *open, uint32_t *out)
{
    struct sharing sharing = {.homes = homes, .open = open};
    const struct rendezvous_candidates field = {
        .nodes = homes->nodes, .n = homes->n, .is_eligible = is_open, .arg = &sharing};
    memset(out, 0, homes->n * sizeof(*out));
    sharing.backups = !has_home(&sharing);
    if (!has_home(&sharing))
        return;
    const size_t keys =
        size_max(size_min(MOVED_HASHES / size_max(homes->n, 1), MOVED_KEYS_MAX), MOVED_KEYS_MIN);
    for (uint64_t i = 0; i < keys; i++) {
        uint32_t home;
        if (rendezvous_pick_from(&field, span_of(&i, sizeof(i)), 1, &home) > 0)
            out[home]++;
    }
    to_permille(out, homes->n, keys);
}
