/*
 * buffer.h - a growable byte buffer with headroom in front.
 *
 *     mem          head            tail            size
 *      |  headroom  |  the bytes    |  room         |
 *
 * Used for the first packet of a connection: the headroom allows prepending a header, so that both
 * are sent in one call.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

struct buffer {
    uint8_t *mem; /* owned; null until the first reservation */
    size_t head, tail, size;
};

static inline size_t buffer_len(const struct buffer *b)
{
    return b->tail - b->head;
}

static inline size_t buffer_room(const struct buffer *b)
{
    return b->size - b->tail;
}

/* Null until the first reservation, since C does not define null + 0. */
static inline uint8_t *buffer_bytes(const struct buffer *b)
{
    return b->mem ? b->mem + b->head : NULL;
}

/*
 * Reserve `headroom` bytes in front (on the first call only) and at least `room` bytes at the end.
 * Returns false if out of memory, and leaves the contents unchanged.
 */
MUST_USE bool buffer_reserve(struct buffer *b, size_t headroom, size_t room);

/* Account for n bytes written at the tail; n <= buffer_room(). */
void buffer_grew(struct buffer *b, size_t n);

/* Prepend n bytes; n <= the headroom left. */
void buffer_prepend(struct buffer *b, const void *p, size_t n);

/* Discard the first n bytes; n <= buffer_len(). */
void buffer_consume(struct buffer *b, size_t n);

/* Free the memory; the buffer is then empty and can be reused. */
void buffer_release(struct buffer *b);

#endif
