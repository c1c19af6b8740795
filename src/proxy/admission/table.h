/*
 * table.h - one shard of a table: a hash table of fixed size with an LRU list.
 *
 * The caller must hold the shard's mutex. Every entry begins with a struct table_entry. Index 0
 * means "none".
 */
#ifndef PROXY_ADMISSION_TABLE_H
#define PROXY_ADMISSION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "model/key_hash.h"

#define TABLE_LINE 64u /* size of a cache line; entries are aligned to it */

struct table_entry {
    struct key_hash key;
    uint32_t chain;        /* next entry of the bucket */
    uint32_t newer, older; /* LRU list; in a free entry, `older` is the next free entry */
    bool held;             /* not in the LRU list, so never evicted */
};

struct table {
    uint8_t *entries; /* n_max + 1; a page is not touched before its first use */
    uint32_t *buckets;
    size_t entry_size;
    uint32_t n_max, n;
    uint32_t unused;         /* index of the first entry never used */
    uint32_t freed;          /* first removed entry; 0 = none */
    uint32_t mask;           /* number of buckets - 1 */
    uint32_t newest, oldest; /* ends of the LRU list; 0 = empty */
};

/* Return false if out of memory; call table_fini() in that case, too. */
MUST_USE bool table_init(struct table *t, uint32_t n_max, size_t entry_size);
void table_fini(struct table *t);

static inline void *table_at(const struct table *t, uint32_t index)
{
    return t->entries + (size_t)index * t->entry_size;
}

/* Return the index of the key's entry; 0 = none. */
uint32_t table_find(const struct table *t, struct key_hash key);

/* Make an entry the most recently used, unless it is held. */
void table_touch(struct table *t, uint32_t index);

/* Protect an entry from eviction; or unprotect it and make it the most recently used. */
void table_hold(struct table *t, uint32_t index);
void table_release(struct table *t, uint32_t index);

/*
 * Add an entry for a new key as the most recently used. The entry is zeroed except for its struct
 * table_entry. If the table is full, returns null and sets *index to 0.
 */
void *table_add(struct table *t, struct key_hash key, uint32_t *index);
void table_remove(struct table *t, uint32_t index);

#endif
