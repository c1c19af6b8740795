/*
 * stream.h - one end of a byte stream: TCP, TLS over TCP, WebSocket over either.
 *
 * Five operations and no events; TCP also reads to and writes from a pipe. Streams are stacked: the
 * outer stream owns the inner one and frees it. They never block and have no callbacks; the session
 * waits for the bottom socket according to the result.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

enum stream_result {
    STREAM_OK,         /* bytes were moved, or the operation is complete */
    STREAM_WANT_READ,  /* nothing moved; try again when the bottom socket is readable */
    STREAM_WANT_WRITE, /* nothing moved; try again when the bottom socket is writable */
    STREAM_EOF,        /* read only: the peer has shut down its writing side cleanly */
    STREAM_ERR /* the stream failed; stream_error() returns why. After a failed write only the
                  writing side is lost: bytes from the peer can still be read */
};

struct stream;

struct stream_ops {
    enum stream_result (*open)(struct stream *st);
    enum stream_result (*read)(struct stream *st, void *p, size_t n, size_t *got);
    enum stream_result (*write)(struct stream *st, const void *p, size_t n, size_t *put);
    enum stream_result (*close_write)(struct stream *st);
    /* null: bytes can only be copied through memory */
    enum stream_result (*read_to_pipe)(struct stream *st, int pipe, size_t n, size_t *got);
    enum stream_result (*write_from_pipe)(struct stream *st, int pipe, size_t n, size_t *put);
    void (*free)(struct stream *st);
    const char *(*error)(const struct stream *st);
};

struct stream {
    const struct stream_ops *ops;
};

/* Continue the handshake: OK when data can be sent. TCP returns OK once it is connected. */
MUST_USE static inline enum stream_result stream_open(struct stream *st)
{
    return st->ops->open(st);
}

/*
 * Read 1..n bytes into p; *got is set on OK only. n > 0.
 *
 * WANT_READ may be returned without a system call if the last read emptied the socket: the event
 * loop is level-triggered, so no event is lost. After OK, bytes may remain in the stream that no
 * socket event announces: a reader that stops before WANT_READ must call again on its own.
 */
MUST_USE static inline enum stream_result stream_read(struct stream *st, void *p, size_t n,
                                                      size_t *got)
{
    return st->ops->read(st, p, n, got);
}

/*
 * Write 1..n bytes of p; *put is set on OK only. After WANT_* the caller repeats with the
 * same leading bytes (the memory may have moved, and more may follow). n > 0.
 */
MUST_USE static inline enum stream_result stream_write(struct stream *st, const void *p, size_t n,
                                                       size_t *put)
{
    return st->ops->write(st, p, n, put);
}

/* Can data move through a pipe? True if both of the next two functions are available. */
static inline bool stream_can_splice(const struct stream *from, const struct stream *to)
{
    return from->ops->read_to_pipe && to->ops->write_from_pipe;
}

/*
 * As stream_read(), into an empty pipe instead of memory. A pipe is limited by its number of
 * segments: fewer bytes than n do not mean that the socket is empty. Also returns WANT_READ at the
 * end of the stream, which only stream_read() reports.
 */
MUST_USE static inline enum stream_result stream_read_to_pipe(struct stream *st, int pipe, size_t n,
                                                              size_t *got)
{
    return st->ops->read_to_pipe(st, pipe, n, got);
}

/*
 * As stream_write(), from a pipe that contains exactly n bytes. Bytes that were not accepted stay
 * in the pipe; a later stream_write() may continue with them.
 */
MUST_USE static inline enum stream_result stream_write_from_pipe(struct stream *st, int pipe,
                                                                 size_t n, size_t *put)
{
    return st->ops->write_from_pipe(st, pipe, n, put);
}

/*
 * Shut down the writing side (TLS: close_notify; then FIN). OK when sent. If EOF has been read, the
 * FIN may be left to stream_free(), which must then be the next call.
 */
MUST_USE static inline enum stream_result stream_close_write(struct stream *st)
{
    return st->ops->close_write(st);
}

/* Close the socket at the bottom and free every layer. Null is allowed. */
static inline void stream_free(struct stream *st)
{
    if (st)
        st->ops->free(st);
}

/* After STREAM_ERR: the reason ("Connection reset by peer", "alert unknown ca"). */
static inline const char *stream_error(const struct stream *st)
{
    return st->ops->error(st);
}

/*
 * A TCP stream over a connected, non-blocking socket. Takes the socket; on failure it is closed.
 * open() returns OK without a system call. Null if out of memory.
 */
MUST_USE struct stream *stream_tcp_new(int fd);

/*
 * The same over a socket whose connect() may be in progress. open() returns WANT_WRITE while
 * connecting, OK when connected, ERR if the connect failed. write() behaves the same, so it may be
 * called without open().
 */
MUST_USE struct stream *stream_tcp_new_connecting(int fd);

/* Free a TCP stream and return its open socket. No bytes are lost: it does not read ahead. */
MUST_USE int stream_tcp_release(struct stream *st);

#endif
