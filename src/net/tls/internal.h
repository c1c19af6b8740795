/*
 * internal.h - what the TLS files of net/ share: words for errors, the library context,
 * a new server connection.
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "net/tls/client.h"
#include "net/tls/context.h"

struct tls_library {
    OSSL_LIB_CTX *ossl;
    /* Of this library context: OpenSSL's EVP_aes_*() would take the process-wide one's locks. */
    EVP_CIPHER *aes_128_cbc, *aes_256_cbc;
    BIO_METHOD *socket; /* what all its streams read and write with */
};

/* To be freed with BIO_meth_free(). Null when memory is short. */
BIO_METHOD *stream_tls_socket_method(void);

/*
 * Between the two, of this thread, memory is wiped that OpenSSL gives back: for whatever handles
 * private keys otherwise than to sign with them. May be nested.
 */
void tls_wipe_begin(void);
void tls_wipe_end(void);

/* A new server connection, without a socket yet. Null when memory is short. */
SSL *tls_context_connection(struct tls_context *ctx);

/* What it was made with. */
const struct tls_library *tls_context_library(const struct tls_context *ctx);

/* Another reference; tls_context_free() gives it back. Of the thread that serves alone. */
struct tls_context *tls_context_ref(struct tls_context *ctx);

/* A new client connection, without a socket yet. Null when memory is short. */
SSL *tls_client_context_connection(struct tls_client_context *ctx);

const struct tls_library *tls_client_context_library(const struct tls_client_context *ctx);
bool tls_client_context_verifies(const struct tls_client_context *ctx);

#endif
