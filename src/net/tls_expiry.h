/*
 * tls_expiry.h - when the certificates of a context expire. Of net/ alone.
 */
#ifndef NET_TLS_EXPIRY_H
#define NET_TLS_EXPIRY_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/util.h"

struct tls_expiry_row {
    char *name; /* owned */
    char *file; /* owned */
    time_t not_after;
};

/* All zero = empty. */
struct tls_expiry {
    struct tls_expiry_row *rows;
    size_t n;
};

typedef void tls_expiry_each(void *arg, const char *name, const char *file, time_t not_after);

/* Note a certificate, or all of a stack. False when memory is short. */
MUST_USE bool tls_expiry_add(struct tls_expiry *expiry, const X509 *x509, const char *file);
MUST_USE bool tls_expiry_add_all(struct tls_expiry *expiry, const STACK_OF(X509) * all,
                                 const char *file);
void tls_expiry_walk(const struct tls_expiry *expiry, tls_expiry_each *each, void *arg);
void tls_expiry_fini(struct tls_expiry *expiry);

/* A time as certificates have it, in seconds since 1970; 0 when it is none. */
time_t tls_time(const ASN1_TIME *time);

#endif
