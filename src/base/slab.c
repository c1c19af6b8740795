/*
 * slab.c - small objects of a thread, sorted by size.
 *
 *    sizes[k] --> partial slabs of objects of 8 * (k + 1) bytes:  header | object | object | ...
 *
 * A slab is aligned to its size, so an object's slab is found by its address. Only pages that have
 * been used take memory. A slab without objects goes back to the system, unless it is the last one
 * with room.
 */
#include "base/slab.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/list.h"

#define SLAB_BYTES  65536u
#define GRAIN       8u
#define OBJECT_MAX  1024u /* larger objects come from malloc() */
#define HEADER_SIZE 64u

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define USE_MALLOC true
#else
#define USE_MALLOC false
#endif

struct object {
    struct object *next;
};

struct slab {
    struct list link;      /* in `sizes`, if it has room */
    struct object *free;   /* freed objects */
    uint32_t used;         /* objects in use */
    uint32_t fresh;        /* offset of the first object that was never used */
    uint32_t object_bytes; /* size of each */
};
_Static_assert(sizeof(struct slab) <= HEADER_SIZE, "objects begin after it");

static _Thread_local struct list sizes[OBJECT_MAX / GRAIN];

static struct list *slabs_of(size_t n)
{
    struct list *slabs = &sizes[(n - 1) / GRAIN];
    if (!slabs->next)
        list_init(slabs);
    return slabs;
}

static bool is_full(const struct slab *slab)
{
    return !slab->free && slab->fresh + slab->object_bytes > SLAB_BYTES;
}

/* Map twice the size, and unmap what is outside the aligned part. Null if out of memory. */
static struct slab *map_slab(void)
{
    uint8_t *p =
        mmap(NULL, 2 * SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    const size_t before = -(uintptr_t)p % SLAB_BYTES;
    if (before > 0)
        munmap(p, before);
    munmap(p + before + SLAB_BYTES, SLAB_BYTES - before);
    return (struct slab *)(p + before);
}

static struct slab *slab_new(struct list *slabs, size_t n)
{
    struct slab *slab = map_slab();
    if (!slab)
        return NULL;
    slab->fresh = HEADER_SIZE;
    slab->object_bytes = (uint32_t)((n + GRAIN - 1) / GRAIN * GRAIN);
    list_append(slabs, &slab->link);
    return slab;
}

void *slab_alloc(size_t n)
{
    assert(n > 0);
    if (USE_MALLOC || n > OBJECT_MAX)
        return malloc(n);
    struct list *slabs = slabs_of(n);
    struct slab *slab =
        list_empty(slabs) ? slab_new(slabs, n) : CONTAINER_OF(slabs->next, struct slab, link);
    if (!slab)
        return NULL;
    struct object *object = slab->free;
    if (object) {
        slab->free = object->next;
    } else {
        object = (struct object *)((uint8_t *)slab + slab->fresh);
        slab->fresh += slab->object_bytes;
    }
    slab->used++;
    if (is_full(slab))
        list_remove(&slab->link);
    return object;
}

void slab_free(void *p, size_t n)
{
    if (!p)
        return;
    if (USE_MALLOC || n > OBJECT_MAX) {
        free(p);
        return;
    }
    struct slab *slab = (struct slab *)((uintptr_t)p & ~(uintptr_t)(SLAB_BYTES - 1));
    struct list *slabs = slabs_of(n);
    const bool was_full = is_full(slab);
    struct object *object = p;
    assert(slab->used > 0 && slab->object_bytes == (n + GRAIN - 1) / GRAIN * GRAIN);
    object->next = slab->free;
    slab->free = object;
    slab->used--;
    if (was_full)
        list_append(slabs, &slab->link);
    const bool is_only = slabs->next == &slab->link && slab->link.next == slabs;
    if (slab->used > 0 || is_only)
        return;
    list_remove(&slab->link);
    munmap(slab, SLAB_BYTES);
}
