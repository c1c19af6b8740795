/*
 * slab.h - small objects that live as long as a session.
 *
 * A session in a heap full of TLS handshakes keeps the page that it is on, long after the handshake
 * has freed the rest of it: 4 KiB for 500 bytes. These objects have pages of their own, and no
 * header.
 *
 * Each thread has its own slabs: an object must be freed by the thread that allocated it. With a
 * sanitizer this is malloc(), which finds more faults.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>
#include <string.h>

#include "util.h"

/* n bytes, undefined, aligned to 8. Null if out of memory. n > 0. */
MUST_USE void *slab_alloc(size_t n);

/* The same, all zero. */
MUST_USE static inline void *slab_zalloc(size_t n)
{
    void *p = slab_alloc(n);
    return p ? memset(p, 0, n) : NULL;
}

/* Free an object of n bytes. Null is allowed. */
void slab_free(void *p, size_t n);

#endif
