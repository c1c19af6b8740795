/*
 * settings.h - versions, ciphers, groups and ALPN, set on a context. Private to net/.
 */
#ifndef NET_TLS_SETTINGS_H
#define NET_TLS_SETTINGS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "internal.h"

/* Options that client and server contexts share. */
void tls_settings_common(SSL_CTX *ossl);

/* Versions, suites, ciphers and groups of a listener; each name is checked. */
MUST_USE bool tls_settings_server(SSL_CTX *ossl, const struct tls_conf *conf,
                                  char error[TLS_ERROR_MAX]);

/* Key types of which one context can have one each, as bits. */
enum tls_key_type {
    TLS_KEY_RSA = 1,
    TLS_KEY_RSA_PSS = 2,
    TLS_KEY_EC = 4,
    TLS_KEY_ED25519 = 8,
    TLS_KEY_ED448 = 16,
    TLS_KEY_OTHER = 32
};

/*
 * Can a suite of `ciphers` be negotiated with a certificate that has one of these keys? Always
 * true when TLS 1.2 is off.
 *
 *   file   of the certificate, for the error
 */
MUST_USE bool tls_settings_check_keys(SSL_CTX *ossl, unsigned key_types, const char *file,
                                      char error[TLS_ERROR_MAX]);

/* Our defaults for a client, and its oldest version; 0 = TLS 1.2. */
MUST_USE bool tls_settings_client(SSL_CTX *ossl, unsigned min_version, char error[TLS_ERROR_MAX]);

/* Protocol names in ALPN format: each with a length byte in front. All zero = none. */
struct tls_alpn {
    unsigned char *bytes; /* owned */
    size_t n;
};
MUST_USE bool tls_alpn_init(struct tls_alpn *alpn, char *const *names, size_t n,
                            char error[TLS_ERROR_MAX]);
void tls_alpn_fini(struct tls_alpn *alpn);

#endif
