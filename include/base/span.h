/*
 * span.h - a pointer to borrowed bytes, with their length.
 *
 * A span must not outlive the memory that it points to. A null `p` means "absent", which is
 * different from "empty" (`p` set, `n` 0).
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *p; /* borrowed; null = absent */
    size_t n;         /* bytes */
};

static inline struct span span_of(const void *p, size_t n)
{
    return (struct span){.p = p, .n = n};
}

/* Return the bytes of a C string without its terminator; absent if it is null. */
static inline struct span span_of_str(const char *s)
{
    return (struct span){.p = (const uint8_t *)s, .n = s ? strlen(s) : 0};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif
