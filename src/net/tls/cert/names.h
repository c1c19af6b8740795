/*
 * names.h - the names in certificates, and the certificate for a server name.
 * Private to net/.
 */
#ifndef NET_TLS_CERT_NAMES_H
#define NET_TLS_CERT_NAMES_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/* The host names of one certificate: lower case, sorted, each once. */
struct tls_names {
    char **list; /* owned; an IP address is "ip:" and hexadecimal digits */
    size_t n;
};

/*
 * The DNS and IP names of the subject alternative name; the common name is used if there are no DNS
 * names. False when memory is short; then *out is empty.
 */
MUST_USE bool tls_names_init(struct tls_names *out, const X509 *x509);
void tls_names_fini(struct tls_names *names);

/* A name's first common name in UTF-8, for OPENSSL_free(); null = none. */
char *tls_common_name(const X509_NAME *name, size_t *n);

/* Do both have the same names? False if they have none. */
bool tls_names_equal(const struct tls_names *a, const struct tls_names *b);

#define TLS_NO_ENTRY ((size_t)-1)

struct tls_name_row {
    char *name; /* owned, lower case; "*.example.org" as it is */
    size_t entry;
};

/* All zero = empty. Add all names, finish once, then find. */
struct tls_name_index {
    struct tls_name_row *rows;
    size_t n;
};

/* False if out of memory. A duplicate name belongs to the earlier entry. */
MUST_USE bool tls_name_index_add(struct tls_name_index *index, const struct tls_names *names,
                                 size_t entry);
void tls_name_index_finish(struct tls_name_index *index);
void tls_name_index_fini(struct tls_name_index *index);

/*
 * The entry of that name; else of the wildcard for its first label; else TLS_NO_ENTRY. Case and one
 * trailing dot are ignored.
 */
size_t tls_name_index_find(const struct tls_name_index *index, const char *server_name);

#endif
