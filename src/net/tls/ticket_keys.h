/*
 * ticket_keys.h - encrypt and decrypt tickets with a set of keys. Private to net/.
 */
#ifndef NET_TLS_TICKET_KEYS_H
#define NET_TLS_TICKET_KEYS_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "internal.h"

#define TLS_TICKET_NAME_SIZE 16
#define TLS_TICKET_IV_SIZE   16

/* Arguments of OpenSSL's ticket callback. */
struct tls_ticket_work {
    const struct tls_library *lib;
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac;
    unsigned char *name; /* TLS_TICKET_NAME_SIZE bytes */
    unsigned char *iv;   /* TLS_TICKET_IV_SIZE bytes */
};

/* Prepare to encrypt a ticket with the first key. Sets name and IV. False if OpenSSL fails. */
MUST_USE bool tls_ticket_keys_seal(const struct tls_ticket_keys *keys,
                                   const struct tls_ticket_work *work);

enum tls_ticket_opened {
    TLS_TICKET_FAULT,   /* OpenSSL failed */
    TLS_TICKET_UNKNOWN, /* encrypted with an unknown key */
    TLS_TICKET_CURRENT, /* ready to decrypt, with the current key */
    TLS_TICKET_OLD      /* ready to decrypt, with an older key: replace the ticket */
};

/* Prepare to decrypt a ticket with the key named in `work`. */
MUST_USE enum tls_ticket_opened tls_ticket_keys_open(const struct tls_ticket_keys *keys,
                                                     const struct tls_ticket_work *work);

#endif
