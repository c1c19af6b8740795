/*
 * guard_page.h - test inputs that end at an inaccessible page: a read past the end crashes, with or
 * without a sanitizer.
 */
#ifndef TEST_GUARD_PAGE_H
#define TEST_GUARD_PAGE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard_page {
    uint8_t *base;
    size_t room; /* bytes before the inaccessible page */
};

/* Allocate room for inputs of up to `max` bytes. */
static inline struct guard_page guard_page_new(size_t max)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (max + page) / page * page;
    uint8_t *base =
        mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert(base != MAP_FAILED);
    int rc = mprotect(base + room, page, PROT_NONE);
    assert(rc == 0);
    return (struct guard_page){base, room};
}

/* Copy the bytes so that they end at the inaccessible page. The result is valid until the next
 * call. */
static inline const uint8_t *guard_page_put(const struct guard_page *g, const void *p, size_t n)
{
    assert(n <= g->room);
    if (n > 0)
        memcpy(g->base + g->room - n, p, n);
    return g->base + g->room - n;
}

static inline void guard_page_free(struct guard_page *g)
{
    munmap(g->base, g->room + (size_t)sysconf(_SC_PAGESIZE));
}

#endif
