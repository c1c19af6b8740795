/*
 * stream_socket.c - the socket of a TLS stream as an OpenSSL BIO.
 *
 * Unlike OpenSSL's own socket BIO, this one skips the recv() after a recv() that emptied the
 * socket, and sends close_notify and FIN in one TCP segment.
 *
 * For OpenSSL, every write succeeds. Bytes that the socket does not accept are kept until
 * stream_tls_flush() sends them; after a send error they are dropped. Reading therefore does not
 * depend on writing: OpenSSL 3.0 would fail with "bad length" when it reads two KeyUpdates during
 * an unfinished write, and the last records of a peer that has closed its socket can still be read.
 *
 * The BIO does not close the socket: the stream owns it.
 */
#include <errno.h>
#include <openssl/bio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"
#include "stream.h"
#include "wire/first_bytes.h"

static int socket_read(BIO *bio, char *p, int n)
{
    struct stream_tls *t = BIO_get_data(bio);
    ssize_t r;
    BIO_clear_retry_flags(bio);
    if (t->refuses)
        return 0;
    if (t->drained) {
        t->drained = false;
        BIO_set_retry_read(bio);
        return -1;
    }
    do
        r = recv(t->fd, p, (size_t)n, 0);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    else if (r < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    t->left |= r == 0 || (r < 0 && errno != EAGAIN);
    t->drained = r > 0 && r < n;
    if (t->first == FIRST_NOTHING && r > 0)
        t->first = (uint8_t)first_bytes_protocol(span_of(p, (size_t)r));
    return (int)r;
}

/* Return the number of bytes sent, 0 if the socket is full, -1 on error. */
static ssize_t send_some(struct stream_tls *t, const void *p, size_t n)
{
    /* MSG_MORE only for close_notify. A session ticket must not be delayed: it carries the ACK that
     * a device without TCP_NODELAY waits for before it sends CONNECT. */
    const int flags = MSG_NOSIGNAL | (t->parting ? MSG_MORE : 0);
    ssize_t r;
    do
        r = send(t->fd, p, n, flags);
    while (r < 0 && errno == EINTR);
    if (r >= 0 || errno == EAGAIN)
        return r < 0 ? 0 : r;
    t->send_error = (uint16_t)errno;
    return -1;
}

static void drop_unsent(struct stream_tls *t)
{
    free(t->unsent);
    t->unsent = NULL;
}

/*
 * Append n bytes to the unsent bytes. The space of bytes already sent is reused, so that the block
 * does not grow forever if the peer reads slowly. False if out of memory.
 */
static bool keep(struct stream_tls *t, const void *p, size_t n)
{
    struct tls_unsent *u = t->unsent;
    if (u && u->at >= u->n) { /* so no more bytes are moved than have been sent */
        memmove(u->bytes, u->bytes + u->at, u->n);
        u->at = 0;
    }
    const size_t used = u ? u->at + u->n : 0;
    if (!u || u->room - used < n) {
        u = realloc(u, sizeof(*u) + used + n);
        if (!u)
            return false;
        if (!t->unsent)
            u->at = u->n = 0;
        u->room = used + n;
        t->unsent = u;
    }
    memcpy(u->bytes + used, p, n);
    u->n += n;
    return true;
}

enum stream_result stream_tls_flush(struct stream_tls *t)
{
    struct tls_unsent *u = t->unsent;
    while (u && u->n > 0 && !t->send_error) {
        ssize_t put = send_some(t, u->bytes + u->at, u->n);
        if (put == 0)
            return STREAM_WANT_WRITE;
        if (put > 0) {
            u->at += (size_t)put;
            u->n -= (size_t)put;
        }
    }
    if (u)
        drop_unsent(t);
    return t->send_error ? STREAM_ERR : STREAM_OK;
}

static int socket_write(BIO *bio, const char *p, int n)
{
    struct stream_tls *t = BIO_get_data(bio);
    ssize_t put = 0;
    BIO_clear_retry_flags(bio);
    if (!t->unsent && !t->send_error)
        put = send_some(t, p, (size_t)n);
    if (put < n && !t->send_error && !keep(t, p + put, (size_t)(n - put)))
        t->send_error = ENOMEM;
    return n;
}

static long socket_control(BIO *bio, int what, long n, void *p)
{
    (void)n, (void)p;
    switch (what) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
        return 0;
    }
}

BIO_METHOD *stream_tls_socket_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    if (method && BIO_meth_set_read(method, socket_read) == 1 &&
        BIO_meth_set_write(method, socket_write) == 1 &&
        BIO_meth_set_ctrl(method, socket_control) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

bool stream_tls_set_bio(struct stream_tls *t, const BIO_METHOD *method)
{
    BIO *bio = BIO_new(method);
    if (!bio)
        return false;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio); /* one reference serves both */
    return true;
}

struct stream_tls *stream_tls_of_ssl(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}
