/*
 * buffer.c - a growable byte buffer with headroom in front.
 */
#include "base/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool buffer_reserve(struct buffer *b, size_t headroom, size_t room)
{
    if (!b->mem) {
        b->mem = malloc(headroom + room);
        if (!b->mem)
            return false;
        b->head = b->tail = headroom;
        b->size = headroom + room;
        return true;
    }
    if (buffer_room(b) >= room)
        return true;
    uint8_t *mem = realloc(b->mem, b->tail + room);
    if (!mem)
        return false;
    b->mem = mem;
    b->size = b->tail + room;
    return true;
}

void buffer_grew(struct buffer *b, size_t n)
{
    assert(n <= buffer_room(b));
    b->tail += n;
}

void buffer_prepend(struct buffer *b, const void *p, size_t n)
{
    assert(n <= b->head);
    b->head -= n;
    memcpy(b->mem + b->head, p, n);
}

void buffer_consume(struct buffer *b, size_t n)
{
    assert(n <= buffer_len(b));
    b->head += n;
}

void buffer_release(struct buffer *b)
{
    free(b->mem);
    *b = (struct buffer){0};
}
