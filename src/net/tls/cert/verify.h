/*
 * verify.h - the rules for verifying peer certificates. Private to net/.
 */
#ifndef NET_TLS_CERT_VERIFY_H
#define NET_TLS_CERT_VERIFY_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "expiry.h"
#include "model/config/config.h"
#include "net/tls/cert/report.h"

#define TLS_SESSION_ID_CONTEXT_SIZE 32 /* SSL_MAX_SID_CTX_LENGTH, a SHA-256 */

/* A listener's rules for client certificates; all zero = no certificate is requested. */
struct tls_client_rules {
    int mode;                    /* SSL_VERIFY_ */
    int depth;                   /* maximum number of intermediate certificates */
    X509_STORE *store;           /* authorities and revocation lists; null = none */
    STACK_OF(X509_NAME) * names; /* names of the authorities, sent to clients */
    unsigned char session_id_context[TLS_SESSION_ID_CONTEXT_SIZE];
};

/* Load the rules of client_auth. On failure *out is empty, and `error` contains the reason. */
MUST_USE bool tls_client_rules_load(OSSL_LIB_CTX *lib, const struct tls_conf *conf,
                                    struct tls_client_rules *out, struct tls_expiry *expiry,
                                    char error[TLS_ERROR_MAX]);
MUST_USE bool tls_client_rules_use(const struct tls_client_rules *rules, SSL_CTX *ossl);
void tls_client_rules_fini(struct tls_client_rules *rules);

/* Add every certificate of a PEM file to a store, and its expiry time to *expiry. */
MUST_USE bool tls_store_add_authorities(X509_STORE *store, OSSL_LIB_CTX *lib, const char *file,
                                        struct tls_expiry *expiry, char error[TLS_ERROR_MAX]);

#endif
