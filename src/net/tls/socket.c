/*
 * socket.c - the socket of a TLS stream.
 *
 * A record that was encrypted must be sent: it cannot be encrypted again. Bytes that the socket
 * does not accept are therefore kept here. Does not close the socket: the stream owns it.
 */
#include "socket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

ssize_t tls_socket_receive(struct tls_socket *s, void *p, size_t n)
{
    ssize_t r;
    assert(n > 0); /* 0 would look like the end */
    if (s->drained) {
        s->drained = false;
        errno = EAGAIN;
        return -1;
    }
    do
        r = recv(s->fd, p, n, 0);
    while (r < 0 && errno == EINTR);
    s->left |= r == 0 || (r < 0 && errno != EAGAIN);
    s->drained = r > 0 && (size_t)r < n;
    return r;
}

/* Return the number of bytes sent, 0 if the socket is full, -1 on error. */
static ssize_t send_some(struct tls_socket *s, const void *p, size_t n)
{
    /* MSG_MORE only for close_notify. A session ticket must not be delayed: it carries the ACK that
     * a device without TCP_NODELAY waits for before it sends CONNECT. */
    const int flags = MSG_NOSIGNAL | (s->parting ? MSG_MORE : 0);
    ssize_t r;
    do
        r = send(s->fd, p, n, flags);
    while (r < 0 && errno == EINTR);
    if (r >= 0 || errno == EAGAIN)
        return r < 0 ? 0 : r;
    s->send_error = (uint16_t)errno;
    return -1;
}

void tls_socket_fini(struct tls_socket *s)
{
    free(s->unsent);
    s->unsent = NULL;
}

/*
 * Append n bytes to the unsent bytes. The space of bytes already sent is reused, so that the block
 * does not grow forever if the peer reads slowly. False if out of memory.
 */
static bool keep(struct tls_socket *s, const void *p, size_t n)
{
    struct tls_unsent *u = s->unsent;
    if (u && u->at >= u->n) { /* only then: no byte is moved more often than it is sent */
        memmove(u->bytes, u->bytes + u->at, u->n);
        u->at = 0;
    }
    const size_t used = u ? u->at + u->n : 0;
    if (!u || u->room - used < n) {
        u = realloc(u, sizeof(*u) + used + n);
        if (!u)
            return false;
        if (!s->unsent)
            u->at = u->n = 0;
        u->room = used + n;
        s->unsent = u;
    }
    memcpy(u->bytes + used, p, n);
    u->n += n;
    return true;
}

enum stream_result tls_socket_flush(struct tls_socket *s)
{
    struct tls_unsent *u = s->unsent;
    while (u && u->n > 0 && !s->send_error) {
        ssize_t put = send_some(s, u->bytes + u->at, u->n);
        if (put == 0)
            return STREAM_WANT_WRITE;
        if (put > 0) {
            u->at += (size_t)put;
            u->n -= (size_t)put;
        }
    }
    if (u)
        tls_socket_fini(s);
    return s->send_error ? STREAM_ERR : STREAM_OK;
}

void tls_socket_send(struct tls_socket *s, const void *p, size_t n)
{
    ssize_t put = 0;
    if (!s->unsent && !s->send_error)
        put = send_some(s, p, n);
    if (s->send_error)
        return;
    if ((size_t)put < n && !keep(s, (const uint8_t *)p + put, n - (size_t)put))
        s->send_error = ENOMEM;
}
