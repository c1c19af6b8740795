/*
 * tls_context.c - certificates, keys and settings, made into contexts that can serve.
 *
 * One SSL_CTX a certificate: the first serves everybody whose server name (SNI) no other
 * certificate names. All of them share the ticket key, so that a ticket resumes on every
 * worker. Nothing here ever asks a terminal for a passphrase.
 *
 * Not here: watching the files for change (a reload makes a new context), verification of
 * client certificates.
 */
#include "net/tls_context.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_internal.h"

/* AES-128 first: 217 us a handshake against 300 us with AES-256 and its SHA-384. */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"

/*
 * Forward secrecy and authenticated encryption only. CCM_8 stands last, for constrained
 * devices that can do nothing else (RFC 7925 section 4.2 makes it their mandatory suite).
 */
#define SUITES_12                                                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-CCM8"

#define GROUPS "X25519:P-256:P-384"

struct tls_library {
    OSSL_LIB_CTX *ossl;
};

struct tls_context {
    size_t n;
    SSL_CTX *entries[]; /* in the configuration's order; the first is the default */
};

bool tls_ticket_key_generate(struct tls_ticket_key *key)
{
    return RAND_priv_bytes(key->bytes, (int)sizeof(key->bytes)) == 1;
}

struct tls_library *tls_library_new(void)
{
    struct tls_library *lib = malloc(sizeof(*lib));
    if (!lib)
        return NULL;
    lib->ossl = OSSL_LIB_CTX_new();
    if (!lib->ossl) {
        free(lib);
        return NULL;
    }
    return lib;
}

void tls_library_free(struct tls_library *lib)
{
    if (!lib)
        return;
    OSSL_LIB_CTX_free(lib->ossl);
    free(lib);
}

SSL_CTX *tls_context_default(const struct tls_context *ctx)
{
    return ctx->entries[0];
}

const char *tls_reason(unsigned long code)
{
    /* OpenSSL has no words of its own for what the system refused. */
    const char *words = ERR_SYSTEM_ERROR(code) ? strerrordesc_np(ERR_GET_REASON(code))
                                               : ERR_reason_error_string(code);
    return words ? words : "unknown error";
}

/* "file: rule: the first thing OpenSSL complained about"; later entries only repeat it. */
static bool refuse(char error[TLS_ERROR_MAX], const char *file, const char *rule)
{
    snprintf(error, TLS_ERROR_MAX, "%s: %s: %s", file, rule, tls_reason(ERR_peek_error()));
    return false;
}

/*
 * The passphrase callback: notes that it was asked, and has no answer. Without one, OpenSSL
 * would prompt on the terminal and wait.
 */
static int no_passphrase(char *buffer, int size, int writing, void *asked)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static bool load_certificate(SSL_CTX *ossl, const char *file, char error[TLS_ERROR_MAX])
{
    bool asked = false;
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ossl, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ossl, &asked);
    bool ok = SSL_CTX_use_certificate_chain_file(ossl, file) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(ossl, NULL);
    if (ok)
        return true;
    unsigned long code = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(code))
        return refuse(error, file, "cannot read the certificate");
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
        return refuse(error, file, "no certificate in it");
    return refuse(error, file, "the certificate cannot be used");
}

/* Null when there is no usable key; *error says why. */
static EVP_PKEY *read_key(OSSL_LIB_CTX *lib, const char *file, char error[TLS_ERROR_MAX])
{
    bool asked = false;
    ERR_clear_error();
    BIO *bio = BIO_new_file(file, "r");
    if (!bio) {
        refuse(error, file, "cannot read the private key");
        return NULL;
    }
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(bio, NULL, no_passphrase, &asked, lib, NULL);
    BIO_free(bio);
    if (!key && asked)
        snprintf(error, TLS_ERROR_MAX,
                 "%s: the private key is encrypted: want one without a passphrase", file);
    else if (!key) /* OpenSSL's own reason for anything that is no key is "unsupported" */
        snprintf(error, TLS_ERROR_MAX, "%s: no private key in it", file);
    return key;
}

static bool load_key(OSSL_LIB_CTX *lib, SSL_CTX *ossl, const struct certificate_conf *conf,
                     char error[TLS_ERROR_MAX])
{
    EVP_PKEY *key = read_key(lib, conf->private_key_file, error);
    if (!key)
        return false;
    /* Checked by hand: OpenSSL's own check calls a key of another type "no certificate assigned".
     */
    bool ok = X509_check_private_key(SSL_CTX_get0_certificate(ossl), key) == 1;
    if (!ok) {
        snprintf(error, TLS_ERROR_MAX, "%s: not the key of the certificate in %s: %s",
                 conf->private_key_file, conf->certificate_file, tls_reason(ERR_peek_error()));
    } else if (SSL_CTX_use_PrivateKey(ossl, key) != 1) {
        ok = refuse(error, conf->private_key_file, "the private key cannot be used");
    }
    EVP_PKEY_free(key);
    return ok;
}

/* MQTT's own protocol name, and the one AWS taught devices to send; others are not answered. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x04mqtt\x0ex-amzn-mqtt-ca";
    unsigned char *found;
    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&found, out_n, ours, sizeof(ours) - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

/*
 * A server name that no certificate has is answered like one that the default has: refusing
 * it would lock out devices that dial by an alias, and only the client can judge.
 */
static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const struct tls_context *ctx = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name)
        return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; ctx->n > 1 && i < ctx->n; i++) {
        if (X509_check_host(SSL_CTX_get0_certificate(ctx->entries[i]), name, 0, 0, NULL) != 1)
            continue;
        if (SSL_set_SSL_CTX(ssl, ctx->entries[i]))
            break;
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

static bool set_up_sessions(SSL_CTX *ossl, const struct tls_ticket_key *key)
{
    static const unsigned char id[] = "mqtt-router";
    unsigned char bytes[sizeof(key->bytes)];
    memcpy(bytes, key->bytes, sizeof(bytes)); /* the macro's parameter is not const */
    /* Tickets hold everything, so a cache would only be memory and a lock. */
    SSL_CTX_set_session_cache_mode(ossl, SSL_SESS_CACHE_OFF);
    assert(SSL_CTX_get_tlsext_ticket_keys(ossl, NULL, 0) == (long)sizeof(bytes));
    bool ok = SSL_CTX_set_tlsext_ticket_keys(ossl, bytes, sizeof(bytes)) == 1 &&
              SSL_CTX_set_num_tickets(ossl, 1) == 1 && SSL_CTX_set_max_early_data(ossl, 0) == 1 &&
              SSL_CTX_set_session_id_context(ossl, id, sizeof(id) - 1) == 1;
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return ok;
}

static bool set_up(SSL_CTX *ossl, const struct tls_conf *conf, const struct tls_ticket_key *key)
{
    /* A device that vanishes without close_notify is an everyday event, not an attack: MQTT
     * packets carry their own length, so nobody takes a cut for an end. */
    SSL_CTX_set_options(ossl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                  SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* AUTO_RETRY stays on: without it a ticket or KeyUpdate record would answer WANT_READ while
     * application data waits inside the SSL, where no socket event announces it. */
    SSL_CTX_set_mode(ossl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(ossl, 1);
    SSL_CTX_set_alpn_select_cb(ossl, choose_alpn, NULL);
    return SSL_CTX_set_min_proto_version(ossl, (int)conf->min_version) == 1 &&
           SSL_CTX_set_ciphersuites(ossl, SUITES_13) == 1 &&
           SSL_CTX_set_cipher_list(ossl, SUITES_12) == 1 &&
           SSL_CTX_set1_groups_list(ossl, GROUPS) == 1 && set_up_sessions(ossl, key);
}

static SSL_CTX *entry_new(OSSL_LIB_CTX *lib, const struct tls_conf *conf, size_t i,
                          const struct tls_ticket_key *key, char error[TLS_ERROR_MAX])
{
    const struct certificate_conf *certificate = &conf->certificates[i];
    ERR_clear_error();
    SSL_CTX *ossl = SSL_CTX_new_ex(lib, NULL, TLS_server_method());
    if (!ossl || !set_up(ossl, conf, key)) {
        refuse(error, certificate->certificate_file, "no TLS context");
        goto fail;
    }
    if (!load_certificate(ossl, certificate->certificate_file, error) ||
        !load_key(lib, ossl, certificate, error))
        goto fail;
    return ossl;
fail:
    SSL_CTX_free(ossl);
    return NULL;
}

struct tls_context *tls_context_new(struct tls_library *lib, const struct tls_conf *conf,
                                    const struct tls_ticket_key *key, char error[TLS_ERROR_MAX])
{
    assert(conf->n_certificates > 0);
    struct tls_context *ctx = calloc(1, sizeof(*ctx) + conf->n_certificates * sizeof(SSL_CTX *));
    if (!ctx) {
        snprintf(error, TLS_ERROR_MAX, "out of memory");
        return NULL;
    }
    for (; ctx->n < conf->n_certificates; ctx->n++) {
        ctx->entries[ctx->n] = entry_new(lib->ossl, conf, ctx->n, key, error);
        if (!ctx->entries[ctx->n]) {
            ERR_clear_error();
            tls_context_free(ctx);
            return NULL;
        }
    }
    SSL_CTX_set_tlsext_servername_callback(ctx->entries[0], choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx->entries[0], ctx);
    return ctx;
}

void tls_context_free(struct tls_context *ctx)
{
    if (!ctx)
        return;
    for (size_t i = 0; i < ctx->n; i++)
        SSL_CTX_free(ctx->entries[i]);
    free(ctx);
}
