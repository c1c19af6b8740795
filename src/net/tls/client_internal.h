/*
 * client_internal.h - what a connecting TLS stream needs of its context. Of net/ alone.
 */
#ifndef NET_TLS_CLIENT_INTERNAL_H
#define NET_TLS_CLIENT_INTERNAL_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "net/tls/client.h"

/* A new client connection, without a socket yet. Null when memory is short. */
SSL *tls_client_context_connection(struct tls_client_context *ctx);

const struct tls_library *tls_client_context_library(const struct tls_client_context *ctx);
bool tls_client_context_verifies(const struct tls_client_context *ctx);

#endif
