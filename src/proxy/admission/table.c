/*
 * table.c - one shard of a table: a hash table of fixed size with an LRU list.
 */
#include "table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct table_entry *at(const struct table *t, uint32_t index)
{
    assert(index > 0 && index <= t->n_max);
    return table_at(t, index);
}

static size_t round_up(size_t n)
{
    return (n + TABLE_LINE - 1) / TABLE_LINE * TABLE_LINE;
}

bool table_init(struct table *t, uint32_t n_max, size_t entry_size)
{
    uint32_t buckets = 1;
    while (buckets < n_max)
        buckets *= 2;
    *t = (struct table){.entry_size = entry_size, .n_max = n_max, .unused = 1, .mask = buckets - 1};
    /* calloc() would not align to cache lines; table_add() zeroes each entry */
    t->entries = aligned_alloc(TABLE_LINE, round_up(((size_t)n_max + 1) * entry_size));
    t->buckets = calloc(buckets, sizeof(*t->buckets));
    return t->entries && t->buckets;
}

void table_fini(struct table *t)
{
    free(t->entries);
    free(t->buckets);
    *t = (struct table){0};
}

/* The shard was chosen by key.high. */
static uint32_t *bucket_of(const struct table *t, struct key_hash key)
{
    return &t->buckets[key.low & t->mask];
}

uint32_t table_find(const struct table *t, struct key_hash key)
{
    uint32_t index = *bucket_of(t, key);
    while (index && (at(t, index)->key.low != key.low || at(t, index)->key.high != key.high))
        index = at(t, index)->chain;
    return index;
}

static void unlink_use(struct table *t, struct table_entry *e)
{
    if (e->newer)
        at(t, e->newer)->older = e->older;
    else
        t->newest = e->older;
    if (e->older)
        at(t, e->older)->newer = e->newer;
    else
        t->oldest = e->newer;
}

static void link_newest(struct table *t, uint32_t index)
{
    struct table_entry *e = at(t, index);
    e->newer = 0;
    e->older = t->newest;
    if (t->newest)
        at(t, t->newest)->newer = index;
    else
        t->oldest = index;
    t->newest = index;
}

void table_touch(struct table *t, uint32_t index)
{
    if (t->newest == index || at(t, index)->held)
        return;
    unlink_use(t, at(t, index));
    link_newest(t, index);
}

void table_hold(struct table *t, uint32_t index)
{
    struct table_entry *e = at(t, index);
    if (!e->held)
        unlink_use(t, e);
    e->held = true;
}

void table_release(struct table *t, uint32_t index)
{
    at(t, index)->held = false;
    link_newest(t, index);
}

static uint32_t take_free(struct table *t)
{
    uint32_t index = t->freed;
    if (index)
        t->freed = at(t, index)->older;
    else if (t->unused <= t->n_max)
        index = t->unused++;
    return index;
}

void *table_add(struct table *t, struct key_hash key, uint32_t *index)
{
    *index = take_free(t);
    if (*index == 0)
        return NULL;
    struct table_entry *e = at(t, *index);
    memset(e, 0, t->entry_size);
    e->key = key;
    e->chain = *bucket_of(t, key);
    *bucket_of(t, key) = *index;
    link_newest(t, *index);
    t->n++;
    return e;
}

void table_remove(struct table *t, uint32_t index)
{
    struct table_entry *e = at(t, index);
    uint32_t *link = bucket_of(t, e->key);
    while (*link != index)
        link = &at(t, *link)->chain;
    *link = e->chain;
    if (!e->held)
        unlink_use(t, e);
    e->older = t->freed;
    t->freed = index;
    t->n--;
}
