/*
 * tls_internal.h - what the TLS stream needs to know of a TLS context. Of net/ alone.
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls_context.h"

/* The context a new connection starts with: the first certificate's. Borrowed. */
SSL_CTX *tls_context_default(const struct tls_context *ctx);

/* An error code of OpenSSL's queue in words, system errors too. Never null, static text. */
const char *tls_reason(unsigned long code);

#endif
