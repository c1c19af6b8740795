/*
 * report.h - what loading certificates reports: errors and expiry times.
 */
#ifndef NET_TLS_CERT_REPORT_H
#define NET_TLS_CERT_REPORT_H

#include <time.h>

#define TLS_ERROR_MAX 512u /* two paths and a reason */

/* Loaded objects that have an expiry time. */
enum tls_validity_kind {
    TLS_VALIDITY_CERTIFICATE, /* a leaf or its chain */
    TLS_VALIDITY_AUTHORITY,   /* a CA that peers' certificates are verified against */
    TLS_VALIDITY_CRL,         /* a revocation list, unless a newer one replaces it */
    TLS_VALIDITY_OCSP,        /* a stapled OCSP response */
    TLS_VALIDITY_KIND_COUNT
};

/*
 *   name   certificate or authority: common name, or one of its DNS names; revocation list: the
 * issuer's common name or full name; response: name of its certificate; "" if there is none. Valid
 * as long as the context, like `file`
 */
struct tls_validity {
    enum tls_validity_kind kind;
    const char *name, *file;
    time_t from, until; /* lists and responses without an expiry time are not reported */
};
typedef void tls_validity_each(void *arg, const struct tls_validity *validity);

#endif
