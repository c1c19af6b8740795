/*
 * internal.h - shared by the files of net/tls: the library context, and new connections.
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "ciphers.h"
#include "net/tls/client.h"
#include "net/tls/context.h"

struct tls_library {
    OSSL_LIB_CTX *ossl;
    /* fetched from this library context: EVP_aes_*() would lock the global context */
    EVP_CIPHER *aes_128_cbc, *aes_256_cbc;
    BIO_METHOD *socket;          /* socket BIO of all streams of this library */
    struct tls_ciphers *ciphers; /* of its detached streams */
};

/* Create the socket BIO's method; free it with BIO_meth_free(). Null if out of memory. */
BIO_METHOD *stream_tls_socket_method(void);

/*
 * Wipe the memory that OpenSSL frees on this thread between the two calls. Used where private keys
 * are loaded or freed. Calls may be nested.
 */
void tls_wipe_begin(void);
void tls_wipe_end(void);

/* Create the SSL of a server connection, without a socket. Null if out of memory. */
SSL *tls_context_connection(struct tls_context *ctx);

/* Are its connections detached after the handshake? */
bool tls_context_detaches(const struct tls_context *ctx);

/* The library that the context was created with. */
const struct tls_library *tls_context_library(const struct tls_context *ctx);

/* Take a reference; tls_context_free() drops it. Only on the worker's thread. */
struct tls_context *tls_context_ref(struct tls_context *ctx);

/* Create the SSL of a client connection, without a socket. Null if out of memory. */
SSL *tls_client_context_connection(struct tls_client_context *ctx);

const struct tls_library *tls_client_context_library(const struct tls_client_context *ctx);
bool tls_client_context_detaches(const struct tls_client_context *ctx);
bool tls_client_context_verifies(const struct tls_client_context *ctx);

#endif
