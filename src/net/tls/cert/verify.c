/*
 * verify.c - the rules for verifying client certificates.
 *
 * Every certificate of the CA file is trusted, self-signed or not: often the file contains only the
 * issuing authority.
 *
 * The session id context is a digest of all rules, including the content of authorities and
 * revocation lists. Tickets contain it, so a ticket that was issued under other rules (by a
 * listener that does not verify clients, or before a revocation) causes a full handshake. Routers
 * whose files have the same content compute the same digest.
 */
#include "verify.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "pem.h"

#define DEPTH_DEFAULT 8

/* ---- the digest of the rules ----------------------------------------------------------- */

#define DIGEST_SIZE 32

static bool digest_object(const EVP_MD *sha256, const X509_OBJECT *object, unsigned char *out)
{
    unsigned char *der = NULL;
    X509 *x509 = X509_OBJECT_get0_X509(object);
    X509_CRL *crl = X509_OBJECT_get0_X509_CRL((X509_OBJECT *)object);
    int n = x509 ? i2d_X509(x509, &der) : i2d_X509_CRL(crl, &der);
    bool done = n > 0 && EVP_Digest(der, (size_t)n, out, NULL, sha256, NULL) == 1;
    OPENSSL_free(der);
    return done;
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, DIGEST_SIZE);
}

/* Digest each object and sort the digests, so that the order of the files has no effect. */
static bool digest_objects(EVP_MD_CTX *digest, const EVP_MD *sha256, X509_STORE *store)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    size_t n = (size_t)sk_X509_OBJECT_num(objects);
    unsigned char *all = malloc(n * DIGEST_SIZE + 1);
    bool done = all;
    for (size_t i = 0; done && i < n; i++)
        done = digest_object(sha256, sk_X509_OBJECT_value(objects, (int)i), all + i * DIGEST_SIZE);
    if (done) {
        qsort(all, n, DIGEST_SIZE, compare_digests);
        done = EVP_DigestUpdate(digest, all, n * DIGEST_SIZE) == 1;
    }
    free(all);
    return done;
}

static bool digest_rules(OSSL_LIB_CTX *lib, const struct tls_conf *conf,
                         struct tls_client_rules *rules)
{
    const uint32_t settings[] = {conf->client_auth, conf->client_crl_check, (uint32_t)rules->depth,
                                 conf->n_client_crl_files > 0};
    EVP_MD *sha256 = EVP_MD_fetch(lib, "SHA256", NULL);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done = sha256 && digest && EVP_DigestInit_ex(digest, sha256, NULL) == 1 &&
                EVP_DigestUpdate(digest, "mqtt-router", 11) == 1;
    if (rules->store)
        done = done && EVP_DigestUpdate(digest, settings, sizeof(settings)) == 1 &&
               digest_objects(digest, sha256, rules->store);
    done = done && EVP_DigestFinal_ex(digest, rules->session_id_context, NULL) == 1;
    EVP_MD_CTX_free(digest);
    EVP_MD_free(sha256);
    return done;
}

/* ---- loading --------------------------------------------------------------------------- */

static bool add_all(X509_STORE *store, const STACK_OF(X509) * all)
{
    for (int i = 0; i < sk_X509_num(all); i++)
        if (X509_STORE_add_cert(store, sk_X509_value(all, i)) != 1)
            return false;
    return true;
}

bool tls_store_add_authorities(X509_STORE *store, OSSL_LIB_CTX *lib, const char *file,
                               struct tls_expiry *expiry, char error[TLS_ERROR_MAX])
{
    STACK_OF(X509) *all = tls_file_certificates(lib, file, error);
    if (!all)
        return false;
    bool added = true;
    if (!add_all(store, all))
        added = tls_fail(error, file, "cannot use the certificate authorities");
    else if (!tls_expiry_add_all(expiry, TLS_VALIDITY_AUTHORITY, all, file))
        added = tls_fail_memory(error);
    sk_X509_pop_free(all, X509_free);
    return added;
}

static bool add_crls(X509_STORE *store, OSSL_LIB_CTX *lib, const char *file,
                     struct tls_expiry *expiry, char error[TLS_ERROR_MAX])
{
    STACK_OF(X509_CRL) *all = tls_file_crls(lib, file, error);
    if (!all)
        return false;
    bool added = true;
    for (int i = 0; added && i < sk_X509_CRL_num(all); i++) {
        X509_CRL *crl = sk_X509_CRL_value(all, i);
        if (X509_STORE_add_crl(store, crl) != 1)
            added = tls_fail(error, file, "cannot use the revocation list");
        else if (!tls_expiry_add_crl(expiry, crl, file))
            added = tls_fail_memory(error);
    }
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    return added;
}

/* The names of the authorities, from which a client with several certificates selects one. */
static STACK_OF(X509_NAME) * names_of(X509_STORE *store)
{
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    for (int i = 0; names && i < sk_X509_OBJECT_num(objects); i++) {
        const X509 *x509 = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        X509_NAME *name = x509 ? X509_NAME_dup(X509_get_subject_name(x509)) : NULL;
        if (x509 && (!name || sk_X509_NAME_push(names, name) <= 0)) {
            X509_NAME_free(name);
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            names = NULL;
        }
    }
    return names;
}

static unsigned long flags_of(const struct tls_conf *conf)
{
    unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
    if (conf->n_client_crl_files > 0)
        flags |= X509_V_FLAG_CRL_CHECK;
    if (conf->n_client_crl_files > 0 && conf->client_crl_check == CRL_CHECK_CHAIN)
        flags |= X509_V_FLAG_CRL_CHECK_ALL;
    return flags;
}

static bool load_store(OSSL_LIB_CTX *lib, const struct tls_conf *conf,
                       struct tls_client_rules *rules, struct tls_expiry *expiry,
                       char error[TLS_ERROR_MAX])
{
    rules->store = X509_STORE_new();
    if (!rules->store || X509_STORE_set_flags(rules->store, flags_of(conf)) != 1)
        return tls_fail_memory(error);
    if (!tls_store_add_authorities(rules->store, lib, conf->client_ca_file, expiry, error))
        return false;
    for (size_t i = 0; i < conf->n_client_crl_files; i++)
        if (!add_crls(rules->store, lib, conf->client_crl_files[i], expiry, error))
            return false;
    rules->names = names_of(rules->store);
    return rules->names ? true : tls_fail_memory(error);
}

bool tls_client_rules_load(OSSL_LIB_CTX *lib, const struct tls_conf *conf,
                           struct tls_client_rules *out, struct tls_expiry *expiry,
                           char error[TLS_ERROR_MAX])
{
    struct tls_client_rules rules = {0};
    bool loaded = true;
    if (conf->client_auth != CLIENT_AUTH_NONE && !conf->client_ca_file) {
        (void)snprintf(error, TLS_ERROR_MAX, "client_auth requires client_ca_file");
        loaded = false;
    } else if (conf->client_auth != CLIENT_AUTH_NONE) {
        rules.mode = SSL_VERIFY_PEER;
        if (conf->client_auth == CLIENT_AUTH_REQUIRE)
            rules.mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        rules.depth = conf->client_verify_depth > 0 ? (int)size_min(conf->client_verify_depth, 100)
                                                    : DEPTH_DEFAULT;
        loaded = load_store(lib, conf, &rules, expiry, error);
    }
    if (loaded && !digest_rules(lib, conf, &rules))
        loaded = tls_fail_memory(error);
    if (!loaded)
        tls_client_rules_fini(&rules);
    *out = rules;
    return loaded;
}

/*
 * In TLS 1.2, OpenSSL checks the curve of a client certificate against the groups of the
 * connection, because RFC 8422 section 5.1 uses one list for certificates and key exchange. When
 * the certificate is verified, the group of the key exchange has been selected, and there is no
 * renegotiation, so all certificate curves can be allowed. If they were allowed earlier, they could
 * be negotiated for the key exchange.
 *
 * The curves are set by NID: in a list of names, a curve that OpenSSL lacks makes the list invalid.
 */
static bool allow_certificate_curves(SSL *ssl)
{
    static const int curves[] = {NID_X9_62_prime256v1, NID_secp384r1,       NID_secp521r1,
                                 NID_brainpoolP256r1,  NID_brainpoolP384r1, NID_brainpoolP512r1,
                                 NID_secp256k1};
    return SSL_version(ssl) >= TLS1_3_VERSION ||
           SSL_set1_groups(ssl, (int *)(uintptr_t)curves, ARRAY_LEN(curves)) == 1;
}

static int verify_client(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    (void)arg;
    if (allow_certificate_curves(ssl))
        return X509_verify_cert(store);
    X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
    return 0;
}

bool tls_client_rules_use(const struct tls_client_rules *rules, SSL_CTX *ossl)
{
    if (SSL_CTX_set_session_id_context(ossl, rules->session_id_context,
                                       sizeof(rules->session_id_context)) != 1)
        return false;
    if (!rules->store)
        return true;
    STACK_OF(X509_NAME) *names =
        sk_X509_NAME_deep_copy(rules->names, X509_NAME_dup, X509_NAME_free);
    if (!names)
        return false;
    SSL_CTX_set_client_CA_list(ossl, names);
    SSL_CTX_set_verify(ossl, rules->mode, NULL);
    SSL_CTX_set_cert_verify_callback(ossl, verify_client, NULL);
    SSL_CTX_set_verify_depth(ossl, rules->depth);
    SSL_CTX_set1_cert_store(ossl, rules->store);
    return true;
}

void tls_client_rules_fini(struct tls_client_rules *rules)
{
    X509_STORE_free(rules->store);
    sk_X509_NAME_pop_free(rules->names, X509_NAME_free);
    *rules = (struct tls_client_rules){0};
}
