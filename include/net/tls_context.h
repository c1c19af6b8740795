/*
 * tls_context.h - what a TLS listener needs to shake hands, built once per worker.
 *
 * A worker has its own OSSL_LIB_CTX: OpenSSL's locks live in the library context, so
 * workers that share one queue behind each other (measured: 7 to 15 %).
 */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "model/config.h"
#include "net/stream.h"

struct tls_context; /* one listener's contexts on one worker; owns its library context use */
struct tls_library; /* one worker's OSSL_LIB_CTX */

#define TLS_ERROR_MAX 512u /* two paths and a reason */

/* 80 bytes of key material that all workers share, so that a ticket resumes on any of them. */
struct tls_ticket_key {
    uint8_t bytes[80];
};

/* Fill with random bytes. False when the random generator fails. */
MUST_USE bool tls_ticket_key_generate(struct tls_ticket_key *key);

/* Null when memory is short. Freed after every context and stream made with it. */
MUST_USE struct tls_library *tls_library_new(void);
void tls_library_free(struct tls_library *lib);

/*
 * Load certificates and keys of `conf` and make the contexts ready to serve.
 *
 *   error   on failure, one line that names the file and the rule
 *           ("/etc/x.pem: no certificate in it: no start line")
 *
 * Null on failure. The context takes nothing of `conf` and keeps no pointer into it.
 */
MUST_USE struct tls_context *tls_context_new(struct tls_library *lib, const struct tls_conf *conf,
                                             const struct tls_ticket_key *key,
                                             char error[TLS_ERROR_MAX]);
void tls_context_free(struct tls_context *ctx);

/*
 * The server side of TLS straight over an accepted non-blocking socket, which it takes
 * (closed on failure too). Null when memory is short. `ctx` outlives the stream.
 */
MUST_USE struct stream *stream_tls_accept(struct tls_context *ctx, int fd);

/*
 * What the handshake agreed on; pointers live as long as the stream, null = not there.
 * Only for a stream from stream_tls_accept(), after open() answered OK.
 */
struct tls_facts {
    const char *version;   /* "TLSv1.3" */
    const char *cipher;    /* OpenSSL's name, "TLS_AES_128_GCM_SHA256" */
    const char *sni;       /* server name the client asked for */
    const uint8_t *alpn;   /* not terminated */
    size_t alpn_n;         /* bytes */
    bool resumed;
};
void stream_tls_facts(const struct stream *st, struct tls_facts *out);

#endif
