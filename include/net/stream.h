/*
 * stream.h - one end of a byte stream: TCP, TLS over it, later WebSocket over either.
 *
 * Five verbs, no events; TCP can do two of them past our memory. Layers stack by ownership: the
 * outer stream owns the inner one and frees it. Streams never block and never call back; a session
 * waits for the socket at the bottom as the answers tell it to.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

enum stream_result {
    STREAM_OK,         /* some bytes moved, or the step is finished */
    STREAM_WANT_READ,  /* nothing moved; try again when the bottom socket is readable */
    STREAM_WANT_WRITE, /* nothing moved; try again when the bottom socket is writable */
    STREAM_EOF,        /* read only: the peer has closed its writing side, in order */
    STREAM_ERR         /* the stream is dead; stream_error() returns why. After a write only the
                          writing side is: what the peer sent before can still be read */
};

struct stream;

struct stream_ops {
    enum stream_result (*open)(struct stream *st);
    enum stream_result (*read)(struct stream *st, void *p, size_t n, size_t *got);
    enum stream_result (*write)(struct stream *st, const void *p, size_t n, size_t *put);
    enum stream_result (*close_write)(struct stream *st);
    /* null: its bytes have to pass through our memory */
    enum stream_result (*read_to_pipe)(struct stream *st, int pipe, size_t n, size_t *got);
    enum stream_result (*write_from_pipe)(struct stream *st, int pipe, size_t n, size_t *put);
    void (*free)(struct stream *st);
    const char *(*error)(const struct stream *st);
};

struct stream {
    const struct stream_ops *ops;
};

/* A handshake step: OK when bytes may flow. TCP answers OK at once when it is connected. */
MUST_USE static inline enum stream_result stream_open(struct stream *st)
{
    return st->ops->open(st);
}

/*
 * Read 1..n bytes into p; *got is set on OK only. n > 0.
 *
 * An answer of WANT_READ may be given without asking the kernel again, when the last
 * read emptied it: the event loop is level-triggered, so nothing is lost. OK may leave
 * bytes inside the stream that no socket event announces: a reader that stops before
 * WANT_READ must come back by itself.
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

/* Can bytes go from one stream to the other through a pipe? Then both of the next two work. */
static inline bool stream_can_splice(const struct stream *from, const struct stream *to)
{
    return from->ops->read_to_pipe && to->ops->write_from_pipe;
}

/*
 * As stream_read(), into an empty pipe instead of memory. What fits a pipe is not n bytes but so
 * many pieces: fewer bytes than n do not mean that no more are there. WANT_READ where a read has to
 * tell: of the end, too.
 */
MUST_USE static inline enum stream_result stream_read_to_pipe(struct stream *st, int pipe, size_t n,
                                                              size_t *got)
{
    return st->ops->read_to_pipe(st, pipe, n, got);
}

/*
 * As stream_write(), from a pipe that has n bytes in it and no more. What was not taken is still
 * there. A later stream_write() may go on with it.
 */
MUST_USE static inline enum stream_result stream_write_from_pipe(struct stream *st, int pipe,
                                                                 size_t n, size_t *put)
{
    return st->ops->write_from_pipe(st, pipe, n, put);
}

/*
 * Say that no more bytes follow (TLS: close_notify; then the socket's FIN). OK when said. When the
 * reader has seen EOF, the FIN may be left to stream_free(): nothing but that is left to do with
 * the stream then.
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

/* After STREAM_ERR: why, in words ("Connection reset by peer", "alert unknown ca"). */
static inline const char *stream_error(const struct stream *st)
{
    return st->ops->error(st);
}

/*
 * A TCP stream over a connected, non-blocking socket, which it takes (also on failure: then
 * the descriptor is closed). open() answers OK at once, without a system call.
 * Null when memory is short.
 */
MUST_USE struct stream *stream_tcp_new(int fd);

/*
 * The same over a socket whose connect() was begun, whether or not it has finished. open()
 * answers WANT_WRITE while it goes on, OK when connected, ERR with the connect's error. So does
 * write(), and who has something to say need not ask open() before.
 */
MUST_USE struct stream *stream_tcp_new_connecting(int fd);

/* End a TCP stream without closing its socket, and give that back. Nothing is read ahead. */
MUST_USE int stream_tcp_release(struct stream *st);

#endif
