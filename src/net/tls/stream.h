/*
 * stream.h - private state of a TLS stream, shared by client and server side. Private to net/.
 */
#ifndef NET_TLS_STREAM_H
#define NET_TLS_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/stream.h"
#include "net/tls/context.h"
#include "socket.h"

#define TLS_NO_ALERT (-1)

/* With more unsent bytes than this, the stream is not read: a peer that sends KeyUpdates without
 * reading the responses must not fill the memory. A record has slightly more than 16 KiB. */
#define TLS_UNSENT_MAX 65536u

/* What a stream has before and after it is detached. */
struct tls_base {
    struct stream stream;
    struct tls_socket socket;
    char *fault;            /* owned; text of the first error; null = none, or out of memory */
    int16_t alert_sent;     /* last fatal alert we sent, or TLS_NO_ALERT */
    int16_t alert_received; /* last fatal alert received, or TLS_NO_ALERT */
    uint16_t accepted_n;    /* bytes of a write that must be repeated: those in unsent records */
    bool is_detached;
    bool dead;     /* the stream has failed */
    bool notified; /* close_notify was queued or sent */
};

struct stream_tls {
    struct tls_base base;
    SSL *ssl;
    struct tls_secrets *secrets; /* owned; null = it is not detached */
    struct tls_context *context; /* a reference; null on the client side */
    char *cn;                    /* peer's common name, computed on demand; from OPENSSL_malloc() */
    size_t cn_n;                 /* its length in bytes */
    size_t pending_n;            /* a write of this many bytes must be repeated; 0 = none */
    uint16_t steps;              /* TLS state changes since the last data */
    uint8_t first;               /* enum first_protocol, from the first bytes received */
    bool refuses;                /* the socket is no longer read */
};

static inline struct stream_tls *stream_tls_of(struct stream *st)
{
    return CONTAINER_OF(st, struct stream_tls, base.stream);
}

static inline struct tls_base *tls_base_of(struct stream *st)
{
    return CONTAINER_OF(st, struct tls_base, stream);
}

static inline const struct tls_base *tls_base_of_const(const struct stream *st)
{
    return CONTAINER_OF(st, const struct tls_base, stream);
}

/* Set the error text, unless there is one. On the heap: few streams need it. */
__attribute__((format(printf, 2, 3))) void tls_set_fault(struct tls_base *base, const char *format,
                                                         ...);

/* Is this a TLS stream, attached or detached? For asserts. */
bool stream_is_tls(const struct stream *st);

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
struct stream_tls *stream_tls_of_ssl(const SSL *ssl);

/* Continue the handshake. */
enum stream_result stream_tls_handshake(struct stream_tls *t);

/* Mark the stream as failed, with this error text. Returns STREAM_ERR. */
enum stream_result stream_tls_fail(struct stream_tls *t, const char *words);

/* The operations that client and server share. */
enum stream_result stream_tls_read(struct stream *st, void *p, size_t n, size_t *got);
enum stream_result stream_tls_write(struct stream *st, const void *p, size_t n, size_t *put);
enum stream_result stream_tls_close_write(struct stream *st);
const char *stream_tls_error(const struct stream *st);

#endif
