/*
 * stream.h - one end of a byte stream: TCP, TLS over TCP, WebSocket over either.
 *
 * A stream has five operations and no events; a TCP stream can also move bytes to and from a pipe.
 * Streams are stacked: the outer stream owns the inner one and frees it. Streams never block and
 * have no callbacks: after WANT_READ or WANT_WRITE, the session waits for the bottom socket.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

enum stream_result {
    STREAM_OK,         /* bytes were moved, or the operation is complete */
    STREAM_WANT_READ,  /* no progress; retry when the bottom socket is readable */
    STREAM_WANT_WRITE, /* no progress; retry when the bottom socket is writable */
    STREAM_EOF,        /* reads only: the peer has cleanly shut down its writing side */
    STREAM_ERR /* the stream failed; stream_error() returns the reason. After a failed write the
                  stream can still be read */
};

/* What stream_settle() did. */
enum stream_settled {
    STREAM_SETTLED,            /* nothing is left to release */
    STREAM_SETTLE_BUSY,        /* bytes are on their way inside the stream: try again later */
    STREAM_SETTLE_DISABLED,    /* by the configuration */
    STREAM_SETTLE_UNSUPPORTED, /* the cipher suite or the version does not allow it */
    STREAM_SETTLE_FAILED       /* out of memory: try again later */
};

struct stream;

struct stream_ops {
    enum stream_result (*open)(struct stream *st);
    enum stream_result (*read)(struct stream *st, void *p, size_t n, size_t *got);
    enum stream_result (*write)(struct stream *st, const void *p, size_t n, size_t *put);
    enum stream_result (*close_write)(struct stream *st);
    /* null if the stream cannot use a pipe */
    enum stream_result (*read_to_pipe)(struct stream *st, int pipe, size_t n, size_t *got);
    enum stream_result (*write_from_pipe)(struct stream *st, int pipe, size_t n, size_t *put);
    enum stream_settled (*settle)(struct stream **st); /* null: there is nothing to release */
    void (*free)(struct stream *st);
    const char *(*error)(const struct stream *st);
};

struct stream {
    const struct stream_ops *ops;
};

/* Continue to open the stream (connect, handshake). Returns OK once data can be sent. */
MUST_USE static inline enum stream_result stream_open(struct stream *st)
{
    return st->ops->open(st);
}

/*
 * Read 1..n bytes into p; *got is set on OK only. n > 0.
 *
 * Can return WANT_READ without a system call if the last read emptied the socket; the event loop is
 * level-triggered, so no event is lost. After OK, the stream can hold bytes that trigger no socket
 * event: a reader that stops before WANT_READ must call again without waiting for an event.
 */
MUST_USE static inline enum stream_result stream_read(struct stream *st, void *p, size_t n,
                                                      size_t *got)
{
    return st->ops->read(st, p, n, got);
}

/*
 * Write 1..n bytes of p; *put is set on OK only. n > 0. After WANT_* the caller must repeat the
 * call with the same bytes; they may be at another address, and more bytes may follow them.
 */
MUST_USE static inline enum stream_result stream_write(struct stream *st, const void *p, size_t n,
                                                       size_t *put)
{
    return st->ops->write(st, p, n, put);
}

/* Can data be moved from one stream to the other through a pipe? */
static inline bool stream_can_splice(const struct stream *from, const struct stream *to)
{
    return from->ops->read_to_pipe && to->ops->write_from_pipe;
}

/*
 * Like stream_read(), but into an empty pipe. A pipe is limited by its number of segments, so fewer
 * than n bytes do not mean that the socket is empty. Returns WANT_READ at the end of the stream:
 * only stream_read() reports EOF.
 */
MUST_USE static inline enum stream_result stream_read_to_pipe(struct stream *st, int pipe, size_t n,
                                                              size_t *got)
{
    return st->ops->read_to_pipe(st, pipe, n, got);
}

/*
 * Like stream_write(), but from a pipe that contains exactly n bytes. Bytes that were not written
 * stay in the pipe; a later stream_write() may continue with them.
 */
MUST_USE static inline enum stream_result stream_write_from_pipe(struct stream *st, int pipe,
                                                                 size_t n, size_t *put)
{
    return st->ops->write_from_pipe(st, pipe, n, put);
}

/*
 * Shut down the writing side: send close_notify (TLS), then FIN. Returns OK when they are sent.
 * After EOF has been read, the FIN may be left to stream_free(), which must then be the next call.
 */
MUST_USE static inline enum stream_result stream_close_write(struct stream *st)
{
    return st->ops->close_write(st);
}

/*
 * An open stream carries data from now on: release what only its opening needed. May replace *st.
 * Nothing changes for the peer, nor for the operations above, and no byte is lost.
 */
MUST_USE static inline enum stream_settled stream_settle(struct stream **st)
{
    return (*st)->ops->settle ? (*st)->ops->settle(st) : STREAM_SETTLED;
}

/* Close the socket at the bottom and free every layer. Null is allowed. */
static inline void stream_free(struct stream *st)
{
    if (st)
        st->ops->free(st);
}

/* The reason for a STREAM_ERR, such as "Connection reset by peer". */
static inline const char *stream_error(const struct stream *st)
{
    return st->ops->error(st);
}

/*
 * Create a TCP stream over a connected, non-blocking socket. Takes the socket, and closes it on
 * failure. open() returns OK without a system call. Null if out of memory.
 */
MUST_USE struct stream *stream_tcp_new(int fd);

/*
 * Like stream_tcp_new(), but connect() may still be in progress. open() returns WANT_WRITE while
 * connecting, OK when connected and ERR if the connect failed. write() also waits for the connect,
 * so it may be called without open().
 */
MUST_USE struct stream *stream_tcp_new_connecting(int fd);

/* Free a TCP stream and return its open socket. It does not read ahead, so no bytes are lost. */
MUST_USE int stream_tcp_release(struct stream *st);

#endif
