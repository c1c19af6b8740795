/*
 * tls_settings.h - versions, ciphers, groups and ALPN, set on a context. Of net/ alone.
 */
#ifndef NET_TLS_SETTINGS_H
#define NET_TLS_SETTINGS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/tls_internal.h"

/* What both sides need: how records are read and written, and what is never done. */
void tls_settings_common(SSL_CTX *ossl);

/* A listener's choices, checked word by word. */
MUST_USE bool tls_settings_server(SSL_CTX *ossl, const struct tls_conf *conf,
                                  char error[TLS_ERROR_MAX]);

/* Our defaults for a client, and its oldest version; 0 = TLS 1.2. */
MUST_USE bool tls_settings_client(SSL_CTX *ossl, unsigned min_version, char error[TLS_ERROR_MAX]);

/* Protocol names as ALPN has them: a length byte in front of each. All zero = none. */
struct tls_alpn {
    unsigned char *bytes; /* owned */
    size_t n;
};
MUST_USE bool tls_alpn_init(struct tls_alpn *alpn, char *const *names, size_t n,
                            char error[TLS_ERROR_MAX]);
void tls_alpn_fini(struct tls_alpn *alpn);

#endif
