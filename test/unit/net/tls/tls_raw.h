/*
 * tls_raw.h - encrypt any bytes as a TLS record, for tests: the content type, the padding and the
 * length may break every rule. Shares no code with records.c.
 */
#ifndef UNIT_NET_TLS_TLS_RAW_H
#define UNIT_NET_TLS_TLS_RAW_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "net/tls/ciphers.h"
#include "unit.h"

#define RAW_MAX 40000u

/* One direction of a connection. */
struct raw {
    bool is_tls13;
    uint8_t suite; /* enum tls_suite */
    uint8_t key[32], iv[12];
    uint64_t sequence;
};

static inline void raw_init(struct raw *raw, bool is_tls13, enum tls_suite suite,
                            const struct tls_traffic *t)
{
    *raw = (struct raw){.is_tls13 = is_tls13, .suite = (uint8_t)suite, .sequence = t->sequence};
    memcpy(raw->key, t->key, sizeof(raw->key));
    memcpy(raw->iv, t->iv, sizeof(raw->iv));
}

static inline const EVP_CIPHER *raw_cipher(const struct raw *raw)
{
    return raw->suite == TLS_SUITE_AES_128_GCM   ? EVP_aes_128_gcm()
           : raw->suite == TLS_SUITE_AES_256_GCM ? EVP_aes_256_gcm()
                                                 : EVP_chacha20_poly1305();
}

/*
 * Encrypt a record with this type in its header.
 *
 *   inner   all encrypted bytes; in TLS 1.3 they include the content type and the padding
 *   out     RAW_MAX bytes
 *
 * Returns the record's length.
 */
static inline size_t raw_seal_inner(struct raw *raw, uint8_t outer, const uint8_t *inner, size_t n,
                                    uint8_t *out)
{
    const bool is_explicit = !raw->is_tls13 && raw->suite != TLS_SUITE_CHACHA20_POLY1305;
    const size_t start = is_explicit ? 13 : 5, body = start - 5 + n + 16;
    uint8_t nonce[12], aad[13], number[8];
    size_t aad_n = 0;
    int moved;
    for (int i = 0; i < 8; i++)
        number[i] = (uint8_t)(raw->sequence >> (8 * (7 - i)));
    memcpy(out, (uint8_t[]){outer, 3, 3, (uint8_t)(body >> 8), (uint8_t)body}, 5);
    memcpy(nonce, raw->iv, 12);
    if (is_explicit) {
        memcpy(out + 5, number, 8);
        memcpy(nonce + 4, number, 8);
    } else {
        for (int i = 0; i < 8; i++)
            nonce[4 + i] ^= number[i];
    }
    if (!raw->is_tls13) {
        memcpy(aad, number, 8);
        aad_n = 8;
    }
    memcpy(aad + aad_n, out, 5);
    aad_n += 5;
    if (!raw->is_tls13) {
        aad[11] = (uint8_t)(n >> 8);
        aad[12] = (uint8_t)n;
    }
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(context, raw_cipher(raw), NULL, raw->key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(context, NULL, &moved, aad, (int)aad_n), 1);
    if (n > 0)
        assert_int_equal(EVP_EncryptUpdate(context, out + start, &moved, inner, (int)n), 1);
    assert_int_equal(EVP_EncryptFinal_ex(context, out + start + n, &moved), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out + start + n), 1);
    EVP_CIPHER_CTX_free(context);
    raw->sequence++;
    return 5 + body;
}

/* Encrypt content of this type; `padding` zeros follow it in TLS 1.3. Returns the length. */
static inline size_t raw_seal(struct raw *raw, uint8_t content, const void *p, size_t n,
                              size_t padding, uint8_t *out)
{
    static uint8_t inner[RAW_MAX];
    assert_true(n + padding + 100 < sizeof(inner));
    memset(inner, 0, sizeof(inner));
    if (n > 0)
        memcpy(inner, p, n);
    if (!raw->is_tls13)
        return raw_seal_inner(raw, content, inner, n, out);
    inner[n] = content;
    return raw_seal_inner(raw, 23, inner, n + 1 + padding, out);
}

#endif
