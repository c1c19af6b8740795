/*
 * client.c - the TLS context of a cluster: authorities, our certificate, ALPN.
 */
#include "net/tls/client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"
#include "net/tls/cert/error.h"
#include "net/tls/cert/expiry.h"
#include "net/tls/cert/pem.h"
#include "net/tls/cert/verify.h"
#include "settings.h"

struct tls_client_context {
    unsigned refs; /* held by the owner and each stream; one thread only */
    const struct tls_library *lib;
    SSL_CTX *ossl;
    bool verify;
    bool detaches;
    struct tls_expiry expiry;
};

static bool load_authorities(struct tls_client_context *ctx, OSSL_LIB_CTX *lib, const char *file,
                             char error[TLS_ERROR_MAX])
{
    if (!file)
        return SSL_CTX_set_default_verify_paths(ctx->ossl) == 1
                   ? true
                   : tls_fail(error, "system certificate store", "cannot be loaded");
    X509_STORE *store = SSL_CTX_get_cert_store(ctx->ossl);
    /* As for client certificates: each certificate of the file is trusted, self-signed or not. */
    return X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1
               ? tls_store_add_authorities(store, lib, file, &ctx->expiry, error)
               : tls_fail_memory(error);
}

static bool load_own(struct tls_client_context *ctx, OSSL_LIB_CTX *lib,
                     const struct upstream_tls_conf *conf, char error[TLS_ERROR_MAX])
{
    if (!conf->certificate_file != !conf->private_key_file) {
        (void)snprintf(error, TLS_ERROR_MAX,
                       "%s: certificate_file and private_key_file must be set together",
                       conf->certificate_file ? conf->certificate_file : conf->private_key_file);
        return false;
    }
    if (!conf->certificate_file)
        return true;
    const struct certificate_conf files = {.certificate_file = conf->certificate_file,
                                           .private_key_file = conf->private_key_file,
                                           .private_key_passphrase_file =
                                               conf->private_key_passphrase_file};
    struct tls_credential credential;
    if (!tls_credential_load(lib, &files, &credential, error))
        return false;
    bool used = tls_credential_use(&credential, ctx->ossl, &files, &ctx->expiry, error);
    tls_credential_fini(&credential);
    return used;
}

static bool load_alpn(struct tls_client_context *ctx, const struct upstream_tls_conf *conf,
                      char error[TLS_ERROR_MAX])
{
    struct tls_alpn alpn;
    if (!tls_alpn_init(&alpn, conf->alpn, conf->n_alpn, error))
        return false;
    /* Returns 0 on success. */
    bool taken =
        alpn.n == 0 || SSL_CTX_set_alpn_protos(ctx->ossl, alpn.bytes, (unsigned)alpn.n) == 0;
    tls_alpn_fini(&alpn);
    return taken ? true : tls_fail_memory(error);
}

struct tls_client_context *tls_client_context_new(struct tls_library *lib,
                                                  const struct upstream_tls_conf *conf,
                                                  char error[TLS_ERROR_MAX])
{
    ERR_clear_error();
    struct tls_client_context *ctx = calloc(1, sizeof(*ctx));
    if (ctx)
        ctx->ossl = SSL_CTX_new_ex(lib->ossl, NULL, TLS_client_method());
    if (!ctx || !ctx->ossl) {
        free(ctx);
        (void)tls_fail_memory(error);
        return NULL;
    }
    ctx->refs = 1;
    ctx->lib = lib;
    ctx->verify = conf->verify;
    ctx->detaches = conf->detach;
    tls_settings_common(ctx->ossl);
    SSL_CTX_set_verify(ctx->ossl, conf->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    tls_wipe_begin();
    bool loaded = tls_settings_client(ctx->ossl, conf->min_version, error) &&
                  load_alpn(ctx, conf, error) && load_own(ctx, lib->ossl, conf, error) &&
                  (!conf->verify || load_authorities(ctx, lib->ossl, conf->ca_file, error));
    tls_wipe_end();
    ERR_clear_error();
    if (!loaded) {
        tls_client_context_free(ctx);
        return NULL;
    }
    return ctx;
}

struct tls_client_context *tls_client_context_ref(struct tls_client_context *ctx)
{
    ctx->refs++;
    return ctx;
}

void tls_client_context_free(struct tls_client_context *ctx)
{
    if (!ctx || --ctx->refs > 0)
        return;
    tls_wipe_begin();
    SSL_CTX_free(ctx->ossl);
    tls_wipe_end();
    tls_expiry_fini(&ctx->expiry);
    free(ctx);
}

SSL *tls_client_context_connection(struct tls_client_context *ctx)
{
    SSL *ssl = SSL_new(ctx->ossl);
    if (ssl)
        SSL_set_connect_state(ssl);
    return ssl;
}

const struct tls_library *tls_client_context_library(const struct tls_client_context *ctx)
{
    return ctx->lib;
}

bool tls_client_context_detaches(const struct tls_client_context *ctx)
{
    return ctx->detaches;
}

bool tls_client_context_verifies(const struct tls_client_context *ctx)
{
    return ctx->verify;
}

/* The file that SSL_CTX_set_default_verify_paths() loads. The certificate directory need not be
 * watched, because OpenSSL reads it during each handshake. */
static const char *system_authorities(void)
{
    const char *file = secure_getenv(X509_get_default_cert_file_env());
    return file ? file : X509_get_default_cert_file();
}

void tls_client_context_files(const struct upstream_tls_conf *conf,
                              void (*each)(void *arg, const char *file), void *arg)
{
    const char *authorities = conf->ca_file ? conf->ca_file : system_authorities();
    const char *const files[] = {conf->verify ? authorities : NULL, conf->certificate_file,
                                 conf->private_key_file, conf->private_key_passphrase_file};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (files[i])
            each(arg, files[i]);
}

void tls_client_context_validity(const struct tls_client_context *ctx, tls_validity_each *each,
                                 void *arg)
{
    tls_expiry_walk(&ctx->expiry, each, arg);
}
