/*
 * context.h - the TLS configuration of a listener. Each worker has one per listener.
 *
 * Each worker has its own OSSL_LIB_CTX, which contains OpenSSL's locks: workers that share one
 * contend for them (measured: 7 to 15 %).
 *
 * A reload can create a context on one thread while another thread uses the same library, and then
 * hand it over. From then on, the context and its streams belong to that thread.
 */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/span.h"
#include "base/util.h"
#include "model/config/config.h"
#include "net/stream.h"
#include "net/tls/cert/report.h"
#include "ticket.h"

struct tls_context; /* certificates and rules of a listener on one worker */
struct tls_library; /* one worker's OSSL_LIB_CTX */

/*
 * Make OpenSSL wipe the memory that it frees while certificates and keys are loaded or freed,
 * because decoding leaves copies of private keys. Process-wide; call once, before any other TLS
 * function.
 */
void tls_library_wipe_memory(void);

/* Null if out of memory. Must be freed after all contexts and streams created with it. */
MUST_USE struct tls_library *tls_library_new(void);
void tls_library_free(struct tls_library *lib);

/*
 * Load the certificates, keys, authorities and revocation lists of `conf`. Null on failure. Keeps
 * no pointer into `conf`.
 *
 *   keys    session ticket keys, of which a reference is taken; null = no tickets until
 *           tls_context_set_ticket_keys() is called
 *   error   on failure, one line with the file or setting and the rule, such as
 *           "/etc/x.pem: no certificate in it: no start line"
 */
MUST_USE struct tls_context *tls_context_new(struct tls_library *lib, const struct tls_conf *conf,
                                             struct tls_ticket_keys *keys,
                                             char error[TLS_ERROR_MAX]);

/*
 * Drop a reference. Each stream holds its own, so a listener's context can be replaced while
 * streams use it. Null is allowed.
 */
void tls_context_free(struct tls_context *ctx);

/* Replace the ticket keys. Takes a reference to the new keys. */
void tls_context_set_ticket_keys(struct tls_context *ctx, struct tls_ticket_keys *keys);

/* Call `each` for every file in `conf`. A file that is listed twice is reported twice. */
void tls_context_files(const struct tls_conf *conf, void (*each)(void *arg, const char *file),
                       void *arg);

/* Call `each` for every loaded object that has an expiry time. */
void tls_context_validity(const struct tls_context *ctx, tls_validity_each *each, void *arg);

/*
 * Create the server side of TLS over an accepted, non-blocking socket. Takes the socket, and closes
 * it on failure. The stream holds a reference to `ctx`. Null if out of memory.
 */
MUST_USE struct stream *stream_tls_accept(struct tls_context *ctx, int fd);

/*
 * Results of the handshake. Pointers are valid as long as the stream; null = absent. Only for a TLS
 * stream, after open() has returned OK.
 *
 * The session ticket contains the client's certificate, so the facts of a resumed session are the
 * same. sig_alg and key_alg describe OUR certificate, as the PROXY protocol (2.2.6) requires, and
 * have the format that HAProxy uses.
 */
struct tls_facts {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;      /* OpenSSL's name, "TLS_AES_128_GCM_SHA256" */
    struct span sni;         /* server name from the client, without a trailing dot */
    const uint8_t *alpn;     /* not terminated */
    size_t alpn_n;           /* its length in bytes */
    bool resumed;            /* an earlier session was resumed */
    bool detached;           /* detached from OpenSSL; everything else is as before */
    bool client_certificate; /* the peer has a certificate, now or in the resumed session */
    bool client_verified;    /* the certificate was verified by the listener's rules */
    struct span cn;          /* first common name of the certificate; any UTF-8 text */
    const char *sig_alg;     /* our certificate's signature algorithm: "RSA-SHA256" */
    char key_alg[16];        /* our certificate's key: "RSA2048", "EC256"; "" = absent */
};
void stream_tls_facts(struct stream *st, struct tls_facts *out);

/* Was an earlier session resumed? Valid after the handshake, before stream_settle(). */
bool stream_tls_resumed(const struct stream *st);

/* The fatal alert that ended a stream or its handshake. */
struct tls_alert {
    bool sent;               /* by us; false = received */
    uint8_t code;            /* RFC 8446 section 6 */
    const char *description; /* "unknown CA", static */
};

/* Get the fatal alert of a TLS stream; can be called at any time. False if there was none. */
bool stream_tls_alert(const struct stream *st, struct tls_alert *out);

/* Did the peer close or reset the connection before it sent a byte? Only before stream_settle(). */
bool stream_tls_closed_without_data(const struct stream *st);

/* The kinds of names in a certificate. */
enum tls_name_kind {
    TLS_NAME_CN, /* the first common name of the subject */
    TLS_NAME_SAN_DNS,
    TLS_NAME_SAN_URI,
    TLS_NAME_SAN_EMAIL,
    TLS_NAME_KIND_COUNT
};

/*
 * Does the peer's verified certificate contain this name? Names are compared byte by byte, without
 * wildcards. False without a verified certificate, and for an empty name. Only before
 * stream_settle(), like stream_tls_peer_names().
 */
MUST_USE bool stream_tls_peer_matches(struct stream *st, enum tls_name_kind kind, struct span name);

/*
 * Write the peer's names of this kind for a log line: "a.example, b.example", terminated. Names
 * that do not fit in `max` bytes (at least 1) are omitted. The names come from the peer and must be
 * escaped. Returns the length.
 */
size_t stream_tls_peer_names(struct stream *st, enum tls_name_kind kind, char *out, size_t max);

#endif
