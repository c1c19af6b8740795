/*
 * stream_tcp.c - a stream over a non-blocking TCP socket.
 *
 * The stream buffers no data. If a read empties the socket, the next read returns WANT_READ without
 * a system call, so that a relayed message costs one recv(), not two.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slab.h"
#include "net/stream.h"

/* Kept small, because an idle session has two of these. */
struct stream_tcp {
    struct stream stream;
    int fd;
    int fault;       /* errno of the failed call; 0 = none failed */
    bool connecting; /* connect() may still be in progress */
    bool ended;      /* the peer's FIN was read */
    bool drained;    /* the last read left the socket empty */
};

static struct stream_tcp *tcp_of(struct stream *st)
{
    return CONTAINER_OF(st, struct stream_tcp, stream);
}

static enum stream_result tcp_fail(struct stream_tcp *t, int fault)
{
    t->fault = fault;
    return STREAM_ERR;
}

static enum stream_result tcp_open(struct stream *st)
{
    struct stream_tcp *t = tcp_of(st);
    if (!t->connecting)
        return STREAM_OK;
    /* poll() first: SO_ERROR is 0 both while connecting and when connected. */
    struct pollfd p = {.fd = t->fd, .events = POLLOUT};
    int ready = poll(&p, 1, 0);
    if (ready == 0 || (ready < 0 && errno == EINTR))
        return STREAM_WANT_WRITE;
    if (ready < 0)
        return tcp_fail(t, errno);
    int fault = 0;
    socklen_t n = sizeof(fault);
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &fault, &n) != 0)
        return tcp_fail(t, errno);
    if (fault != 0)
        return tcp_fail(t, fault);
    t->connecting = false;
    return STREAM_OK;
}

/* Did the last read empty the socket? Resets the flag, so that the next call reads again. */
static bool take_drained(struct stream_tcp *t)
{
    const bool drained = t->drained;
    t->drained = false;
    return drained;
}

/* Convert the return value of a read. */
static enum stream_result read_result(struct stream_tcp *t, ssize_t r, size_t *got)
{
    if (r < 0)
        return errno == EAGAIN ? STREAM_WANT_READ : tcp_fail(t, errno);
    if (r == 0) {
        t->ended = true;
        return STREAM_EOF;
    }
    *got = (size_t)r;
    return STREAM_OK;
}

static enum stream_result write_result(struct stream_tcp *t, ssize_t r, size_t *put)
{
    if (r < 0)
        return errno == EAGAIN ? STREAM_WANT_WRITE : tcp_fail(t, errno);
    t->connecting = false;
    *put = (size_t)r;
    return STREAM_OK;
}

static enum stream_result tcp_read(struct stream *st, void *p, size_t n, size_t *got)
{
    struct stream_tcp *t = tcp_of(st);
    ssize_t r;
    assert(n > 0);
    if (take_drained(t))
        return STREAM_WANT_READ;
    do
        r = recv(t->fd, p, n, 0);
    while (r < 0 && errno == EINTR);
    t->drained = r > 0 && (size_t)r < n;
    return read_result(t, r, got);
}

static enum stream_result tcp_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct stream_tcp *t = tcp_of(st);
    assert(n > 0);
    ssize_t r;
    do
        r = send(t->fd, p, n, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return write_result(t, r, put);
}

/* Is this an error of splice(), not of the connection? The relay then copies the bytes instead. */
static bool is_splice_error(int error)
{
    return error == EINVAL || error == ENOMEM || error == ENOSYS || error == EPERM;
}

static enum stream_result tcp_read_to_pipe(struct stream *st, int pipe, size_t n, size_t *got)
{
    struct stream_tcp *t = tcp_of(st);
    ssize_t r;
    assert(n > 0);
    if (take_drained(t))
        return STREAM_WANT_READ;
    do
        r = splice(t->fd, NULL, pipe, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (r < 0 && errno == EINTR);
    if (r == 0 || (r < 0 && is_splice_error(errno)))
        return STREAM_WANT_READ; /* the next stream_read() returns the reason */
    return read_result(t, r, got);
}

/* splice() has no MSG_NOSIGNAL, but the process ignores SIGPIPE. */
static enum stream_result tcp_write_from_pipe(struct stream *st, int pipe, size_t n, size_t *put)
{
    struct stream_tcp *t = tcp_of(st);
    ssize_t r;
    assert(n > 0);
    do
        r = splice(pipe, NULL, t->fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (r < 0 && errno == EINTR);
    if (r < 0 && is_splice_error(errno))
        return STREAM_WANT_WRITE; /* the caller reads the pipe back and sends the bytes */
    return write_result(t, r, put);
}

static enum stream_result tcp_close_write(struct stream *st)
{
    struct stream_tcp *t = tcp_of(st);
    if (t->ended)
        return STREAM_OK; /* nothing is left to read; stream_free() closes the socket */
    /* ENOTCONN: the peer has already reset the connection. */
    if (shutdown(t->fd, SHUT_WR) != 0 && errno != ENOTCONN)
        return tcp_fail(t, errno);
    return STREAM_OK;
}

static void tcp_free(struct stream *st)
{
    struct stream_tcp *t = tcp_of(st);
    close(t->fd);
    slab_free(t, sizeof(*t));
}

static const char *tcp_error(const struct stream *st)
{
    const struct stream_tcp *t = CONTAINER_OF(st, const struct stream_tcp, stream);
    const char *words = strerrordesc_np(t->fault);
    return words ? words : "unknown error";
}

static const struct stream_ops tcp_ops = {.open = tcp_open,
                                          .read = tcp_read,
                                          .write = tcp_write,
                                          .close_write = tcp_close_write,
                                          .read_to_pipe = tcp_read_to_pipe,
                                          .write_from_pipe = tcp_write_from_pipe,
                                          .free = tcp_free,
                                          .error = tcp_error};

static struct stream *tcp_new(int fd, bool connecting)
{
    struct stream_tcp *t = slab_alloc(sizeof(*t));
    if (!t) {
        close(fd);
        return NULL;
    }
    *t = (struct stream_tcp){.stream = {.ops = &tcp_ops}, .fd = fd, .connecting = connecting};
    return &t->stream;
}

struct stream *stream_tcp_new(int fd)
{
    return tcp_new(fd, false);
}

struct stream *stream_tcp_new_connecting(int fd)
{
    return tcp_new(fd, true);
}

int stream_tcp_release(struct stream *st)
{
    assert(st->ops == &tcp_ops);
    struct stream_tcp *t = tcp_of(st);
    int fd = t->fd;
    slab_free(t, sizeof(*t));
    return fd;
}
