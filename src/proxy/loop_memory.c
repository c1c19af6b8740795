/*
 * loop_memory.c - an allocator for libev, with a reserve.
 *
 *    an array grows: realloc(); if that fails, a piece is taken from the reserve
 *    a piece grows: malloc(), or else another piece; the old piece is released
 *    the last piece is released: the whole reserve is free again
 *
 * The state is global because ev_set_allocator() takes a function without an argument.
 */
#include "proxy/loop_memory.h"

#include <ev.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Bytes that libev 4.33 allocates: in each loop, 16 per descriptor of the process; and per watcher,
 * 16 for the timer heap, 16 for pending events, 4 for changed descriptors and 12 for epoll events.
 * A session has two descriptors and three watchers. The sums are doubled, because arrays grow by
 * doubling.
 */
#define EACH_LOOP_PER_DESCRIPTOR 32u
#define ALL_LOOPS_PER_DESCRIPTOR 144u
#define SMALLEST                 65536u
#define LARGEST                  (64u << 20) /* some containers set a limit of a billion files */

struct piece {
    alignas(max_align_t) size_t size; /* size of the bytes that follow */
};

static struct {
    pthread_mutex_t lock;
    uint8_t *mem; /* null = none */
    size_t size, at;
    _Atomic size_t in_use; /* changed under the lock; relaxed */
} reserve = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_piece(const void *p)
{
    uintptr_t at = (uintptr_t)p, mem = (uintptr_t)reserve.mem;
    return reserve.mem && at >= mem && at < mem + reserve.size;
}

static void *take(size_t size)
{
    const size_t whole = sizeof(struct piece) + (size + alignof(max_align_t) - 1) /
                                                    alignof(max_align_t) * alignof(max_align_t);
    struct piece *piece = NULL;
    pthread_mutex_lock(&reserve.lock);
    if (reserve.mem && whole <= reserve.size - reserve.at) {
        piece = (struct piece *)(void *)(reserve.mem + reserve.at);
        piece->size = size;
        reserve.at += whole;
        atomic_fetch_add_explicit(&reserve.in_use, size, memory_order_relaxed);
    }
    pthread_mutex_unlock(&reserve.lock);
    return piece ? piece + 1 : NULL;
}

static size_t size_of(const void *p)
{
    return ((const struct piece *)p - 1)->size;
}

static void give_up(void *p)
{
    pthread_mutex_lock(&reserve.lock);
    size_t n = size_of(p);
    if (atomic_fetch_sub_explicit(&reserve.in_use, n, memory_order_relaxed) == n)
        reserve.at = 0;
    pthread_mutex_unlock(&reserve.lock);
}

/* Move a piece out of the reserve if possible, otherwise within the reserve. */
static void *move_piece(void *p, size_t size)
{
    void *to = malloc(size);
    if (!to)
        to = take(size);
    if (!to)
        return NULL;
    memcpy(to, p, size_min(size_of(p), size));
    give_up(p);
    return to;
}

static void *move_into_reserve(void *p, size_t size)
{
    void *to = take(size);
    if (to && p) {
        memcpy(to, p, size_min(malloc_usable_size(p), size));
        free(p);
    }
    return to;
}

/* Like realloc(), or free() if size is 0. If this returns null, libev aborts the process. */
static void *allocate(void *p, long size) EV_NOEXCEPT
{
    if (size == 0) {
        if (is_piece(p))
            give_up(p);
        else
            free(p);
        return NULL;
    }
    if (is_piece(p))
        return move_piece(p, (size_t)size);
    void *to = realloc(p, (size_t)size);
    return to ? to : move_into_reserve(p, (size_t)size);
}

bool loop_memory_init(size_t descriptors, unsigned loops)
{
    size_t each = ALL_LOOPS_PER_DESCRIPTOR + (size_t)loops * EACH_LOOP_PER_DESCRIPTOR;
    size_t size = descriptors > LARGEST / each ? LARGEST : size_max(descriptors * each, SMALLEST);
    void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED)
        return false;
    reserve.mem = mem;
    reserve.size = size;
    ev_set_allocator(allocate);
    return true;
}

bool loop_memory_is_short(void)
{
    size_t in_use = atomic_load_explicit(&reserve.in_use, memory_order_relaxed);
    if (in_use == 0)
        return false;
    /* volatile, so that the compiler does not remove the unused allocation */
    void *volatile as_much = malloc(in_use);
    free(as_much);
    return !as_much;
}

void loop_memory_fini(void)
{
    if (reserve.mem)
        munmap(reserve.mem, reserve.size);
    reserve.mem = NULL;
    reserve.size = reserve.at = 0;
}
