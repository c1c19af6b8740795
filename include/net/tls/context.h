/*
 * context.h - what a TLS listener needs to shake hands, built once per worker.
 *
 * A worker has its own OSSL_LIB_CTX: OpenSSL's locks live in the library context, so
 * workers that share one queue behind each other (measured: 7 to 15 %).
 *
 * A context may be made on one thread (a reload's) while others serve with the same library,
 * and then handed over; from there on it is one thread's, like its streams.
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

struct tls_context; /* one listener's certificates and rules on one worker */
struct tls_library; /* one worker's OSSL_LIB_CTX */

/*
 * Have OpenSSL wipe all memory it gives back while certificates and keys are loaded or given up,
 * from now on, in the whole process: it leaves copies of private keys behind when it decodes them.
 * Once, before anything else of TLS.
 */
void tls_library_wipe_memory(void);

/* Null when memory is short. Freed after every context and stream made with it. */
MUST_USE struct tls_library *tls_library_new(void);
void tls_library_free(struct tls_library *lib);

/*
 * Load certificates, keys, authorities and revocation lists of `conf` and make the contexts
 * ready to serve.
 *
 *   keys    the session ticket keys to begin with, another reference to which is taken; null =
 *           no tickets until tls_context_set_ticket_keys()
 *   error   on failure, one line that names the file or the setting and the rule
 *           ("/etc/x.pem: no certificate in it: no start line")
 *
 * Null on failure. The context keeps no pointer into `conf`.
 */
MUST_USE struct tls_context *tls_context_new(struct tls_library *lib, const struct tls_conf *conf,
                                             struct tls_ticket_keys *keys,
                                             char error[TLS_ERROR_MAX]);

/*
 * Drop the owner's reference. Streams that began with the context hold it until they are
 * freed, so a listener's context can be replaced under them. Null is allowed.
 */
void tls_context_free(struct tls_context *ctx);

/* Seal and open tickets with other keys from now on, taking another reference to them. */
void tls_context_set_ticket_keys(struct tls_context *ctx, struct tls_ticket_keys *keys);

/* Every file that `conf` is loaded from, a name as often as it is configured. */
void tls_context_files(const struct tls_conf *conf, void (*each)(void *arg, const char *file),
                       void *arg);

/* Everything with an expiry time that the context has loaded. */
void tls_context_validity(const struct tls_context *ctx, tls_validity_each *each, void *arg);

/*
 * The server side of TLS straight over an accepted non-blocking socket, which it takes
 * (closed on failure too). Null when memory is short. Holds a reference to `ctx`.
 */
MUST_USE struct stream *stream_tls_accept(struct tls_context *ctx, int fd);

/*
 * What the handshake agreed on; pointers live as long as the stream, null = not there.
 * Only for a TLS stream, after open() answered OK.
 *
 * The client's certificate is in its session ticket, so what is said of it is the same in a
 * resumed session. The last two describe OUR certificate, as the PROXY protocol (2.2.6) wants
 * it, in HAProxy's spelling.
 */
struct tls_facts {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;      /* OpenSSL's name, "TLS_AES_128_GCM_SHA256" */
    struct span sni;         /* server name that the client sent, without a trailing dot */
    const uint8_t *alpn;     /* not terminated */
    size_t alpn_n;           /* bytes */
    bool resumed;            /* the certificate, if any, was shown in an earlier connection */
    bool client_certificate; /* the peer has one */
    bool client_verified;    /* ... and it was verified by the listener's rules */
    struct span cn;          /* first common name of its subject, UTF-8, any character in it */
    const char *sig_alg;     /* what signed our certificate: "RSA-SHA256", "ecdsa-with-SHA256" */
    char key_alg[16];        /* our certificate's key: "RSA2048", "EC256"; "" = not there */
};
void stream_tls_facts(struct stream *st, struct tls_facts *out);

/* Did it resume an earlier session? After its handshake. */
bool stream_tls_resumed(const struct stream *st);

/* A fatal alert that ended a stream or its handshake; `sent` by us or received. */
struct tls_alert {
    bool sent;
    uint8_t code;            /* RFC 8446 section 6 */
    const char *description; /* "unknown CA", static */
};

/* False when there was none. At any time, for a TLS stream. */
bool stream_tls_alert(const struct stream *st, struct tls_alert *out);

/* Has the peer ended or reset the connection before its first byte? For a TLS stream. */
bool stream_tls_closed_without_data(const struct stream *st);

/* Where a name may stand in a certificate. */
enum tls_name_kind {
    TLS_NAME_CN, /* the first common name of the subject */
    TLS_NAME_SAN_DNS,
    TLS_NAME_SAN_URI,
    TLS_NAME_SAN_EMAIL,
    TLS_NAME_KIND_COUNT
};

/*
 * Has the peer's verified certificate exactly this name, byte for byte? No wildcards, no
 * folding of case. False without a certificate, and for an empty name.
 */
MUST_USE bool stream_tls_peer_matches(struct stream *st, enum tls_name_kind kind, struct span name);

/*
 * The names of that kind, for a log line: "a.example, b.example", terminated, cut to whole
 * names where `max` (at least 1) is too small. Peer text: to be escaped. Its length.
 */
size_t stream_tls_peer_names(struct stream *st, enum tls_name_kind kind, char *out, size_t max);

#endif
