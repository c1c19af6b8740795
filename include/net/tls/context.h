/*
 * context.h - the TLS configuration of a listener, built once per worker.
 *
 * A worker has its own OSSL_LIB_CTX: OpenSSL's locks belong to the library context, and workers
 * that shared one would contend for them (measured: 7 to 15 %).
 *
 * A context may be created on one thread (by a reload) while another uses the same library, and
 * then handed over; after that it belongs to one thread, like its streams.
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
 * Make OpenSSL wipe the memory that it frees while certificates and keys are loaded or released:
 * decoding leaves copies of private keys. Process-wide; call once, before any other TLS function.
 */
void tls_library_wipe_memory(void);

/* Null if out of memory. Must be freed after all contexts and streams created with it. */
MUST_USE struct tls_library *tls_library_new(void);
void tls_library_free(struct tls_library *lib);

/*
 * Load certificates, keys, authorities and revocation lists of `conf`.
 *
 *   keys    the first session ticket keys, of which a reference is taken; null = no tickets until
 * tls_context_set_ticket_keys() error   on failure, one line that names the file or the setting and
 * the rule
 *           ("/etc/x.pem: no certificate in it: no start line")
 *
 * Null on failure. The context keeps no pointer into `conf`.
 */
MUST_USE struct tls_context *tls_context_new(struct tls_library *lib, const struct tls_conf *conf,
                                             struct tls_ticket_keys *keys,
                                             char error[TLS_ERROR_MAX]);

/*
 * Drop the owner's reference. Streams hold their own, so a listener's context can be replaced while
 * they use it. Null is allowed.
 */
void tls_context_free(struct tls_context *ctx);

/* Replace the ticket keys; takes a reference. */
void tls_context_set_ticket_keys(struct tls_context *ctx, struct tls_ticket_keys *keys);

/* Call `each` for every file that `conf` names, as often as it is configured. */
void tls_context_files(const struct tls_conf *conf, void (*each)(void *arg, const char *file),
                       void *arg);

/* Everything with an expiry time that the context has loaded. */
void tls_context_validity(const struct tls_context *ctx, tls_validity_each *each, void *arg);

/*
 * The server side of TLS over an accepted non-blocking socket, which it takes (closed on failure).
 * Null if out of memory. Holds a reference to `ctx`.
 */
MUST_USE struct stream *stream_tls_accept(struct tls_context *ctx, int fd);

/*
 * Results of the handshake; pointers are valid as long as the stream, null = absent. Only for a TLS
 * stream, after open() returned OK.
 *
 * The session ticket contains the client's certificate, so a resumed session reports the same
 * facts. The last two describe OUR certificate, as the PROXY protocol (2.2.6) requires, spelled as
 * in HAProxy.
 */
struct tls_facts {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;      /* OpenSSL's name, "TLS_AES_128_GCM_SHA256" */
    struct span sni;         /* server name that the client sent, without a trailing dot */
    const uint8_t *alpn;     /* not terminated */
    size_t alpn_n;           /* bytes */
    bool resumed;            /* the certificate, if any, was sent in an earlier connection */
    bool client_certificate; /* the peer has one */
    bool client_verified;    /* and it was verified by the listener's rules */
    struct span cn;          /* first common name of its subject, UTF-8, unchecked */
    const char
        *sig_alg; /* signature algorithm of our certificate: "RSA-SHA256", "ecdsa-with-SHA256" */
    char key_alg[16]; /* our certificate's key: "RSA2048", "EC256"; "" = not there */
};
void stream_tls_facts(struct stream *st, struct tls_facts *out);

/* Was an earlier session resumed? Valid after the handshake. */
bool stream_tls_resumed(const struct stream *st);

/* A fatal alert that ended a stream or its handshake; `sent` by us or received. */
struct tls_alert {
    bool sent;
    uint8_t code;            /* RFC 8446 section 6 */
    const char *description; /* "unknown CA", static */
};

/* False if there was none. Valid at any time, for a TLS stream. */
bool stream_tls_alert(const struct stream *st, struct tls_alert *out);

/* Has the peer ended or reset the connection before its first byte? For a TLS stream. */
bool stream_tls_closed_without_data(const struct stream *st);

/* Where a certificate contains a name. */
enum tls_name_kind {
    TLS_NAME_CN, /* the first common name of the subject */
    TLS_NAME_SAN_DNS,
    TLS_NAME_SAN_URI,
    TLS_NAME_SAN_EMAIL,
    TLS_NAME_KIND_COUNT
};

/*
 * Does the peer's verified certificate contain exactly this name? Byte for byte: no wildcards,
 * case-sensitive. False without a certificate, and for an empty name.
 */
MUST_USE bool stream_tls_peer_matches(struct stream *st, enum tls_name_kind kind, struct span name);

/*
 * The names of that kind, for a log line: "a.example, b.example", terminated; names that do not fit
 * in `max` (at least 1) are left out. Text from the peer: must be escaped. Returns the length.
 */
size_t stream_tls_peer_names(struct stream *st, enum tls_name_kind kind, char *out, size_t max);

#endif
