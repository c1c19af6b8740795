/*
 * key_hash.c - hash text from peers for tables of this process.
 */
#include "model/key_hash.h"

#include <xxhash.h>

struct key_hash key_hash(const void *p, size_t n, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(p, n, seed);
    return (struct key_hash){.low = hash.low64, .high = hash.high64};
}
