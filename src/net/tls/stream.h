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

/* Bytes of records that the socket has not accepted. */
struct tls_unsent {
    size_t at, n, room; /* n bytes from at; room for `room` bytes in all */
    uint8_t bytes[];
};

struct stream_tls {
    struct stream stream;
    SSL *ssl;
    struct tls_context *context; /* a reference; null on the client's side */
    char *cn;                    /* OpenSSL's; the peer's common name once requested */
    size_t cn_n;                 /* bytes */
    char *fault;                 /* owned; text of the first error; null = none, or out of memory */
    struct tls_unsent *unsent;   /* owned; null = everything was sent */
    size_t pending_n;            /* a write of this many bytes must be repeated; 0 = none */
    uint16_t accepted_n;         /* of them, bytes in the partly sent record */
    uint16_t send_error;         /* errno of the send() that failed; 0 = none did */
    int fd;
    int16_t alert_sent;     /* last fatal alert we sent, or TLS_NO_ALERT */
    int16_t alert_received; /* last fatal alert received, or TLS_NO_ALERT */
    uint16_t steps;         /* TLS state changes since the last data */
    uint8_t first;          /* enum first_protocol of the first bytes received */
    bool drained;           /* the last read left the socket empty */
    bool left;              /* a read found the connection closed or broken */
    bool refuses;           /* the socket is no longer read */
    bool parting;           /* writing the last bytes */
    bool dead;              /* ended by an error */
    bool notified;          /* close_notify was queued or sent */
};

static inline struct stream_tls *stream_tls_of(struct stream *st)
{
    return CONTAINER_OF(st, struct stream_tls, stream);
}

/* Is it a TLS stream? For asserts. */
bool stream_is_tls(const struct stream *st);

/* Attach an SSL and a socket to a stream; neither is freed on failure. */
MUST_USE bool stream_tls_attach(struct stream_tls *t, const struct tls_library *lib, SSL *ssl,
                                int fd);

/* Make the SSL read and write the stream's socket. False if out of memory. */
MUST_USE bool stream_tls_set_bio(struct stream_tls *t, const BIO_METHOD *method);

/* The stream of an SSL that has its socket. The SSL's app data would take 96 bytes more. */
struct stream_tls *stream_tls_of_ssl(const SSL *ssl);

/*
 * Send pending bytes. OK: none are left; WANT_WRITE; ERR: sending failed (`send_error`), but the
 * peer can still be read.
 */
enum stream_result stream_tls_flush(struct stream_tls *t);

/* Continue the handshake. */
enum stream_result stream_tls_handshake(struct stream_tls *t);

/* Fail the stream with this text; returns STREAM_ERR. */
enum stream_result stream_tls_fail(struct stream_tls *t, const char *words);

/* The operations, except open and free, which each side defines. */
enum stream_result stream_tls_read(struct stream *st, void *p, size_t n, size_t *got);
enum stream_result stream_tls_write(struct stream *st, const void *p, size_t n, size_t *put);
enum stream_result stream_tls_close_write(struct stream *st);
const char *stream_tls_error(const struct stream *st);

#endif
