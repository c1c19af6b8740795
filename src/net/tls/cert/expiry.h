/*
 * expiry.h - expiry times of the objects that a context has loaded. Private to net/.
 */
#ifndef NET_TLS_CERT_EXPIRY_H
#define NET_TLS_CERT_EXPIRY_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/util.h"
#include "net/tls/cert/report.h"

struct tls_expiry_row {
    struct tls_validity validity; /* owns its strings */
    X509_CRL *crl;                /* a reference; null unless it is a revocation list */
};

/* All zero = empty. */
struct tls_expiry {
    struct tls_expiry_row *rows;
    size_t n;
};

/* Add one certificate or authority, or all certificates of a stack. False if out of memory. */
MUST_USE bool tls_expiry_add(struct tls_expiry *expiry, enum tls_validity_kind kind,
                             const X509 *x509, const char *file);
MUST_USE bool tls_expiry_add_all(struct tls_expiry *expiry, enum tls_validity_kind kind,
                                 const STACK_OF(X509) * all, const char *file);

/*
 * Add a revocation list, unless it never expires or a newer list with the same issuer, key and
 * scope has been added: OpenSSL uses the newer list. False if out of memory.
 */
MUST_USE bool tls_expiry_add_crl(struct tls_expiry *expiry, X509_CRL *crl, const char *file);

/* Add the OCSP response for a certificate. False if out of memory. */
MUST_USE bool tls_expiry_add_response(struct tls_expiry *expiry, const X509 *about, time_t from,
                                      time_t until, const char *file);

void tls_expiry_walk(const struct tls_expiry *expiry, tls_validity_each *each, void *arg);
void tls_expiry_fini(struct tls_expiry *expiry);

/* Convert a time to seconds since 1970. Returns 0 if it is invalid. */
time_t tls_time(const ASN1_TIME *time);

#endif
