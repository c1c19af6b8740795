/*
 * placement_share.c - compute a node's share of the sessions or keys: in slow start, under bounded
 * load, and after a change of the cluster.
 */
#include <assert.h>
#include <string.h>

#include "model/placement.h"

/*
 * Derive a second, independent seed. With the node's own seed, the keys whose home it is mostly
 * have high hashes, so they would all become warm late. Uses the mixing function of splitmix64
 * (Steele, Lea and Flood, 2014). It is invertible, so nodes with different seeds get different
 * results.
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
    /* The key's position in the slow start, below 2^32: both products fit in 64 bits. */
    uint64_t place = rendezvous_hash(seed_of_warmth(seed), key) >> 32;
    return place * slow_start_ms < up_ms << 32;
}

uint64_t placement_capacity(uint32_t permille, uint64_t total, uint32_t weight, uint64_t weights)
{
    assert(weights > 0);
    /* The product of 32, 64 and 32 bits needs 128. Round up, so that one more session fits. */
    unsigned __int128 due = (unsigned __int128)((uint64_t)permille * weight) * (total + 1);
    unsigned __int128 whole = (unsigned __int128)weights * 1000;
    unsigned __int128 capacity = due / whole + (due % whole != 0);
    return capacity < UINT64_MAX ? (uint64_t)capacity : UINT64_MAX;
}

#define MOVED_KEYS_MAX 8192u
#define MOVED_KEYS_MIN 256u
#define MOVED_HASHES   (1u << 18) /* 3 ms, or 25 ms with different weights (logarithms) */

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

/* ---- shares of the keys ---- */

/* The nodes that can be home. */
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

/* Convert hits to permille. Carry each rounding error to the next node, so that the sum is 1000. */
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
