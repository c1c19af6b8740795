/*
 * settings.c - set the versions, ciphers, groups and ALPN names of a context.
 *
 * OpenSSL ignores unknown names in a list if at least one name is known. A typo must not silently
 * weaken a listener, so every name is first tested separately.
 */
#include "settings.h"
#include "net/tls/cert/error.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AES-128 first: 217 us per handshake, compared with 300 us for AES-256 and its SHA-384. */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"

/*
 * Only suites with forward secrecy and authenticated encryption. CCM_8 is last, for constrained
 * devices that support no other suite (RFC 7925 section 4.2 makes it mandatory for them).
 */
#define SUITES_12                                                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-CCM8"

#define GROUPS "X25519:P-256:P-384"

/* The key of a node's TLS 1.2 certificate must be on a curve that we offer. */
#define GROUPS_CLIENT GROUPS ":P-521"

void tls_settings_common(SSL_CTX *ossl)
{
    /* IGNORE_UNEXPECTED_EOF: many devices disconnect without close_notify. This is not an attack:
     * MQTT packets contain their length, so truncation is detected. */
    SSL_CTX_set_options(ossl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                  SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* AUTO_RETRY: without it, SSL_read() would return WANT_READ after a ticket or KeyUpdate record
     * although the SSL has buffered application data, for which there is no socket event. */
    SSL_CTX_set_mode(ossl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(ossl, 1);
    /* With tickets, a session cache would only cost memory and a lock. */
    SSL_CTX_set_session_cache_mode(ossl, SSL_SESS_CACHE_OFF);
}

static bool setting_error(char error[TLS_ERROR_MAX], const char *setting, const char *word,
                          size_t n)
{
    (void)snprintf(error, TLS_ERROR_MAX, "%s: unknown or unsupported: \"%.*s\"", setting,
                   (int)size_min(n, 100), word);
    ERR_clear_error();
    return false;
}

/* Does OpenSSL accept a list that consists of this name? */
typedef bool setting_test(SSL_CTX *ossl, const char *word);

static bool try_cipher(SSL_CTX *ossl, const char *word)
{
    /* "!X", "-X", "+X" and "@X" only modify a list. */
    return strchr("!-+@", word[0]) || SSL_CTX_set_cipher_list(ossl, word) == 1;
}

static bool try_suite(SSL_CTX *ossl, const char *word)
{
    if (SSL_CTX_set_ciphersuites(ossl, word) != 1)
        return false;
    /* OpenSSL accepts an unknown suite as an empty list, without an error. */
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ossl);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(all, i);
        if (strcmp(SSL_CIPHER_get_name(cipher), word) == 0)
            return strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.3") == 0;
    }
    return false;
}

static bool try_group(SSL_CTX *ossl, const char *word)
{
    return SSL_CTX_set1_groups_list(ossl, word) == 1;
}

/* Test each name of a list separately. Null = not configured. */
static bool check_items(SSL_CTX *ossl, const char *setting, const char *list, setting_test *try,
                        char error[TLS_ERROR_MAX])
{
    char word[100];
    while (list && *list) {
        size_t n = strcspn(list, ":, ");
        if (n >= sizeof(word))
            return setting_error(error, setting, list, n);
        memcpy(word, list, n);
        word[n] = '\0';
        if (n > 0 && !try(ossl, word))
            return setting_error(error, setting, list, n);
        list += n + (list[n] != '\0');
    }
    return true;
}

static bool set_version(SSL_CTX *ossl, unsigned min_version, char error[TLS_ERROR_MAX])
{
    /* To OpenSSL, 0 means the oldest version that it supports. */
    int version = min_version ? (int)min_version : TLS1_2_VERSION;
    if (version >= TLS1_2_VERSION && SSL_CTX_set_min_proto_version(ossl, version) == 1)
        return true;
    (void)snprintf(error, TLS_ERROR_MAX, "min_version: must be TLS 1.2 or 1.3");
    return false;
}

/* Set the three lists, whose names have been tested. */
static bool set_lists(SSL_CTX *ossl, const char *suites, const char *ciphers, const char *groups,
                      char error[TLS_ERROR_MAX])
{
    if (SSL_CTX_set_ciphersuites(ossl, suites) != 1)
        return setting_error(error, "ciphersuites", suites, strlen(suites));
    if (SSL_CTX_set_cipher_list(ossl, ciphers) != 1)
        return setting_error(error, "ciphers", ciphers, strlen(ciphers));
    if (SSL_CTX_set1_groups_list(ossl, groups) != 1)
        return setting_error(error, "groups", groups, strlen(groups));
    return true;
}

static bool can_use(const SSL_CIPHER *cipher, unsigned key_types)
{
    const int exchange = SSL_CIPHER_get_kx_nid(cipher);
    if (strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.3") == 0)
        return false; /* configured by `ciphersuites` */
    if (key_types & TLS_KEY_OTHER)
        return true;
    switch (SSL_CIPHER_get_auth_nid(cipher)) {
    case NID_auth_rsa:
        return key_types & (exchange == NID_kx_rsa ? TLS_KEY_RSA : TLS_KEY_RSA | TLS_KEY_RSA_PSS);
    case NID_auth_ecdsa:
        return key_types & (TLS_KEY_EC | TLS_KEY_ED25519 | TLS_KEY_ED448);
    case NID_auth_null:
        return true;
    default:
        return false; /* DSA or PSK: not supported here */
    }
}

static const char *key_type_name(unsigned key_types)
{
    return key_types & (TLS_KEY_RSA | TLS_KEY_RSA_PSS) ? "RSA" : "ECDSA or EdDSA";
}

bool tls_settings_check_keys(SSL_CTX *ossl, unsigned key_types, const char *file,
                             char error[TLS_ERROR_MAX])
{
    if (SSL_CTX_get_min_proto_version(ossl) >= TLS1_3_VERSION)
        return true;
    SSL *ssl = SSL_new(ossl);
    /* This list excludes suites that the security level forbids. */
    STACK_OF(SSL_CIPHER) *all = ssl ? SSL_get1_supported_ciphers(ssl) : NULL;
    bool found = false;
    for (int i = 0; i < sk_SSL_CIPHER_num(all) && !found; i++)
        found = can_use(sk_SSL_CIPHER_value(all, i), key_types);
    if (!ssl)
        return tls_fail_memory(error);
    if (!found)
        (void)snprintf(error, TLS_ERROR_MAX,
                       "ciphers: none of these cipher suites works with the %s key of %s, so no "
                       "device could use TLS 1.2",
                       key_type_name(key_types), file);
    sk_SSL_CIPHER_free(all);
    SSL_free(ssl);
    ERR_clear_error();
    return found;
}

bool tls_settings_server(SSL_CTX *ossl, const struct tls_conf *conf, char error[TLS_ERROR_MAX])
{
    /* For DHE suites in `ciphers`: use parameters as strong as the certificate. */
    SSL_CTX_set_dh_auto(ossl, 1);
    return set_version(ossl, conf->min_version, error) &&
           check_items(ossl, "ciphersuites", conf->ciphersuites, try_suite, error) &&
           check_items(ossl, "ciphers", conf->ciphers, try_cipher, error) &&
           check_items(ossl, "groups", conf->groups, try_group, error) &&
           set_lists(ossl, conf->ciphersuites ? conf->ciphersuites : SUITES_13,
                     conf->ciphers ? conf->ciphers : SUITES_12,
                     conf->groups ? conf->groups : GROUPS, error);
}

bool tls_settings_client(SSL_CTX *ossl, unsigned min_version, char error[TLS_ERROR_MAX])
{
    return set_version(ossl, min_version, error) &&
           set_lists(ossl, SUITES_13, SUITES_12, GROUPS_CLIENT, error);
}

bool tls_alpn_init(struct tls_alpn *alpn, char *const *names, size_t n, char error[TLS_ERROR_MAX])
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(names[i]);
        if (length == 0 || length > 255) {
            (void)snprintf(error, TLS_ERROR_MAX, "alpn: names must be 1 to 255 bytes long");
            return false;
        }
        total += 1 + length;
    }
    *alpn = (struct tls_alpn){0};
    if (total == 0)
        return true;
    alpn->bytes = malloc(total);
    if (!alpn->bytes)
        return tls_fail_memory(error);
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(names[i]);
        alpn->bytes[at] = (unsigned char)length;
        memcpy(alpn->bytes + at + 1, names[i], length);
        at += 1 + length;
    }
    alpn->n = total;
    return true;
}

void tls_alpn_fini(struct tls_alpn *alpn)
{
    free(alpn->bytes);
    *alpn = (struct tls_alpn){0};
}
