/*
 * report.h - what loading certificates reports: errors and expiry times.
 */
#ifndef NET_TLS_CERT_REPORT_H
#define NET_TLS_CERT_REPORT_H

#include <time.h>

#define TLS_ERROR_MAX 512u /* two paths and a reason */

/* What a context has loaded that is valid for a limited time. */
enum tls_validity_kind {
    TLS_VALIDITY_CERTIFICATE, /* a leaf or its chain */
    TLS_VALIDITY_AUTHORITY,   /* trusted to have issued the peer's certificate */
    TLS_VALIDITY_CRL,         /* a revocation list, unless a later one replaces it */
    TLS_VALIDITY_OCSP,        /* a stapled OCSP response */
    TLS_VALIDITY_KIND_COUNT
};

/*
 *   name   of a certificate or authority its common name, or one of its DNS names; of a list its
 *          issuer's common name, or else its whole name; of a response that of its certificate;
 *          "" when there is none. Like `file` the context's, for as long as it lives
 */
struct tls_validity {
    enum tls_validity_kind kind;
    const char *name, *file;
    time_t from, until; /* a list or a response without an end is not reported */
};
typedef void tls_validity_each(void *arg, const struct tls_validity *validity);

#endif
