/*
 * ticket_keys.h - seal and open a ticket with a set of keys. Of net/ alone.
 */
#ifndef NET_TLS_TICKET_KEYS_H
#define NET_TLS_TICKET_KEYS_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "internal.h"

#define TLS_TICKET_NAME_SIZE 16
#define TLS_TICKET_IV_SIZE   16

/* What OpenSSL gives a ticket callback to work on. */
struct tls_ticket_work {
    const struct tls_library *lib;
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac;
    unsigned char *name; /* TLS_TICKET_NAME_SIZE bytes */
    unsigned char *iv;   /* TLS_TICKET_IV_SIZE bytes */
};

/* Prepare to seal with the first key: sets name and IV. False when OpenSSL fails. */
MUST_USE bool tls_ticket_keys_seal(const struct tls_ticket_keys *keys,
                                   const struct tls_ticket_work *work);

enum tls_ticket_opened {
    TLS_TICKET_FAULT,   /* OpenSSL failed */
    TLS_TICKET_UNKNOWN, /* sealed with none of our keys */
    TLS_TICKET_CURRENT, /* ready to open, with the key that seals */
    TLS_TICKET_OLD      /* ready to open, with another one: replace the ticket */
};

/* Prepare to open the ticket of that name. */
MUST_USE enum tls_ticket_opened tls_ticket_keys_open(const struct tls_ticket_keys *keys,
                                                     const struct tls_ticket_work *work);

#endif
