/*
 * pem.h - read certificates, private keys and revocation lists from PEM files. Private to net/.
 *
 * On failure, each function writes one line with the file and the rule into `error`.
 */
#ifndef NET_TLS_CERT_PEM_H
#define NET_TLS_CERT_PEM_H

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"
#include "model/config/config.h"
#include "net/tls/cert/expiry.h"
#include "net/tls/cert/report.h"

/* A certificate with its chain and private key. */
struct tls_credential {
    X509 *leaf;
    STACK_OF(X509) * chain; /* without the leaf; may be empty */
    EVP_PKEY *key;
};

/* Load a certificate and its key, and check that they match. On failure *out is empty. */
MUST_USE bool tls_credential_load(OSSL_LIB_CTX *lib, const struct certificate_conf *files,
                                  struct tls_credential *out, char error[TLS_ERROR_MAX]);
void tls_credential_fini(struct tls_credential *credential);

/* Add the credential to a context, and its expiry times to *expiry. Certificates with other key
 * types are kept. */
MUST_USE bool tls_credential_use(const struct tls_credential *credential, SSL_CTX *ossl,
                                 const struct certificate_conf *files, struct tls_expiry *expiry,
                                 char error[TLS_ERROR_MAX]);

/* Read all certificates of a PEM file. Null on failure, or if the file contains none. */
STACK_OF(X509) *
    tls_file_certificates(OSSL_LIB_CTX *lib, const char *file, char error[TLS_ERROR_MAX]);

/* Read all revocation lists of a PEM file. Null on failure, or if the file contains none. */
STACK_OF(X509_CRL) * tls_file_crls(OSSL_LIB_CTX *lib, const char *file, char error[TLS_ERROR_MAX]);

#endif
