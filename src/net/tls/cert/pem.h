/*
 * pem.h - certificates, keys, revocation lists and private keys, read from files. Of net/
 * alone.
 *
 * Each function that fails has written one line into `error` that names file and rule.
 */
#ifndef NET_TLS_CERT_PEM_H
#define NET_TLS_CERT_PEM_H

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"
#include "model/config/config.h"
#include "net/tls/cert/report.h"

/* A certificate with all that is needed to show it. */
struct tls_credential {
    X509 *leaf;
    STACK_OF(X509) * chain; /* without the leaf; may be empty */
    EVP_PKEY *key;
};

/*
 * Load and check that the key is the certificate's. Never asks a terminal for a passphrase.
 * On failure *out is empty.
 */
MUST_USE bool tls_credential_load(OSSL_LIB_CTX *lib, const struct certificate_conf *files,
                                  struct tls_credential *out, char error[TLS_ERROR_MAX]);
void tls_credential_fini(struct tls_credential *credential);

/* Make a context show it; others that it has already, with keys of other types, stay. */
MUST_USE bool tls_credential_use(const struct tls_credential *credential, SSL_CTX *ossl,
                                 const struct certificate_conf *files, char error[TLS_ERROR_MAX]);

/* Every certificate of a PEM file, at least one. Null on failure. */
STACK_OF(X509) *
    tls_file_certificates(OSSL_LIB_CTX *lib, const char *file, char error[TLS_ERROR_MAX]);

/* Every revocation list of a PEM file, at least one. Null on failure. */
STACK_OF(X509_CRL) * tls_file_crls(OSSL_LIB_CTX *lib, const char *file, char error[TLS_ERROR_MAX]);

#endif
