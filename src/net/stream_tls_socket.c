/*
 * stream_tls_socket.c - the socket under a TLS stream, as OpenSSL wants to see one: a BIO.
 *
 * In place of OpenSSL's own, which asks the kernel each time: it knows when a read has emptied the
 * socket, and then says so without asking again; and close_notify leaves with the socket's FIN.
 *
 * Closes nothing: the descriptor is the stream's.
 */
#include <errno.h>
#include <openssl/bio.h>
#include <sys/socket.h>

#include "net/stream_tls.h"
#include "net/tls_internal.h"

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
    t->drained = r > 0 && r < n;
    return (int)r;
}

static int socket_write(BIO *bio, const char *p, int n)
{
    const struct stream_tls *t = BIO_get_data(bio);
    /* Nothing but the last may be held back, not the ticket either: it carries the ACK that a
     * device without TCP_NODELAY waits for with its CONNECT. */
    const int flags = MSG_NOSIGNAL | (t->parting ? MSG_MORE : 0);
    ssize_t r;
    BIO_clear_retry_flags(bio);
    do
        r = send(t->fd, p, (size_t)n, flags);
    while (r < 0 && errno == EINTR);
    if (r < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    return (int)r;
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

bool stream_tls_put_socket(struct stream_tls *t, const BIO_METHOD *method)
{
    BIO *bio = BIO_new(method);
    if (!bio)
        return false;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio); /* one reference does for both */
    return true;
}

struct stream_tls *stream_tls_of_ssl(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}
