/*
 * ticket.c - sets of session ticket keys: generate, read from a file, use.
 *
 * For every cipher, OpenSSL authenticates the encrypted ticket with HMAC-SHA256. An authenticated
 * mode (GCM) would authenticate it twice, so AES-CBC is used, as in RFC 5077 section 4.
 */
#include "net/tls/ticket.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/small_file.h"
#include "net/tls/cert/error.h"
#include "ticket_keys.h"

#define KEY_128_BYTES 48u /* name, 16 for AES, 16 for HMAC */
#define FILE_MAX      4096u
#define KEY_256_BYTES 80u /* name, 32 for AES, 32 for HMAC */

struct ticket_key {
    unsigned char name[TLS_TICKET_NAME_SIZE];
    unsigned char aes[32];
    unsigned char hmac[32];
    size_t size; /* size of aes and of hmac in bytes, 16 or 32 */
};

struct tls_ticket_keys {
    _Atomic unsigned refs;
    size_t n;
    struct ticket_key list[TLS_TICKET_KEYS_MAX]; /* the first key encrypts */
};

/* ---- creating -------------------------------------------------------------------------- */

static struct tls_ticket_keys *keys_new(void)
{
    struct tls_ticket_keys *keys = calloc(1, sizeof(*keys));
    if (keys)
        atomic_init(&keys->refs, 1);
    return keys;
}

struct tls_ticket_keys *tls_ticket_keys_generate(const struct tls_ticket_keys *previous,
                                                 size_t keep)
{
    struct tls_ticket_keys *keys = keys_new();
    if (!keys)
        return NULL;
    struct ticket_key *fresh = &keys->list[keys->n++];
    fresh->size = sizeof(fresh->aes);
    if (RAND_bytes(fresh->name, sizeof(fresh->name)) != 1 ||
        RAND_priv_bytes(fresh->aes, sizeof(fresh->aes)) != 1 ||
        RAND_priv_bytes(fresh->hmac, sizeof(fresh->hmac)) != 1) {
        tls_ticket_keys_unref(keys);
        return NULL;
    }
    size_t kept = previous ? size_min(keep, previous->n) : 0;
    for (size_t i = 0; i < kept && keys->n < TLS_TICKET_KEYS_MAX; i++)
        keys->list[keys->n++] = previous->list[i];
    return keys;
}

size_t tls_ticket_keys_count(const struct tls_ticket_keys *keys)
{
    return keys->n;
}

struct tls_ticket_keys *tls_ticket_keys_ref(struct tls_ticket_keys *keys)
{
    /* Relaxed: passing the pointer to another thread is already ordered. */
    if (keys)
        atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
    return keys;
}

void tls_ticket_keys_unref(struct tls_ticket_keys *keys)
{
    /* Acquire and release, paired with each other: the keys are wiped after all threads have read
     * them. */
    if (!keys || atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) > 1)
        return;
    OPENSSL_cleanse(keys, sizeof(*keys));
    free(keys);
}

/* ---- reading --------------------------------------------------------------------------- */

static void key_from_bytes(struct ticket_key *key, const unsigned char *bytes, size_t n)
{
    key->size = (n - sizeof(key->name)) / 2;
    memcpy(key->name, bytes, sizeof(key->name));
    memcpy(key->aes, bytes + sizeof(key->name), key->size);
    memcpy(key->hmac, bytes + sizeof(key->name) + key->size, key->size);
}

/* Parse one line without its line break. False if it is not a key. */
static bool key_from_line(struct ticket_key *key, const char *line, size_t n)
{
    unsigned char bytes[KEY_256_BYTES + 3]; /* EVP_DecodeBlock() also writes bytes for padding */
    if (n == 0 || n % 4 != 0 || n / 4 * 3 > sizeof(bytes))
        return false;
    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)line, (int)n);
    if (decoded > 0)
        decoded -= (line[n - 1] == '=') + (line[n - 2] == '=');
    bool good = decoded == (int)KEY_128_BYTES || decoded == (int)KEY_256_BYTES;
    if (good)
        key_from_bytes(key, bytes, (size_t)decoded);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return good;
}

static bool refuse_line(char error[TLS_ERROR_MAX], const char *file, unsigned line,
                        const char *rule)
{
    (void)snprintf(error, TLS_ERROR_MAX, "%s:%u: %s", file, line, rule);
    return false;
}

static bool keys_from_text(struct tls_ticket_keys *keys, const struct small_file *text,
                           const char *file, char error[TLS_ERROR_MAX])
{
    unsigned number = 1;
    if (strlen(text->text) != text->n)
        return refuse_line(error, file, 1, "must not contain a NUL byte");
    for (const char *line = text->text; *line; number++) {
        size_t n = strcspn(line, "\n");
        const char *next = line + n + (line[n] == '\n');
        while (n > 0 && strchr(" \t\r", line[n - 1]))
            n--;
        if (n > 0 && keys->n == TLS_TICKET_KEYS_MAX)
            return refuse_line(error, file, number, "more than 8 keys");
        if (n > 0 && !key_from_line(&keys->list[keys->n++], line, n))
            return refuse_line(error, file, number, "must be a base64 key of 48 or 80 bytes");
        line = next;
    }
    if (keys->n == 0)
        return refuse_line(error, file, 1, "contains no session ticket key");
    return true;
}

struct tls_ticket_keys *tls_ticket_keys_load(const char *file, char error[TLS_ERROR_MAX])
{
    struct small_file text;
    char why[SMALL_FILE_ERROR_MAX];
    if (!small_file_read(file, SMALL_FILE_REGULAR, FILE_MAX, &text, why)) {
        (void)snprintf(error, TLS_ERROR_MAX, "%s: cannot read the session ticket keys: %s", file,
                       why);
        return NULL;
    }
    struct tls_ticket_keys *keys = keys_new();
    if (!keys) {
        (void)tls_fail_memory(error);
    } else if (!keys_from_text(keys, &text, file, error)) {
        tls_ticket_keys_unref(keys);
        keys = NULL;
    }
    small_file_free(&text);
    return keys;
}

/* ---- using ----------------------------------------------------------------------------- */

static const EVP_CIPHER *cipher_of(const struct ticket_key *key, const struct tls_library *lib)
{
    return key->size == 32 ? lib->aes_256_cbc : lib->aes_128_cbc;
}

static bool set_mac(const struct ticket_key *key, EVP_MAC_CTX *mac)
{
    char digest[] = "SHA256"; /* OSSL_PARAM needs non-const memory */
    unsigned char copy[sizeof(key->hmac)];
    memcpy(copy, key->hmac, sizeof(copy));
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, copy, key->size),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    bool set = EVP_MAC_CTX_set_params(mac, parameters) == 1;
    OPENSSL_cleanse(copy, sizeof(copy));
    return set;
}

bool tls_ticket_keys_seal(const struct tls_ticket_keys *keys, const struct tls_ticket_work *work)
{
    const struct ticket_key *key = &keys->list[0];
    memcpy(work->name, key->name, sizeof(key->name));
    return RAND_bytes_ex(work->lib->ossl, work->iv, TLS_TICKET_IV_SIZE, 0) == 1 &&
           EVP_EncryptInit_ex(work->cipher, cipher_of(key, work->lib), NULL, key->aes, work->iv) ==
               1 &&
           set_mac(key, work->mac);
}

enum tls_ticket_opened tls_ticket_keys_open(const struct tls_ticket_keys *keys,
                                            const struct tls_ticket_work *work)
{
    for (size_t i = 0; i < keys->n; i++) {
        const struct ticket_key *key = &keys->list[i];
        if (memcmp(work->name, key->name, sizeof(key->name)) != 0)
            continue;
        if (EVP_DecryptInit_ex(work->cipher, cipher_of(key, work->lib), NULL, key->aes, work->iv) !=
                1 ||
            !set_mac(key, work->mac))
            return TLS_TICKET_FAULT;
        return i == 0 ? TLS_TICKET_CURRENT : TLS_TICKET_OLD;
    }
    return TLS_TICKET_UNKNOWN;
}
