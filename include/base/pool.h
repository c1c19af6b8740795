/*
 * pool.h - a pool of memory blocks of one size, used by one thread.
 *
 * Keeps a limited number of free blocks for reuse; the others are freed.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "util.h"

struct pool_block;

struct pool {
    size_t size;             /* size of a block in bytes */
    size_t keep;             /* maximum number of free blocks */
    size_t n_free;           /* number of free blocks */
    size_t n_held;           /* number of blocks in use */
    struct pool_block *free; /* list of free blocks */
};

/* size must be at least the size of a pointer. */
void pool_init(struct pool *pool, size_t size, size_t keep);

/* All blocks must have been returned. */
void pool_fini(struct pool *pool);

/* Get a block with undefined contents; null if out of memory. */
MUST_USE void *pool_get(struct pool *pool);

/* Return a block. Null is allowed. */
void pool_put(struct pool *pool, void *block);

#endif
