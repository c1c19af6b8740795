/*
 * context.c - the TLS context of a listener, created from its certificates and rules.
 *
 * There is one SSL_CTX per entry. An entry is a certificate, or several certificates with the same
 * names and different key types, from which OpenSSL selects one that the client supports. Every
 * connection starts with the first entry, the default; the server name (SNI) can select another.
 *
 *    tls_conf -> credentials -> entries -> name index ---+
 *             -> client rules  (every entry)             +-> tls_context, reference-counted
 *             -> staples       (by leaf)  ---------------+
 *
 * The files are not watched here: a reload creates a new context.
 */
#include "net/tls/context.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "net/tls/cert/error.h"
#include "net/tls/cert/expiry.h"
#include "net/tls/cert/names.h"
#include "net/tls/cert/pem.h"
#include "net/tls/cert/staple.h"
#include "net/tls/cert/verify.h"
#include "settings.h"
#include "ticket_keys.h"

struct entry {
    SSL_CTX *ossl;
    struct tls_names names; /* only while loading */
    size_t first;           /* index of the entry's first certificate in the configuration */
    unsigned key_types;     /* bit set of enum tls_key_type */
};

struct tls_context {
    unsigned refs; /* held by the owner and each stream; one thread only */
    bool strict_sni;
    bool tickets_off;
    bool detaches;
    const struct tls_library *lib;
    struct tls_ticket_keys *keys; /* a reference; null = no tickets */
    struct tls_alpn alpn;         /* empty = the default */
    struct tls_name_index index;
    struct tls_expiry expiry;
    struct tls_client_rules rules;
    struct tls_staple *staples;
    size_t n_staples;
    size_t n;
    struct entry entries[]; /* in the order of the configuration; the first is the default */
};

/* ---- handshake callbacks --------------------------------------------------------------- */

/* By default, accept the registered name for MQTT and the name that AWS requires of its devices. If
 * no name matches, the handshake continues without ALPN. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x04mqtt\x0ex-amzn-mqtt-ca";
    const struct tls_context *ctx = arg;
    const unsigned char *list = ctx->alpn.n > 0 ? ctx->alpn.bytes : ours;
    size_t list_n = ctx->alpn.n > 0 ? ctx->alpn.n : sizeof(ours) - 1;
    unsigned char *found;
    (void)ssl;
    if (SSL_select_next_proto(&found, out_n, list, (unsigned)list_n, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

/*
 * Called with or without a server name. Unless strict_sni is set, an unknown name selects the
 * default: rejecting it would lock out devices that connect by an alias, and the client verifies
 * the name anyway.
 */
static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const struct tls_context *ctx = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    size_t entry = name ? tls_name_index_find(&ctx->index, name) : TLS_NO_ENTRY;
    if (entry == TLS_NO_ENTRY && ctx->strict_sni) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    if (!name)
        return SSL_TLSEXT_ERR_NOACK;
    if (entry != TLS_NO_ENTRY && !SSL_set_SSL_CTX(ssl, ctx->entries[entry].ossl)) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

static int staple_response(SSL *ssl, void *arg)
{
    const struct tls_context *ctx = arg;
    return tls_staple_respond(ssl, ctx->staples, ctx->n_staples);
}

/* ---- sessions -------------------------------------------------------------------------- */

static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int sealing)
{
    const struct tls_context *ctx = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const struct tls_ticket_work work = {
        .lib = ctx->lib, .cipher = cipher, .mac = mac, .name = name, .iv = iv};
    if (!ctx->keys)
        return 0;
    if (sealing)
        return tls_ticket_keys_seal(ctx->keys, &work) ? 1 : -1;
    switch (tls_ticket_keys_open(ctx->keys, &work)) {
    case TLS_TICKET_FAULT:
        return -1;
    case TLS_TICKET_UNKNOWN:
        return 0;
    case TLS_TICKET_CURRENT:
        /* RFC 8446 C.4: a TLS 1.3 client should use a ticket only once. Send it a new one. */
        return SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
    case TLS_TICKET_OLD:
        return 2;
    }
    return -1;
}

/*
 * Require a full handshake if the client's certificate has expired. Tickets are replaced on each
 * resumption, so without this check a device could resume forever.
 */
static SSL_TICKET_RETURN check_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                      size_t name_n, SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl, (void)name, (void)name_n, (void)arg;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    const X509 *x509 = SSL_SESSION_get0_peer(session);
    if (x509 && X509_cmp_current_time(X509_get0_notAfter(x509)) <= 0)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static bool set_up_sessions(SSL_CTX *ossl, struct tls_context *ctx)
{
    return SSL_CTX_set_app_data(ossl, ctx) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(ossl, ticket_key) == 1 &&
           SSL_CTX_set_session_ticket_cb(ossl, NULL, check_ticket, NULL) == 1 &&
           SSL_CTX_set_num_tickets(ossl, 1) == 1 && SSL_CTX_set_max_early_data(ossl, 0) == 1;
}

SSL *tls_context_connection(struct tls_context *ctx)
{
    SSL *ssl = SSL_new(ctx->entries[0].ossl);
    if (ssl && (ctx->tickets_off || !ctx->keys)) {
        /* With this option alone, TLS 1.3 issues tickets for the session cache, which is off. */
        SSL_set_options(ssl, SSL_OP_NO_TICKET);
        (void)SSL_set_num_tickets(ssl, 0);
    }
    return ssl;
}

void tls_context_set_ticket_keys(struct tls_context *ctx, struct tls_ticket_keys *keys)
{
    struct tls_ticket_keys *before = ctx->keys;
    ctx->keys = tls_ticket_keys_ref(keys);
    tls_ticket_keys_unref(before);
}

/* ---- loading --------------------------------------------------------------------------- */

static SSL_CTX *entry_context(struct tls_context *ctx, const struct tls_conf *conf,
                              char error[TLS_ERROR_MAX])
{
    ERR_clear_error();
    SSL_CTX *ossl = SSL_CTX_new_ex(ctx->lib->ossl, NULL, TLS_server_method());
    if (!ossl) {
        (void)tls_fail(error, conf->certificates[0].certificate_file, "no TLS context");
        return NULL;
    }
    tls_settings_common(ossl);
    SSL_CTX_set_alpn_select_cb(ossl, choose_alpn, ctx);
    SSL_CTX_set_tlsext_status_cb(ossl, staple_response);
    SSL_CTX_set_tlsext_status_arg(ossl, ctx);
    if (!tls_settings_server(ossl, conf, error))
        goto fail;
    if (!set_up_sessions(ossl, ctx) || !tls_client_rules_use(&ctx->rules, ossl)) {
        (void)tls_fail_memory(error);
        goto fail;
    }
    return ossl;
fail:
    SSL_CTX_free(ossl);
    return NULL;
}

static enum tls_key_type key_type_bit(const EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return TLS_KEY_RSA;
    case EVP_PKEY_RSA_PSS:
        return TLS_KEY_RSA_PSS;
    case EVP_PKEY_EC:
        return TLS_KEY_EC;
    case EVP_PKEY_ED25519:
        return TLS_KEY_ED25519;
    case EVP_PKEY_ED448:
        return TLS_KEY_ED448;
    default:
        return TLS_KEY_OTHER;
    }
}

/* Find the entry with the same names. Null if there is none. */
static struct entry *find_sibling(struct tls_context *ctx, const struct tls_names *names)
{
    for (size_t i = 0; i < ctx->n; i++)
        if (tls_names_equal(&ctx->entries[i].names, names))
            return &ctx->entries[i];
    return NULL;
}

/* Find or create the entry for a certificate. Takes `names`. Null on failure. */
static struct entry *entry_for(struct tls_context *ctx, const struct tls_conf *conf, size_t i,
                               struct tls_names *names, char error[TLS_ERROR_MAX])
{
    struct entry *entry = find_sibling(ctx, names);
    if (entry) {
        tls_names_fini(names);
        return entry;
    }
    entry = &ctx->entries[ctx->n];
    *entry = (struct entry){.ossl = entry_context(ctx, conf, error), .names = *names, .first = i};
    *names = (struct tls_names){0};
    if (!entry->ossl) {
        tls_names_fini(&entry->names);
        return NULL;
    }
    if (!tls_name_index_add(&ctx->index, &entry->names, ctx->n)) {
        ctx->n++;
        (void)tls_fail_memory(error);
        return NULL;
    }
    ctx->n++;
    return entry;
}

static bool add_staple(struct tls_context *ctx, const char *file, X509 *leaf,
                       char error[TLS_ERROR_MAX])
{
    if (!file)
        return true;
    struct tls_staple *staple = &ctx->staples[ctx->n_staples];
    if (!tls_staple_load(file, leaf, staple, error))
        return false;
    ctx->n_staples++;
    return tls_expiry_add_response(&ctx->expiry, leaf, staple->from, staple->until, file)
               ? true
               : tls_fail_memory(error);
}

static bool add_credential(struct tls_context *ctx, const struct tls_conf *conf, size_t i,
                           const struct tls_credential *credential, char error[TLS_ERROR_MAX])
{
    const struct certificate_conf *files = &conf->certificates[i];
    struct tls_names names;
    if (!tls_names_init(&names, credential->leaf))
        return tls_fail_memory(error);
    struct entry *entry = entry_for(ctx, conf, i, &names, error);
    if (!entry)
        return false;
    const unsigned bit = key_type_bit(credential->key);
    if (entry->key_types & bit) {
        (void)snprintf(error, TLS_ERROR_MAX,
                       "%s: has the same names and key type as an earlier certificate: %s",
                       files->certificate_file, conf->certificates[entry->first].certificate_file);
        return false;
    }
    entry->key_types |= bit;
    return tls_credential_use(credential, entry->ossl, files, &ctx->expiry, error) &&
           add_staple(ctx, files->ocsp_response_file, credential->leaf, error);
}

/* Called when all certificates are loaded: one key per entry that works with TLS 1.2 is enough. */
static bool check_ciphers(const struct tls_context *ctx, const struct tls_conf *conf,
                          char error[TLS_ERROR_MAX])
{
    for (size_t i = 0; i < ctx->n; i++) {
        const struct entry *entry = &ctx->entries[i];
        const char *file = conf->certificates[entry->first].certificate_file;
        if (!tls_settings_check_keys(entry->ossl, entry->key_types, file, error))
            return false;
    }
    return true;
}

static bool load_certificates(struct tls_context *ctx, const struct tls_conf *conf,
                              char error[TLS_ERROR_MAX])
{
    for (size_t i = 0; i < conf->n_certificates; i++) {
        struct tls_credential credential;
        if (!tls_credential_load(ctx->lib->ossl, &conf->certificates[i], &credential, error))
            return false;
        bool added = add_credential(ctx, conf, i, &credential, error);
        tls_credential_fini(&credential);
        if (!added)
            return false;
    }
    return true;
}

/* Complete the index, which replaces the lists of names. */
static void finish_names(struct tls_context *ctx)
{
    tls_name_index_finish(&ctx->index);
    for (size_t i = 0; i < ctx->n; i++)
        tls_names_fini(&ctx->entries[i].names);
}

struct tls_context *tls_context_new(struct tls_library *lib, const struct tls_conf *conf,
                                    struct tls_ticket_keys *keys, char error[TLS_ERROR_MAX])
{
    assert(conf->n_certificates > 0);
    struct tls_context *ctx = calloc(1, sizeof(*ctx) + conf->n_certificates * sizeof(struct entry));
    if (!ctx) {
        (void)tls_fail_memory(error);
        return NULL;
    }
    ctx->refs = 1;
    ctx->lib = lib;
    ctx->strict_sni = conf->strict_sni;
    ctx->tickets_off = conf->session_tickets_off;
    ctx->detaches = conf->detach;
    ctx->keys = tls_ticket_keys_ref(keys);
    ctx->staples = calloc(conf->n_certificates, sizeof(*ctx->staples));
    tls_wipe_begin();
    bool loaded = ctx->staples ? true : tls_fail_memory(error);
    loaded = loaded && tls_alpn_init(&ctx->alpn, conf->alpn, conf->n_alpn, error) &&
             tls_client_rules_load(lib->ossl, conf, &ctx->rules, &ctx->expiry, error) &&
             load_certificates(ctx, conf, error) && check_ciphers(ctx, conf, error);
    tls_wipe_end();
    ERR_clear_error();
    if (!loaded) {
        tls_context_free(ctx);
        return NULL;
    }
    finish_names(ctx);
    SSL_CTX_set_tlsext_servername_callback(ctx->entries[0].ossl, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx->entries[0].ossl, ctx);
    return ctx;
}

/* ---- references ------------------------------------------------------------------------ */

bool tls_context_detaches(const struct tls_context *ctx)
{
    return ctx->detaches;
}

const struct tls_library *tls_context_library(const struct tls_context *ctx)
{
    return ctx->lib;
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
    ctx->refs++;
    return ctx;
}

void tls_context_free(struct tls_context *ctx)
{
    if (!ctx || --ctx->refs > 0)
        return;
    tls_wipe_begin();
    for (size_t i = 0; i < ctx->n; i++) {
        SSL_CTX_free(ctx->entries[i].ossl);
        tls_names_fini(&ctx->entries[i].names);
    }
    tls_wipe_end();
    for (size_t i = 0; i < ctx->n_staples; i++)
        tls_staple_fini(&ctx->staples[i]);
    free(ctx->staples);
    tls_client_rules_fini(&ctx->rules);
    tls_expiry_fini(&ctx->expiry);
    tls_name_index_fini(&ctx->index);
    tls_alpn_fini(&ctx->alpn);
    tls_ticket_keys_unref(ctx->keys);
    free(ctx);
}

void tls_context_files(const struct tls_conf *conf, void (*each)(void *arg, const char *file),
                       void *arg)
{
    for (size_t i = 0; i < conf->n_certificates; i++) {
        const struct certificate_conf *files = &conf->certificates[i];
        each(arg, files->certificate_file);
        each(arg, files->private_key_file);
        if (files->private_key_passphrase_file)
            each(arg, files->private_key_passphrase_file);
        if (files->ocsp_response_file)
            each(arg, files->ocsp_response_file);
    }
    if (conf->client_auth != CLIENT_AUTH_NONE && conf->client_ca_file)
        each(arg, conf->client_ca_file);
    for (size_t i = 0; conf->client_auth != CLIENT_AUTH_NONE && i < conf->n_client_crl_files; i++)
        each(arg, conf->client_crl_files[i]);
    if (conf->session_ticket_key_file)
        each(arg, conf->session_ticket_key_file);
}

void tls_context_validity(const struct tls_context *ctx, tls_validity_each *each, void *arg)
{
    tls_expiry_walk(&ctx->expiry, each, arg);
}
