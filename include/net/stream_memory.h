/*
 * stream_memory.h - a stream without a socket, for tests and fuzzing: input comes from a script,
 * output is kept.
 *
 * It can return few bytes at a time, block, and fail at a given byte, always at the same places for
 * the same script. It also asserts the contract of stream.h: a blocked write must be repeated with
 * the same bytes, and no call may follow the end.
 */
#ifndef NET_STREAM_MEMORY_H
#define NET_STREAM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/util.h"
#include "stream.h"

/* All zero: opens immediately, reads are complete, waits at the end of its input, never fails. */
struct stream_memory_script {
    struct span input;   /* borrowed; outlives the stream */
    bool eof;            /* EOF after the input, instead of WANT_READ */
    size_t read_max;     /* most bytes one read gives; 0 = as many as fit */
    size_t write_max;    /* most bytes one write takes; 0 = all */
    unsigned wait_every; /* every n-th call returns WANT_* and moves nothing; 0 = none, 1 = all */
    unsigned open_waits; /* number of times open() returns WANT_READ before OK */
    bool open_fails;     /* and then ERR instead of OK */
    bool read_fails;     /* ERR once read_fails_at bytes were read */
    size_t read_fails_at;
    bool write_fails; /* ERR once write_fails_at bytes were written */
    size_t write_fails_at;
    size_t room;  /* WANT_WRITE once this many bytes wait unconsumed; 0 = no limit */
    bool splices; /* it can read into pipes, and write out of them */
};

/* Copies the script (not the input). Null if out of memory. */
MUST_USE struct stream *stream_memory_new(const struct stream_memory_script *script);

/* Replace the unread input. Borrowed, as the script's. */
void stream_memory_feed(struct stream *st, struct span input, bool eof);

/* Output that was not consumed; valid until the next write. */
struct span stream_memory_output(const struct stream *st);

/* Remove n bytes from the front of the output, to make room for writes. */
void stream_memory_consume(struct stream *st, size_t n);

/* Input bytes not read yet. */
size_t stream_memory_unread(const struct stream *st);

/* Was close_write() called? */
bool stream_memory_write_closed(const struct stream *st);

#endif
