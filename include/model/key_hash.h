/*
 * key_hash.h - a hash of peer text for tables of this process: seeded, so that nobody outside can
 * aim at a place, and wide enough that two texts are never taken for one.
 *
 * Pure. Source: XXH3_128bits_withSeed.
 */
#ifndef MODEL_KEY_HASH_H
#define MODEL_KEY_HASH_H

#include <stddef.h>
#include <stdint.h>

struct key_hash {
    uint64_t low, high;
};

struct key_hash key_hash(const void *p, size_t n, uint64_t seed);

#endif
