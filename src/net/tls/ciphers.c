/*
 * ciphers.c - the ciphers and key derivation of detached connections.
 *
 *    secret --HKDF-Expand-Label--> key, IV --> slot of the cache --> EVP_CIPHER_CTX
 *
 * All algorithms are fetched once per worker: fetching them for each connection makes a TLS
 * handshake 16 % more expensive.
 */
#include "ciphers.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"

/* Keyed contexts of a worker, 1.2 KiB each: 0.15 MiB. */
#define SLOTS 128u

enum hash { SHA_256, SHA_384, HASH_COUNT };

struct slot {
    const struct tls_traffic *owner; /* null = the context has no key */
    EVP_CIPHER_CTX *context;         /* owned; null until the slot is used */
};

struct tls_ciphers {
    EVP_CIPHER *ciphers[TLS_SUITE_COUNT];
    EVP_MAC_CTX *hmacs[HASH_COUNT];
    EVP_KDF_CTX *prf;
    struct slot slots[SLOTS];
    uint8_t in[TLS_RECORD_MAX];
    uint8_t out[TLS_WRITE_MAX];
};

static const struct {
    const char *name;
    uint8_t key_size;
    uint8_t fixed_iv_size; /* in the key block of TLS 1.2 */
    uint8_t hash;
} suites[TLS_SUITE_COUNT] = {
    [TLS_SUITE_AES_128_GCM] = {"AES-128-GCM", 16, 4, SHA_256},
    [TLS_SUITE_AES_256_GCM] = {"AES-256-GCM", 32, 4, SHA_384},
    [TLS_SUITE_CHACHA20_POLY1305] = {"ChaCha20-Poly1305", 32, 12, SHA_256},
};

static const struct {
    const char *name;
    uint8_t size;
} hashes[HASH_COUNT] = {[SHA_256] = {"SHA2-256", 32}, [SHA_384] = {"SHA2-384", 48}};

size_t tls_suite_secret_size(enum tls_suite suite)
{
    return hashes[suites[suite].hash].size;
}

/* ---- create and free -------------------------------------------------------------------- */

/* Create an HMAC context with its hash function; each use then only sets a key. Null if out of
 * memory. */
static EVP_MAC_CTX *hmac_new(OSSL_LIB_CTX *lib, enum hash hash)
{
    char name[16];
    strcpy(name, hashes[hash].name);
    const OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, name, strlen(name)),
                                 OSSL_PARAM_END};
    EVP_MAC *mac = EVP_MAC_fetch(lib, "HMAC", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac); /* the context holds a reference */
    if (context && EVP_MAC_CTX_set_params(context, params) == 1)
        return context;
    EVP_MAC_CTX_free(context);
    return NULL;
}

static EVP_KDF_CTX *prf_new(OSSL_LIB_CTX *lib)
{
    EVP_KDF *kdf = EVP_KDF_fetch(lib, "TLS1-PRF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    EVP_KDF_free(kdf);
    return context;
}

struct tls_ciphers *tls_ciphers_new(OSSL_LIB_CTX *lib)
{
    struct tls_ciphers *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    bool complete = true;
    for (size_t i = 0; i < TLS_SUITE_COUNT; i++)
        complete &= (c->ciphers[i] = EVP_CIPHER_fetch(lib, suites[i].name, NULL)) != NULL;
    for (size_t i = 0; i < HASH_COUNT; i++)
        complete &= (c->hmacs[i] = hmac_new(lib, (enum hash)i)) != NULL;
    complete &= (c->prf = prf_new(lib)) != NULL;
    if (complete)
        return c;
    tls_ciphers_free(c);
    return NULL;
}

void tls_ciphers_free(struct tls_ciphers *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        EVP_CIPHER_CTX_free(c->slots[i].context);
    for (size_t i = 0; i < TLS_SUITE_COUNT; i++)
        EVP_CIPHER_free(c->ciphers[i]);
    for (size_t i = 0; i < HASH_COUNT; i++)
        EVP_MAC_CTX_free(c->hmacs[i]);
    EVP_KDF_CTX_free(c->prf);
    free(c);
}

struct tls_room tls_ciphers_room(struct tls_ciphers *c)
{
    return (struct tls_room){.in = c->in, .out = c->out};
}

/* ---- contexts --------------------------------------------------------------------------- */

static struct slot *slot_of(struct tls_ciphers *c, const struct tls_traffic *t)
{
    /* Both directions of a connection are 100 to 160 bytes apart. */
    return &c->slots[((uintptr_t)t * 0x9e3779b97f4a7c15u >> 32) % SLOTS];
}

EVP_CIPHER_CTX *tls_ciphers_context(struct tls_ciphers *c, enum tls_suite suite,
                                    const struct tls_traffic *t, bool seal)
{
    struct slot *slot = slot_of(c, t);
    if (slot->owner == t)
        return slot->context;
    if (!slot->context && !(slot->context = EVP_CIPHER_CTX_new()))
        return NULL;
    const bool fresh = EVP_CIPHER_CTX_get0_cipher(slot->context) != c->ciphers[suite];
    slot->owner = NULL;
    if (EVP_CipherInit_ex(slot->context, fresh ? c->ciphers[suite] : NULL, NULL, t->key, NULL,
                          seal) != 1)
        return NULL;
    slot->owner = t;
    return slot->context;
}

void tls_ciphers_forget(struct tls_ciphers *c, const struct tls_traffic *t)
{
    struct slot *slot = slot_of(c, t);
    if (slot->owner != t)
        return;
    slot->owner = NULL;
    (void)EVP_CIPHER_CTX_reset(slot->context); /* wipes the key schedule */
}

/* ---- TLS 1.3 ---------------------------------------------------------------------------- */

/*
 * HKDF-Expand-Label with an empty context, of at most one block: HMAC(secret, info | 1).
 * Source: RFC 8446 section 7.1; RFC 5869 section 2.3.
 */
static bool expand_label(struct tls_ciphers *c, enum hash hash, const uint8_t *secret,
                         const char *label, uint8_t *out, size_t n)
{
    const size_t secret_n = hashes[hash].size, label_n = strlen(label);
    uint8_t info[32] = {0, (uint8_t)n, (uint8_t)(6 + label_n), 't', 'l', 's', '1', '3', ' '};
    uint8_t block[TLS_SECRET_MAX];
    size_t block_n;
    assert(n <= secret_n && 9 + label_n + 2 <= sizeof(info));
    memcpy(info + 9, label, label_n);
    info[9 + label_n] = 0; /* no context */
    info[9 + label_n + 1] = 1;
    EVP_MAC_CTX *hmac = c->hmacs[hash];
    const bool done = EVP_MAC_init(hmac, secret, secret_n, NULL) == 1 &&
                      EVP_MAC_update(hmac, info, 9 + label_n + 2) == 1 &&
                      EVP_MAC_final(hmac, block, &block_n, sizeof(block)) == 1;
    if (done)
        memcpy(out, block, n);
    OPENSSL_cleanse(block, sizeof(block));
    return done;
}

bool tls_traffic_derive(struct tls_ciphers *c, enum tls_suite suite, struct tls_traffic *t)
{
    const enum hash hash = suites[suite].hash;
    t->sequence = 0;
    return expand_label(c, hash, t->secret, "key", t->key, suites[suite].key_size) &&
           expand_label(c, hash, t->secret, "iv", t->iv, TLS_IV_SIZE);
}

bool tls_traffic_update(struct tls_ciphers *c, enum tls_suite suite, struct tls_traffic *t)
{
    const enum hash hash = suites[suite].hash;
    tls_ciphers_forget(c, t);
    return expand_label(c, hash, t->secret, "traffic upd", t->secret, hashes[hash].size) &&
           tls_traffic_derive(c, suite, t);
}

/* ---- TLS 1.2 ---------------------------------------------------------------------------- */

bool tls_traffic_expand_12(struct tls_ciphers *c, enum tls_suite suite, const uint8_t master[48],
                           const uint8_t randoms[64], struct tls_traffic *client,
                           struct tls_traffic *server)
{
    const size_t key_n = suites[suite].key_size, iv_n = suites[suite].fixed_iv_size;
    uint8_t block[2 * (TLS_KEY_MAX + TLS_IV_SIZE)], seed[13 + 64] = "key expansion";
    memcpy(seed + 13, randoms, 64);
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)hashes[suites[suite].hash].name,
                               strlen(hashes[suites[suite].hash].name)),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SECRET, (uint8_t *)master, 48),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)), OSSL_PARAM_END};
    EVP_KDF_CTX_reset(c->prf); /* seeds are appended */
    const bool done = EVP_KDF_derive(c->prf, block, 2 * (key_n + iv_n), params) == 1;
    EVP_KDF_CTX_reset(c->prf);
    if (done) {
        memcpy(client->key, block, key_n);
        memcpy(server->key, block + key_n, key_n);
        memcpy(client->iv, block + 2 * key_n, iv_n);
        memcpy(server->iv, block + 2 * key_n + iv_n, iv_n);
    }
    OPENSSL_cleanse(block, sizeof(block));
    return done;
}
