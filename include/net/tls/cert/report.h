/*
 * report.h - the errors and expiry times that loading certificates reports.
 */
#ifndef NET_TLS_CERT_REPORT_H
#define NET_TLS_CERT_REPORT_H

#include <time.h>

#define TLS_ERROR_MAX 512u /* two paths and a reason */

/* The kinds of loaded objects that have an expiry time. */
enum tls_validity_kind {
    TLS_VALIDITY_CERTIFICATE, /* our certificate, or one of its chain */
    TLS_VALIDITY_AUTHORITY,   /* a CA that verifies the certificates of peers */
    TLS_VALIDITY_CRL,         /* a revocation list, unless a newer one replaces it */
    TLS_VALIDITY_OCSP,        /* a stapled OCSP response */
    TLS_VALIDITY_KIND_COUNT
};

/*
 * The validity period of a loaded object. The strings are valid as long as the context.
 *
 * The name of a certificate or authority is its common name, or else one of its DNS names. The name
 * of a revocation list is the issuer's common name, or else its full name. The name of an OCSP
 * response is the name of its certificate. "" if there is none.
 */
struct tls_validity {
    enum tls_validity_kind kind;
    const char *name, *file;
    time_t from, until; /* objects without an expiry time are not reported */
};
typedef void tls_validity_each(void *arg, const struct tls_validity *validity);

#endif
