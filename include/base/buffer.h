/*
 * buffer.h - bytes that grow at the end and, into reserved headroom, at the front.
 *
 *     mem          head            tail            size
 *      |  headroom  |  the bytes    |  room         |
 *
 * Made for the first packet of a connection: it is read behind some headroom, so that a
 * header can be put in front of it and both leave in one send.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

struct buffer {
    uint8_t *mem; /* owned; null while nothing was ever reserved */
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

/* Null while nothing was ever reserved: null + 0 is undefined. */
static inline uint8_t *buffer_bytes(const struct buffer *b)
{
    return b->mem ? b->mem + b->head : NULL;
}

/*
 * Have memory for `headroom` bytes in front (asked for on the first call only) and at least
 * `room` bytes behind what is there. False when memory is short; nothing is lost then.
 */
MUST_USE bool buffer_reserve(struct buffer *b, size_t headroom, size_t room);

/* Say that n bytes were written behind the tail; n <= buffer_room(). */
void buffer_grew(struct buffer *b, size_t n);

/* Put n bytes in front; n <= the headroom left. */
void buffer_prepend(struct buffer *b, const void *p, size_t n);

/* Forget the first n bytes; n <= buffer_len(). */
void buffer_consume(struct buffer *b, size_t n);

/* Give the memory back; the buffer is empty and usable again. */
void buffer_release(struct buffer *b);

#endif
