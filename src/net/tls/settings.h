/*
 * settings.h - set the versions, ciphers, groups and ALPN names of a context. Private to net/.
 */
#ifndef NET_TLS_SETTINGS_H
#define NET_TLS_SETTINGS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "internal.h"

/* Set the options that client and server contexts share. */
void tls_settings_common(SSL_CTX *ossl);

/* Set the versions, cipher suites and groups of a listener. Each name is checked. */
MUST_USE bool tls_settings_server(SSL_CTX *ossl, const struct tls_conf *conf,
                                  char error[TLS_ERROR_MAX]);

/* Key types, as bits. A context can have one certificate per key type. */
enum tls_key_type {
    TLS_KEY_RSA = 1,
    TLS_KEY_RSA_PSS = 2,
    TLS_KEY_EC = 4,
    TLS_KEY_ED25519 = 8,
    TLS_KEY_ED448 = 16,
    TLS_KEY_OTHER = 32
};

/*
 * Does any suite of `ciphers` work with a certificate that has one of these key types? Always true
 * if TLS 1.2 is disabled.
 *
 *   file   the certificate's file, for the error message
 */
MUST_USE bool tls_settings_check_keys(SSL_CTX *ossl, unsigned key_types, const char *file,
                                      char error[TLS_ERROR_MAX]);

/* Set the defaults for a client, and the minimum version; 0 = TLS 1.2. */
MUST_USE bool tls_settings_client(SSL_CTX *ossl, unsigned min_version, char error[TLS_ERROR_MAX]);

/* Protocol names in ALPN format, each preceded by a length byte. All zero = none. */
struct tls_alpn {
    unsigned char *bytes; /* owned */
    size_t n;
};
MUST_USE bool tls_alpn_init(struct tls_alpn *alpn, char *const *names, size_t n,
                            char error[TLS_ERROR_MAX]);
void tls_alpn_fini(struct tls_alpn *alpn);

#endif
