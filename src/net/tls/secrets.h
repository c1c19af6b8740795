/*
 * secrets.h - record the traffic secrets and record numbers of a connection while OpenSSL handles
 * it, so that it can be detached later. Private to net/tls.
 */
#ifndef NET_TLS_SECRETS_H
#define NET_TLS_SECRETS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "ciphers.h"
#include "net/stream.h"
#include "records.h"

struct tls_secrets {
    uint64_t received, sent;                                /* records under the current key */
    uint32_t updates_received, updates_sent;                /* KeyUpdates */
    uint8_t client[TLS_SECRET_MAX], server[TLS_SECRET_MAX]; /* TLS 1.3: before any KeyUpdate */
    uint8_t client_n, server_n;                             /* their bytes; 0 = not known */
    bool in_message; /* a handshake message has been received in part */
    bool has_nonce;  /* TLS 1.2: `nonce` is the explicit nonce of the last record sent */
    uint8_t nonce[8];
};

/* Start to record the secrets of a new connection. The SSL refers to them: it must be freed first.
 * Null if out of memory. */
MUST_USE struct tls_secrets *tls_secrets_note(SSL *ssl);

/* Call this after n bytes were written to the socket. */
void tls_secrets_note_sent(struct tls_secrets *s, const uint8_t *p, size_t n);

/* Wipe and free. Null is allowed. */
void tls_secrets_free(struct tls_secrets *s);

/*
 * Set keys, numbers and suite of `r`. False if this is not possible: *out is then the reason.
 * Requires a finished handshake, and that OpenSSL holds no bytes of the connection.
 */
MUST_USE bool tls_secrets_export(const struct tls_secrets *s, SSL *ssl, struct tls_ciphers *c,
                                 struct tls_records *r, enum stream_settled *out);

#endif
