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

#define TLS_NO_ALERT (-1)

/* Encrypted bytes that the socket has not accepted yet. */
struct tls_unsent {
    size_t at, n, room; /* n unsent bytes, from bytes[at] on; room = size of `bytes` */
    uint8_t bytes[];
};

struct stream_tls {
    struct stream stream;
    SSL *ssl;
    struct tls_context *context; /* a reference; null on the client side */
    char *cn;                    /* peer's common name, computed on demand; from OPENSSL_malloc() */
    size_t cn_n;                 /* its length in bytes */
    char *fault;                 /* owned; text of the first error; null = none, or out of memory */
    struct tls_unsent *unsent;   /* owned; null = everything was sent */
    size_t pending_n;            /* a write of this many bytes must be repeated; 0 = none */
    uint16_t accepted_n;         /* bytes of this write that are in the partly sent record */
    uint16_t send_error;         /* errno of the failed send(); 0 = none failed */
    int fd;
    int16_t alert_sent;     /* last fatal alert we sent, or TLS_NO_ALERT */
    int16_t alert_received; /* last fatal alert received, or TLS_NO_ALERT */
    uint16_t steps;         /* TLS state changes since the last data */
    uint8_t first;          /* enum first_protocol, from the first bytes received */
    bool drained;           /* the last read left the socket empty */
    bool left;              /* a read returned the end of the connection or an error */
    bool refuses;           /* the socket is no longer read */
    bool parting;           /* sending close_notify; the FIN follows */
    bool dead;              /* the stream has failed */
    bool notified;          /* close_notify was queued or sent */
};

static inline struct stream_tls *stream_tls_of(struct stream *st)
{
    return CONTAINER_OF(st, struct stream_tls, stream);
}

/* Is this a TLS stream? For asserts. */
bool stream_is_tls(const struct stream *st);

/* Attach an SSL and a socket to a stream. On failure, the caller still owns both. */
MUST_USE bool stream_tls_attach(struct stream_tls *t, const struct tls_library *lib, SSL *ssl,
                                int fd);

/* Connect the SSL to the stream's socket. False if out of memory. */
MUST_USE bool stream_tls_set_bio(struct stream_tls *t, const BIO_METHOD *method);

/* The stream of an SSL, from the BIO that stream_tls_set_bio() has set. Storing it as the SSL's app
 * data would take 96 more bytes. */
struct stream_tls *stream_tls_of_ssl(const SSL *ssl);

/*
 * Send the unsent bytes. Returns OK if none are left, WANT_WRITE if the socket is full, and ERR if
 * sending failed (see `send_error`); the stream can then still be read.
 */
enum stream_result stream_tls_flush(struct stream_tls *t);

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
