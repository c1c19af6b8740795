/*
 * stream.h - private state of a TLS stream, shared by client and server side. Private to net/.
 */
#ifndef NET_TLS_STREAM_H
#define NET_TLS_STREAM_H

#include <assert.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base.h"
#include "net/stream.h"
#include "net/tls/context.h"

struct stream_tls {
    struct tls_base base;
    SSL *ssl;
    struct tls_secrets *secrets; /* owned; null = it is not detached */
    struct tls_context *context; /* a reference; null on the client side */
    char *cn;                    /* peer's common name, computed on demand; from OPENSSL_malloc() */
    size_t cn_n;                 /* its length in bytes */
    uint16_t steps;              /* TLS state changes since the last data */
    uint8_t first;               /* enum first_protocol, from the first bytes received */
    bool refuses;                /* the socket is no longer read */
};

/* For attached streams. */
static inline struct stream_tls *stream_tls_of(struct stream *st)
{
    assert(!tls_base_of(st)->is_detached);
    return CONTAINER_OF(st, struct stream_tls, base.stream);
}

static inline const struct stream_tls *stream_tls_of_const(const struct stream *st)
{
    assert(!tls_base_of_const(st)->is_detached);
    return CONTAINER_OF(st, const struct stream_tls, base.stream);
}

/*
 * Attach an SSL and a socket to a stream. On failure, the caller still owns both.
 *
 *   detach   note what is needed to detach the stream later
 */
MUST_USE bool stream_tls_attach(struct stream_tls *t, const struct tls_library *lib, SSL *ssl,
                                int fd, bool detach);

/* Free what stream_tls_attach() has attached, but the socket. */
void stream_tls_fini(struct stream_tls *t);

/* Connect the SSL to the stream's socket. False if out of memory. */
MUST_USE bool stream_tls_set_bio(struct stream_tls *t, const BIO_METHOD *method);

/* The stream of an SSL, from the BIO that stream_tls_set_bio() has set. Storing it as the SSL's app
 * data would take 96 more bytes. */
static inline struct stream_tls *stream_tls_of_ssl(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}

/* Continue the handshake. */
enum stream_result stream_tls_handshake(struct stream_tls *t);

/* The operations that client and server share. */
enum stream_result stream_tls_read(struct stream *st, void *p, size_t n, size_t *got);
enum stream_result stream_tls_write(struct stream *st, const void *p, size_t n, size_t *put);
enum stream_result stream_tls_close_write(struct stream *st);

#endif
