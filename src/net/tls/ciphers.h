/*
 * ciphers.h - the ciphers and key derivation of detached connections, shared by a worker.
 *
 * A keyed cipher context takes 1.2 KiB in each direction, more than all the rest of an idle
 * connection. Connections therefore keep only their keys, and borrow a context from here. A context
 * stays keyed until another connection needs its slot: setting a key costs 0.26 us.
 *
 * Belongs to one thread. Private to net/tls.
 */
#ifndef NET_TLS_CIPHERS_H
#define NET_TLS_CIPHERS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum tls_suite {
    TLS_SUITE_AES_128_GCM,
    TLS_SUITE_AES_256_GCM,
    TLS_SUITE_CHACHA20_POLY1305,
    TLS_SUITE_COUNT /* any other one: the connection cannot be detached */
};

#define TLS_KEY_MAX    32u
#define TLS_IV_SIZE    12u
#define TLS_TAG_SIZE   16u
#define TLS_SECRET_MAX 48u /* SHA-384 */

/* What encrypts or decrypts one direction of a connection. */
struct tls_traffic {
    uint64_t sequence; /* number of the next record under this key */
    uint8_t iv[TLS_IV_SIZE];
    uint8_t key[TLS_KEY_MAX];
    uint8_t secret[TLS_SECRET_MAX]; /* TLS 1.3: for the next key */
#ifdef CHECK_RECORD_NUMBERS
    uint64_t sealed; /* records encrypted under `sealed_key` */
    uint8_t sealed_key[TLS_KEY_MAX];
#endif
};

struct tls_ciphers;

/* Null if out of memory. */
MUST_USE struct tls_ciphers *tls_ciphers_new(OSSL_LIB_CTX *lib);

/* Free it and wipe its keys. Null is allowed. */
void tls_ciphers_free(struct tls_ciphers *c);

/* Bytes of a TLS 1.3 traffic secret. */
size_t tls_suite_secret_size(enum tls_suite suite);

/*
 * A context with the key of `t`, borrowed until the next call. A context is for one direction:
 * `seal` must always be the same for a `t`. Null if out of memory.
 */
MUST_USE EVP_CIPHER_CTX *tls_ciphers_context(struct tls_ciphers *c, enum tls_suite suite,
                                             const struct tls_traffic *t, bool seal);

/* The key of `t` changes, or `t` is freed: wipe its context. */
void tls_ciphers_forget(struct tls_ciphers *c, const struct tls_traffic *t);

/*
 * Set key and IV from the TLS 1.3 traffic secret, and start at record 0. False if out of memory.
 * Source: RFC 8446 section 7.3.
 */
MUST_USE bool tls_traffic_derive(struct tls_ciphers *c, enum tls_suite suite,
                                 struct tls_traffic *t);

/*
 * Replace a TLS 1.3 traffic secret by the next one, and derive from it. On failure `t` must no
 * longer be used. Source: RFC 8446 section 7.2.
 */
MUST_USE bool tls_traffic_update(struct tls_ciphers *c, enum tls_suite suite,
                                 struct tls_traffic *t);

/*
 * Set the TLS 1.2 keys and IVs of both directions. `client` is what the client encrypts with.
 *
 *   master    48 bytes
 *   randoms   32 bytes of the server, then 32 bytes of the client
 *
 * AES-GCM has an IV of 4 bytes, the rest is the explicit part of the nonce, which is set to 0.
 * False if out of memory. Source: RFC 5246 sections 6.3 and 8.1, RFC 5288 section 3, RFC 7905.
 */
MUST_USE bool tls_traffic_expand_12(struct tls_ciphers *c, enum tls_suite suite,
                                    const uint8_t master[48], const uint8_t randoms[64],
                                    struct tls_traffic *client, struct tls_traffic *server);

/*
 * Room for one call: `in` holds at least one record, `out` what one write encrypts. Contents are
 * only valid within a call.
 */
struct tls_room {
    uint8_t *in, *out;
};
struct tls_room tls_ciphers_room(struct tls_ciphers *c);

#endif
