/*
 * stream_memory.h - a stream without a socket, for tests and fuzzing. A script provides the input;
 * the output is kept.
 *
 * The script can limit the bytes per call, make calls block, and let a call fail at a given byte.
 * The same script always has the same effects. The stream also asserts the contract of stream.h: a
 * blocked write must be repeated with the same bytes, and no read may follow EOF or an error.
 */
#ifndef NET_STREAM_MEMORY_H
#define NET_STREAM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/util.h"
#include "stream.h"

/* If all zero, the stream opens immediately, returns WANT_READ after its input, and never fails. */
struct stream_memory_script {
    struct span input;   /* borrowed; must stay valid as long as the stream */
    bool eof;            /* return EOF after the input, not WANT_READ */
    size_t read_max;     /* maximum number of bytes per read; 0 = no limit */
    size_t write_max;    /* maximum number of bytes per write; 0 = no limit */
    unsigned wait_every; /* every n-th call returns WANT_*; 0 = none, 1 = all */
    unsigned open_waits; /* number of times open() returns WANT_READ before OK */
    bool open_fails;     /* after that, open() returns ERR, not OK */
    bool read_fails;     /* return ERR after read_fails_at bytes have been read */
    size_t read_fails_at;
    bool write_fails; /* return ERR after write_fails_at bytes have been written */
    size_t write_fails_at;
    size_t room;  /* return WANT_WRITE when this many bytes are unconsumed; 0 = no limit */
    bool splices; /* support pipes */
};

/* Create a stream. The script is copied, its input is not. Null if out of memory. */
MUST_USE struct stream *stream_memory_new(const struct stream_memory_script *script);

/* Replace the unread input. The new input is borrowed too. */
void stream_memory_feed(struct stream *st, struct span input, bool eof);

/* The output that has not been consumed; valid until the next write. */
struct span stream_memory_output(const struct stream *st);

/* Remove n bytes from the front of the output, to make room for writes. */
void stream_memory_consume(struct stream *st, size_t n);

/* Number of unread input bytes. */
size_t stream_memory_unread(const struct stream *st);

/* Was close_write() called? */
bool stream_memory_write_closed(const struct stream *st);

#endif
