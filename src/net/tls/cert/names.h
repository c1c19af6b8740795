/*
 * names.h - the names in certificates, and an index of them. Private to net/.
 */
#ifndef NET_TLS_CERT_NAMES_H
#define NET_TLS_CERT_NAMES_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/* The host names of one certificate: lower case, sorted, without duplicates. */
struct tls_names {
    char **list; /* owned; an IP address is stored as "ip:" and hexadecimal digits */
    size_t n;
};

/*
 * Get the DNS names and IP addresses of the subject alternative name. If it has no DNS name, the
 * common name is added. False if out of memory; *out is then empty.
 */
MUST_USE bool tls_names_init(struct tls_names *out, const X509 *x509);
void tls_names_fini(struct tls_names *names);

/* The first common name of a subject or issuer in UTF-8, for OPENSSL_free(). Null if none. */
char *tls_common_name(const X509_NAME *name, size_t *n);

/* Are the names equal? False if there are none. */
bool tls_names_equal(const struct tls_names *a, const struct tls_names *b);

#define TLS_NO_ENTRY ((size_t)-1)

struct tls_name_row {
    char *name; /* owned; lower case, may be a wildcard "*.example.org" */
    size_t entry;
};

/* All zero = empty. Add all names, call finish once, then find. */
struct tls_name_index {
    struct tls_name_row *rows;
    size_t n;
};

/* Add an entry's names; a name that an earlier entry has is ignored. False if out of memory. */
MUST_USE bool tls_name_index_add(struct tls_name_index *index, const struct tls_names *names,
                                 size_t entry);
void tls_name_index_finish(struct tls_name_index *index);
void tls_name_index_fini(struct tls_name_index *index);

/*
 * Find the entry with this name, or else with a wildcard for its first label. TLS_NO_ENTRY if there
 * is none. Ignores case and one trailing dot.
 */
size_t tls_name_index_find(const struct tls_name_index *index, const char *server_name);

#endif
