/*
 * pool.c - a pool of memory blocks of one size, used by one thread.
 *
 * A free block stores the link to the next one in its first bytes. There are no locks, because a
 * pool belongs to one worker.
 */
#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>

struct pool_block {
    struct pool_block *next;
};

void pool_init(struct pool *pool, size_t size, size_t keep)
{
    assert(size >= sizeof(struct pool_block));
    *pool = (struct pool){.size = size, .keep = keep};
}

void pool_fini(struct pool *pool)
{
    assert(pool->n_held == 0);
    while (pool->free) {
        struct pool_block *block = pool->free;
        pool->free = block->next;
        free(block);
    }
    pool->n_free = 0;
}

void *pool_get(struct pool *pool)
{
    struct pool_block *block = pool->free;
    if (block) {
        pool->free = block->next;
        pool->n_free--;
    } else {
        block = malloc(pool->size);
    }
    if (block)
        pool->n_held++;
    return block;
}

void pool_put(struct pool *pool, void *block)
{
    if (!block)
        return;
    assert(pool->n_held > 0);
    pool->n_held--;
    if (pool->n_free >= pool->keep) {
        free(block);
        return;
    }
    struct pool_block *b = block;
    b->next = pool->free;
    pool->free = b;
    pool->n_free++;
}
