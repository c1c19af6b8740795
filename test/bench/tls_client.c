/*
 * tls_client.c - TLS settings of the devices of all benchmarks.
 */
#include "tls_client.h"

#include <err.h>

/* In TLS 1.3, tickets arrive after the handshake, with the first bytes that are read. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **kept = SSL_get_app_data(ssl);
    SSL_SESSION_free(*kept);
    *kept = session;
    return 1; /* the callback keeps the reference */
}

/* Accept every certificate, without building a chain. */
static int take_any(X509_STORE_CTX *store, void *unused)
{
    (void)store, (void)unused;
    return 1;
}

SSL_CTX *tls_client_new(int version)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || !SSL_CTX_set_min_proto_version(tls, version) ||
        !SSL_CTX_set_max_proto_version(tls, version) ||
        !SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") ||
        !SSL_CTX_set_cipher_list(tls, "ECDHE+AES128+AESGCM") ||
        /* in TLS 1.2, the list must also contain the certificate's curve */
        !SSL_CTX_set1_groups_list(tls, "X25519:P-256"))
        errx(1, "OpenSSL rejects the settings");
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
    SSL_CTX_set_cert_verify_callback(tls, take_any, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

void tls_client_keep(SSL *ssl, SSL_SESSION **kept, int resume)
{
    SSL_set_app_data(ssl, kept);
    if (resume && *kept)
        SSL_set_session(ssl, *kept);
}
