/*
 * staple.h - OCSP responses from files, stapled to handshakes. Of net/ alone.
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
    X509 *leaf; /* a reference: whose state the response tells */
    unsigned char *der;
    size_t n;     /* bytes */
    time_t from;  /* thisUpdate */
    time_t until; /* nextUpdate; 0 = not said, so nothing newer is known to be there */
};

/*
 * Load a response, in DER or PEM. It must be a successful one that says "good" of this leaf;
 * whether it is still valid is asked when it is given out, since an updater may be late.
 */
MUST_USE bool tls_staple_load(const char *file, X509 *leaf, struct tls_staple *out,
                              char error[TLS_ERROR_MAX]);
void tls_staple_fini(struct tls_staple *staple);

/* The status callback's work: staple what of the n fits the certificate that is shown now. */
int tls_staple_respond(SSL *ssl, const struct tls_staple *staples, size_t n);

#endif
