/*
 * tls_authority.h - temporary authorities, certificates, revocation lists and OCSP responses for
 * the TLS tests.
 */
#ifndef UNIT_NET_TLS_TLS_AUTHORITY_H
#define UNIT_NET_TLS_TLS_AUTHORITY_H

#include <openssl/ocsp.h>

#include "tls_peer.h"

/* A certificate and its key; owned. */
struct identity {
    X509 *x509;
    EVP_PKEY *key;
};

struct identity_spec {
    const char *cn;  /* null = none */
    const char *san; /* in X509V3 syntax: "DNS:a.test,URI:urn:x"; null = none */
    bool authority;  /* may sign other certificates */
    bool rsa;        /* not ECDSA P-256 */
    long serial;     /* 0 = 1 */
    long lifetime_s; /* validity period, which starts an hour ago; 0 = two hours */
};

static inline void add_extension(X509 *x509, int nid, const char *text)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, text);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* Create a certificate that is signed by `issuer`; null = self-signed. */
static inline struct identity identity_make(const struct identity *issuer,
                                            const struct identity_spec *spec)
{
    struct identity made = {.x509 = X509_new(),
                            .key = spec->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")};
    assert_true(made.x509 && made.key);
    X509_set_version(made.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), spec->serial ? spec->serial : 1);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.x509),
                    -3600 + (spec->lifetime_s ? spec->lifetime_s : 7200));
    X509_set_pubkey(made.x509, made.key);
    X509_NAME *subject = X509_get_subject_name(made.x509);
    if (spec->cn)
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)spec->cn,
                                   -1, -1, 0);
    X509_set_issuer_name(made.x509, issuer ? X509_get_subject_name(issuer->x509) : subject);
    if (spec->san)
        add_extension(made.x509, NID_subject_alt_name, spec->san);
    if (spec->authority)
        add_extension(made.x509, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(made.x509, issuer ? issuer->key : made.key, EVP_sha256()) > 0);
    return made;
}

static inline void identity_free(struct identity *identity)
{
    X509_free(identity->x509);
    EVP_PKEY_free(identity->key);
    *identity = (struct identity){0};
}

/* Write a PEM file with these certificates in this order. Null ends the list early. */
static inline const char *write_chain(struct test_files *files, const char *name,
                                      const struct identity *first, const struct identity *second)
{
    const char *path = files_path(files, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, first->x509), 1);
    if (second)
        assert_int_equal(PEM_write_X509(f, second->x509), 1);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* Write the files of an identity, followed by a chain certificate (null = none). */
static inline struct certificate_conf write_identity(struct test_files *files, const char *name,
                                                     const struct identity *identity,
                                                     const struct identity *chain)
{
    char file[96];
    snprintf(file, sizeof(file), "%s.pem", name);
    const char *certificate_file = write_chain(files, file, identity, chain);
    snprintf(file, sizeof(file), "%s.key", name);
    return (struct certificate_conf){.certificate_file = (char *)certificate_file,
                                     .private_key_file =
                                         (char *)write_key(files, file, identity->key, NULL)};
}

/* Write a revocation list of `issuer` with one serial number (0 = none). */
static inline const char *write_crl(struct test_files *files, const char *name,
                                    const struct identity *issuer, long revoked_serial)
{
    const char *path = files_path(files, name);
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *later = X509_gmtime_adj(NULL, 3600);
    assert_true(crl && now && later);
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, later);
    if (revoked_serial) {
        X509_REVOKED *revoked = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        ASN1_INTEGER_set(serial, revoked_serial);
        X509_REVOKED_set_serialNumber(revoked, serial);
        X509_REVOKED_set_revocationDate(revoked, now);
        assert_int_equal(X509_CRL_add0_revoked(crl, revoked), 1);
        ASN1_INTEGER_free(serial);
    }
    X509_CRL_sort(crl);
    assert_true(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509_CRL(f, crl), 1);
    assert_int_equal(fclose(f), 0);
    ASN1_TIME_free(now);
    ASN1_TIME_free(later);
    X509_CRL_free(crl);
    return path;
}

/* Create an OCSP response of `issuer` for `subject`, valid for `until_s` seconds from now. */
static inline unsigned char *make_ocsp(const struct identity *issuer,
                                       const struct identity *subject, int status, long until_s,
                                       int *n)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), subject->x509, issuer->x509);
    ASN1_TIME *from = X509_gmtime_adj(NULL, -3600), *until = X509_gmtime_adj(NULL, until_s);
    ASN1_TIME *revoked = status == V_OCSP_CERTSTATUS_REVOKED ? from : NULL;
    unsigned char *der = NULL;
    assert_true(basic && id && from && until);
    assert_non_null(OCSP_basic_add1_status(basic, id, status, 0, revoked, from, until));
    assert_int_equal(OCSP_basic_sign(basic, issuer->x509, issuer->key, EVP_sha256(), NULL, 0), 1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    assert_non_null(response);
    *n = i2d_OCSP_RESPONSE(response, &der);
    assert_true(*n > 0);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return der;
}

static inline const char *write_bytes(struct test_files *files, const char *name, const void *p,
                                      size_t n)
{
    const char *path = files_path(files, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

#endif
