/*
 * device_tls.c - TLS of the storm's devices: settings, tickets, and ClientHellos made ahead.
 */
#include "device.h"

#include <err.h>
#include <unistd.h>

/* TLS 1.3 sends its tickets behind the handshake, with the first bytes we read. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct device *d = SSL_get_app_data(ssl);
    SSL_SESSION_free(d->session);
    d->session = session;
    return 1; /* it is ours now */
}

/* Not even a chain is built: the devices' sums are not what is measured. */
static int take_any(X509_STORE_CTX *store, void *unused)
{
    (void)store, (void)unused;
    return 1;
}

SSL_CTX *device_tls_new(int version)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || !SSL_CTX_set_min_proto_version(tls, version) ||
        !SSL_CTX_set_max_proto_version(tls, version) ||
        !SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") ||
        !SSL_CTX_set_cipher_list(tls, "ECDHE+AES128+AESGCM") ||
        !SSL_CTX_set1_groups_list(tls, "X25519:P-256")) /* TLS 1.2 wants the certificate's, too */
        errx(1, "OpenSSL does not take the settings");
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
    SSL_CTX_set_cert_verify_callback(tls, take_any, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

void device_make_hello(struct device *d)
{
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    d->ssl = SSL_new(d->storm->tls);
    if (!d->ssl || !in || !out)
        errx(1, "out of memory");
    SSL_set_app_data(d->ssl, d);
    SSL_set_bio(d->ssl, in, out);
    if (d->storm->resume && d->session)
        SSL_set_session(d->ssl, d->session);
    if (SSL_connect(d->ssl) == 1 || BIO_pending(out) <= 0)
        errx(1, "OpenSSL made no ClientHello");
}

bool device_send_hello(struct device *d)
{
    char *hello;
    long n = BIO_get_mem_data(SSL_get_wbio(d->ssl), &hello);
    bool sent = write(d->io.fd, hello, (size_t)n) == n;
    if (!SSL_set_fd(d->ssl, d->io.fd))
        errx(1, "out of memory");
    return sent;
}
