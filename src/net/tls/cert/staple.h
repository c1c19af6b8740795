/*
 * staple.h - OCSP responses from files, stapled to handshakes. Private to net/.
 */
#ifndef NET_TLS_CERT_STAPLE_H
#define NET_TLS_CERT_STAPLE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/util.h"
#include "net/tls/cert/report.h"

struct tls_staple {
    X509 *leaf; /* a reference to the certificate of the response */
    unsigned char *der;
    size_t n;     /* length of `der` in bytes */
    time_t from;  /* thisUpdate */
    time_t until; /* nextUpdate; 0 = absent */
};

/*
 * Load a response in DER or PEM. It must be successful and have the status "good" for this leaf.
 * The validity period is only checked when the response is sent, because an update can be late.
 */
MUST_USE bool tls_staple_load(const char *file, X509 *leaf, struct tls_staple *out,
                              char error[TLS_ERROR_MAX]);
void tls_staple_fini(struct tls_staple *staple);

/* For the status callback: staple the response for the selected certificate. */
int tls_staple_respond(SSL *ssl, const struct tls_staple *staples, size_t n);

#endif
