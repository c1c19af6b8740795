/*
 * key_hash.h - hash text from peers for tables of this process. The seed prevents peers from
 * choosing texts that collide, and at 128 bits accidental collisions can be neglected.
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
