/*
 * table.h - a shard of a table of fixed size: hash chains, and the order of last use.
 *
 * Not locked: the caller must hold the shard's mutex. An entry begins with a struct
 * table_entry; index 0 is "none".
 */
#ifndef PROXY_ADMISSION_TABLE_H
#define PROXY_ADMISSION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "model/key_hash.h"

#define TABLE_LINE 64u /* cache line of the processor; the entries are aligned to it */

struct table_entry {
    struct key_hash key;
    uint32_t chain;        /* next in its bucket */
    uint32_t newer, older; /* in the order of use; of a free entry, `older` is the next free one */
    bool held;             /* not in that order: it must not be evicted */
};

struct table {
    uint8_t *entries; /* n_max + 1; pages are touched when they are first used */
    uint32_t *buckets;
    size_t entry_size;
    uint32_t n_max, n;
    uint32_t unused;         /* entries never used so far begin here */
    uint32_t freed;          /* the first of those given back */
    uint32_t mask;           /* of buckets */
    uint32_t newest, oldest; /* of those not held; 0 = all are */
};

/* False if memory is short; table_fini() is allowed then, too. */
MUST_USE bool table_init(struct table *t, uint32_t n_max, size_t entry_size);
void table_fini(struct table *t);

static inline void *table_at(const struct table *t, uint32_t index)
{
    return t->entries + (size_t)index * t->entry_size;
}

/* The entry of this key; 0 = there is none. */
uint32_t table_find(const struct table *t, struct key_hash key);

/* Make it the newest, unless it is held. */
void table_touch(struct table *t, uint32_t index);

/* Protect it from eviction; and stop doing so, which makes it the newest. */
void table_hold(struct table *t, uint32_t index);
void table_release(struct table *t, uint32_t index);

/*
 * Add an entry for a new key, as the newest: all zero except its links and its key. Null and
 * *index 0 if the table is full: table_remove() makes room.
 */
void *table_add(struct table *t, struct key_hash key, uint32_t *index);
void table_remove(struct table *t, uint32_t index);

#endif
