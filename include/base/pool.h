/*
 * pool.h - blocks of one size, kept for reuse by one thread.
 *
 * Keeps a limited number of free blocks; the others are returned to malloc.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "util.h"

struct pool_block;

struct pool {
    size_t size;             /* bytes of a block */
    size_t keep;             /* free blocks kept at most */
    size_t n_free;           /* free blocks kept now */
    size_t n_held;           /* blocks given out now */
    struct pool_block *free; /* the kept ones */
};

/* size is at least a pointer's */
void pool_init(struct pool *pool, size_t size, size_t keep);

/* All blocks must have been returned. */
void pool_fini(struct pool *pool);

/* A block, its bytes undefined; null when memory is short. */
MUST_USE void *pool_get(struct pool *pool);

/* Return a block. Null is allowed. */
void pool_put(struct pool *pool, void *block);

#endif
