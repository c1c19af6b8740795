/*
 * stream_socket.c - the socket of a TLS stream as an OpenSSL BIO.
 *
 * Unlike OpenSSL's own socket BIO, this one skips the recv() after a recv() that emptied the
 * socket, and sends close_notify and FIN in one TCP segment.
 *
 * For OpenSSL, every write succeeds. Bytes that the socket does not accept are kept until
 * tls_socket_flush() sends them; after a send error they are dropped. Reading therefore does not
 * depend on writing: OpenSSL 3.0 would fail with "bad length" when it reads two KeyUpdates during
 * an unfinished write, and the last records of a peer that has closed its socket can still be read.
 *
 * The BIO does not close the socket: the stream owns it.
 */
#include <errno.h>
#include <openssl/bio.h>

#include "internal.h"
#include "secrets.h"
#include "stream.h"
#include "wire/first_bytes.h"

static int socket_read(BIO *bio, char *p, int n)
{
    struct stream_tls *t = BIO_get_data(bio);
    ssize_t r;
    BIO_clear_retry_flags(bio);
    if (t->refuses)
        return 0;
    r = tls_socket_receive(&t->base.socket, p, (size_t)n);
    if (r == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    else if (r < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    if (t->first == FIRST_NOTHING && r > 0)
        t->first = (uint8_t)first_bytes_protocol(span_of(p, (size_t)r));
    return (int)r;
}

static int socket_write(BIO *bio, const char *p, int n)
{
    struct stream_tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->secrets)
        tls_secrets_note_sent(t->secrets, (const uint8_t *)p, (size_t)n);
    tls_socket_send(&t->base.socket, p, (size_t)n);
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
