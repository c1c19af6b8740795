/*
 * stream.h - a TLS stream from the inside: what both sides of TLS share. Of net/ alone.
 */
#ifndef NET_TLS_STREAM_H
#define NET_TLS_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/stream.h"
#include "net/tls/context.h"

#define TLS_NO_ALERT (-1)

/* Bytes of records that the socket has not taken. */
struct tls_unsent {
    size_t at, n, room; /* n bytes from at; room for `room` bytes in all */
    uint8_t bytes[];
};

struct stream_tls {
    struct stream stream;
    SSL *ssl;
    struct tls_context *context; /* a reference; null on the client's side */
    char *cn;                    /* OpenSSL's; the peer's common name once it was asked for */
    size_t cn_n;                 /* bytes */
    char *fault;                 /* owned; the first, in words; null = none, or no memory for it */
    struct tls_unsent *unsent;   /* owned; null = the socket has taken everything */
    size_t pending_n;            /* a write of this many bytes is to be repeated; 0 = none is */
    uint16_t accepted_n;         /* of them, bytes in the record that is not all sent */
    uint16_t send_error;         /* errno of the send() that failed; 0 = none did */
    int fd;
    int16_t alert_sent;     /* last fatal alert we sent, or TLS_NO_ALERT */
    int16_t alert_received; /* last fatal alert that came, or TLS_NO_ALERT */
    uint16_t steps;         /* of TLS itself since the last data */
    uint8_t first;          /* enum first_protocol, of the first bytes that came */
    bool drained;           /* the last read left the socket empty */
    bool left;              /* a read found the connection closed or broken */
    bool refuses;           /* nothing more is read from the socket */
    bool parting;           /* what is written is the last */
    bool dead;              /* a fault ended it */
    bool notified;          /* close_notify is on its way */
};

static inline struct stream_tls *stream_tls_of(struct stream *st)
{
    return CONTAINER_OF(st, struct stream_tls, stream);
}

/* Is it one of ours? For asserts. */
bool stream_is_tls(const struct stream *st);

/* Join a stream to an SSL and a socket, neither of which is freed on failure. */
MUST_USE bool stream_tls_attach(struct stream_tls *t, const struct tls_library *lib, SSL *ssl,
                                int fd);

/* Have the SSL read and write the stream's socket. False when memory is short. */
MUST_USE bool stream_tls_set_bio(struct stream_tls *t, const BIO_METHOD *method);

/* Whose SSL that is, once it has the socket. The SSL's own app data would take 96 bytes more. */
struct stream_tls *stream_tls_of_ssl(const SSL *ssl);

/*
 * Send what the socket has not taken yet. OK: nothing waits any more; WANT_WRITE; ERR: the peer
 * gets nothing any more (`send_error`), but can still be read.
 */
enum stream_result stream_tls_flush(struct stream_tls *t);

/* A step of the handshake. */
enum stream_result stream_tls_handshake(struct stream_tls *t);

/* End the stream with these words; STREAM_ERR. */
enum stream_result stream_tls_fail(struct stream_tls *t, const char *words);

/* The verbs, save open and free, which each side has of its own. */
enum stream_result stream_tls_read(struct stream *st, void *p, size_t n, size_t *got);
enum stream_result stream_tls_write(struct stream *st, const void *p, size_t n, size_t *put);
enum stream_result stream_tls_close_write(struct stream *st);
const char *stream_tls_error(const struct stream *st);

#endif
