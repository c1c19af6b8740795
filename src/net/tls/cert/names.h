/*
 * names.h - the names in certificates, and which certificate a server name asks for.
 * Of net/ alone.
 */
#ifndef NET_TLS_CERT_NAMES_H
#define NET_TLS_CERT_NAMES_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/* The host names of one certificate: lower case, sorted, each once. */
struct tls_names {
    char **list; /* owned; an IP address stands as "ip:" and hexadecimal digits */
    size_t n;
};

/*
 * The DNS and IP names of the subject alternative name; the common name stands in when there
 * are no DNS names. False when memory is short; then *out is empty.
 */
MUST_USE bool tls_names_init(struct tls_names *out, const X509 *x509);
void tls_names_fini(struct tls_names *names);

/* A name's first common name in UTF-8, for OPENSSL_free(); null = there is none. */
char *tls_common_name(const X509_NAME *name, size_t *n);

/* The same names? Two certificates without any have none in common. */
bool tls_names_equal(const struct tls_names *a, const struct tls_names *b);

#define TLS_NO_ENTRY ((size_t)-1)

struct tls_name_row {
    char *name; /* owned, lower case; "*.example.org" as it is */
    size_t entry;
};

/* All zero = empty. Add everything, finish once, then find. */
struct tls_name_index {
    struct tls_name_row *rows;
    size_t n;
};

/* False when memory is short. A name that an earlier entry has stays with that one. */
MUST_USE bool tls_name_index_add(struct tls_name_index *index, const struct tls_names *names,
                                 size_t entry);
void tls_name_index_finish(struct tls_name_index *index);
void tls_name_index_fini(struct tls_name_index *index);

/*
 * The entry of that name; else of the wildcard in place of its first label; else TLS_NO_ENTRY.
 * Neither case nor one trailing dot matters.
 */
size_t tls_name_index_find(const struct tls_name_index *index, const char *server_name);

#endif
