/*
 * internal.h - what the files of net/tls share: the library context and new connections.
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "net/tls/client.h"
#include "net/tls/context.h"

struct tls_library {
    OSSL_LIB_CTX *ossl;
    /* Fetched from this library context: EVP_aes_*() would take locks of the process-wide one. */
    EVP_CIPHER *aes_128_cbc, *aes_256_cbc;
    BIO_METHOD *socket; /* socket BIO of all its streams */
};

/* Free it with BIO_meth_free(). Null if out of memory. */
BIO_METHOD *stream_tls_socket_method(void);

/*
 * Between the two calls, memory that OpenSSL frees on this thread is wiped. For code that loads or
 * frees private keys. May be nested.
 */
void tls_wipe_begin(void);
void tls_wipe_end(void);

/* A new server connection, without a socket yet. Null if out of memory. */
SSL *tls_context_connection(struct tls_context *ctx);

/* The library that the context was created with. */
const struct tls_library *tls_context_library(const struct tls_context *ctx);

/* Another reference; tls_context_free() drops it. Only on the worker's thread. */
struct tls_context *tls_context_ref(struct tls_context *ctx);

/* A new client connection, without a socket yet. Null if out of memory. */
SSL *tls_client_context_connection(struct tls_client_context *ctx);

const struct tls_library *tls_client_context_library(const struct tls_client_context *ctx);
bool tls_client_context_verifies(const struct tls_client_context *ctx);

#endif
