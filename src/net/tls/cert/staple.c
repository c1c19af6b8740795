/*
 * staple.c - OCSP responses from files, stapled to handshakes.
 *
 * The signature is not checked, because the client must verify it anyway. Only the errors that
 * occur in practice are checked: a response for another certificate, and an expired response.
 */
#include "staple.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "base/small_file.h"
#include "error.h"
#include "expiry.h"

#define CLOCK_SKEW_S 300
#define FILE_MAX     (1u << 20)

static bool refuse_rule(char error[TLS_ERROR_MAX], const char *file, const char *rule)
{
    (void)snprintf(error, TLS_ERROR_MAX, "%s: %s", file, rule);
    return false;
}

static OCSP_RESPONSE *read_pem(BIO *bio)
{
    unsigned char *der = NULL;
    long n = 0;
    if (PEM_bytes_read_bio(&der, &n, NULL, "OCSP RESPONSE", bio, NULL, NULL) != 1)
        return NULL;
    const unsigned char *at = der;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, n);
    OPENSSL_free(der);
    return response;
}

/* Read a response: DER, or PEM with the label "OCSP RESPONSE". */
static OCSP_RESPONSE *read_response(const char *file, char error[TLS_ERROR_MAX])
{
    struct small_file bytes;
    char why[SMALL_FILE_ERROR_MAX];
    ERR_clear_error();
    if (!small_file_read(file, SMALL_FILE_REGULAR, FILE_MAX, &bytes, why)) {
        (void)snprintf(error, TLS_ERROR_MAX, "%s: cannot read the OCSP response: %s", file, why);
        return NULL;
    }
    const unsigned char *der = (const unsigned char *)bytes.text;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &der, (long)bytes.n);
    BIO *bio = response ? NULL : BIO_new_mem_buf(bytes.text, (int)bytes.n);
    if (bio)
        response = read_pem(bio);
    if (!response)
        (void)refuse_rule(error, file, "contains no OCSP response");
    BIO_free(bio);
    small_file_free(&bytes);
    ERR_clear_error();
    return response;
}

/*
 * Is the response for this certificate? Compares the serial number and the issuer's name. The hash
 * of the issuer's key cannot be compared, because the chain may not contain the issuer.
 */
static bool is_about(OCSP_SINGLERESP *single, const X509 *leaf)
{
    ASN1_OCTET_STRING *issuer;
    ASN1_OBJECT *algorithm;
    ASN1_INTEGER *serial;
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
    if (OCSP_id_get0_info(&issuer, &algorithm, NULL, &serial, (OCSP_CERTID *)id) != 1 ||
        ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0)
        return false;
    const EVP_MD *md = EVP_get_digestbyobj(algorithm);
    return md && X509_NAME_digest(X509_get_issuer_name(leaf), md, hash, &n) == 1 &&
           ASN1_STRING_length(issuer) == (int)n &&
           memcmp(ASN1_STRING_get0_data(issuer), hash, n) == 0;
}

static bool check_basic(OCSP_BASICRESP *basic, const char *file, struct tls_staple *staple,
                        char error[TLS_ERROR_MAX])
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
        if (!is_about(single, staple->leaf))
            continue;
        if (OCSP_single_get0_status(single, NULL, NULL, &from, &until) != V_OCSP_CERTSTATUS_GOOD)
            return refuse_rule(error, file,
                               "the certificate status in the OCSP response is not \"good\"");
        staple->from = tls_time(from);
        staple->until = until ? tls_time(until) : 0;
        return true;
    }
    return refuse_rule(error, file, "the OCSP response is for another certificate");
}

static bool check_response(OCSP_RESPONSE *response, const char *file, struct tls_staple *staple,
                           char error[TLS_ERROR_MAX])
{
    int status = OCSP_response_status(response);
    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        (void)snprintf(error, TLS_ERROR_MAX, "%s: the OCSP response reports an error: %s", file,
                       OCSP_response_status_str(status));
        return false;
    }
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    if (!basic)
        return refuse_rule(error, file, "contains no OCSP response");
    bool good = check_basic(basic, file, staple, error);
    OCSP_BASICRESP_free(basic);
    return good;
}

bool tls_staple_load(const char *file, X509 *leaf, struct tls_staple *out,
                     char error[TLS_ERROR_MAX])
{
    OCSP_RESPONSE *response = read_response(file, error);
    if (!response)
        return false;
    struct tls_staple staple = {.leaf = leaf};
    bool good = check_response(response, file, &staple, error);
    int n = good ? i2d_OCSP_RESPONSE(response, &staple.der) : 0;
    if (good && n <= 0)
        good = tls_fail_memory(error);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    if (!good)
        return false;
    staple.n = (size_t)n;
    X509_up_ref(leaf);
    *out = staple;
    return true;
}

void tls_staple_fini(struct tls_staple *staple)
{
    X509_free(staple->leaf);
    OPENSSL_free(staple->der);
    *staple = (struct tls_staple){0};
}

static bool is_valid_now(const struct tls_staple *staple)
{
    time_t now = time(NULL);
    return staple->from <= now + CLOCK_SKEW_S && (!staple->until || now < staple->until);
}

int tls_staple_respond(SSL *ssl, const struct tls_staple *staples, size_t n)
{
    /* In this callback, SSL_get_certificate() returns the certificate that OpenSSL has selected. */
    const X509 *shown = SSL_get_certificate(ssl);
    for (size_t i = 0; i < n; i++) {
        if (staples[i].leaf != shown || !is_valid_now(&staples[i]))
            continue;
        unsigned char *copy = OPENSSL_memdup(staples[i].der, staples[i].n);
        if (!copy)
            break;
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staples[i].n); /* takes the copy */
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}
