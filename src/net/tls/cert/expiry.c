/*
 * expiry.c - expiry times of certificates, revocation lists and OCSP responses.
 *
 * There is one row per loaded object. Of revocation lists with the same issuer, key and scope, only
 * the newest has a row.
 */
#include "expiry.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

time_t tls_time(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

/* The common name of a subject or issuer, owned by the caller. Null if there is none. */
static char *common_name(const X509_NAME *name)
{
    size_t n;
    char *common = tls_common_name(name, &n);
    char *copy = common ? strndup(common, n) : NULL;
    OPENSSL_free(common);
    return copy;
}

/* The name of a certificate in reports, owned by the caller. Null if out of memory. */
static char *certificate_name(const X509 *x509)
{
    struct tls_names names;
    char *common = common_name(X509_get_subject_name(x509));
    if (common)
        return common;
    if (!tls_names_init(&names, x509))
        return NULL;
    char *copy = strdup(names.n > 0 ? names.list[0] : "");
    tls_names_fini(&names);
    return copy;
}

static char *issuer_name(const X509_CRL *crl)
{
    const X509_NAME *issuer = X509_CRL_get_issuer(crl);
    char *common = common_name(issuer);
    if (common)
        return common;
    char *whole = X509_NAME_oneline(issuer, NULL, 0);
    char *copy = whole ? strdup(whole) : NULL;
    OPENSSL_free(whole);
    return copy;
}

/* ---- rows ------------------------------------------------------------------------------ */

static void row_fini(struct tls_expiry_row *row)
{
    free((char *)(uintptr_t)row->validity.name);
    free((char *)(uintptr_t)row->validity.file);
    X509_CRL_free(row->crl);
}

/* Add a row. Takes `name`; null = out of memory. */
static bool add_row(struct tls_expiry *expiry, const struct tls_validity *validity, char *name)
{
    struct tls_expiry_row row = {.validity = *validity};
    row.validity.name = name;
    row.validity.file = strdup(validity->file);
    struct tls_expiry_row *longer = realloc(expiry->rows, (expiry->n + 1) * sizeof(*longer));
    if (longer)
        expiry->rows = longer;
    if (!longer || !row.validity.name || !row.validity.file) {
        row_fini(&row);
        return false;
    }
    expiry->rows[expiry->n++] = row;
    return true;
}

bool tls_expiry_add(struct tls_expiry *expiry, enum tls_validity_kind kind, const X509 *x509,
                    const char *file)
{
    const struct tls_validity validity = {.kind = kind,
                                          .file = file,
                                          .from = tls_time(X509_get0_notBefore(x509)),
                                          .until = tls_time(X509_get0_notAfter(x509))};
    return add_row(expiry, &validity, certificate_name(x509));
}

bool tls_expiry_add_all(struct tls_expiry *expiry, enum tls_validity_kind kind,
                        const STACK_OF(X509) * all, const char *file)
{
    for (int i = 0; i < sk_X509_num(all); i++)
        if (!tls_expiry_add(expiry, kind, sk_X509_value(all, i), file))
            return false;
    return true;
}

bool tls_expiry_add_response(struct tls_expiry *expiry, const X509 *about, time_t from,
                             time_t until, const char *file)
{
    const struct tls_validity validity = {
        .kind = TLS_VALIDITY_OCSP, .file = file, .from = from, .until = until};
    return until == 0 || add_row(expiry, &validity, certificate_name(about));
}

/* ---- revocation lists ------------------------------------------------------------------ */

/* Is the extension equal in both lists, or absent in both? */
static bool same_extension(const X509_CRL *a, const X509_CRL *b, int nid)
{
    int at_a = X509_CRL_get_ext_by_NID(a, nid, -1), at_b = X509_CRL_get_ext_by_NID(b, nid, -1);
    if (at_a < 0 || at_b < 0)
        return at_a < 0 && at_b < 0;
    return ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(X509_CRL_get_ext(a, at_a)),
                                 X509_EXTENSION_get_data(X509_CRL_get_ext(b, at_b))) == 0;
}

/* Do the lists cover the same certificates? An authority can issue lists per key and per scope. */
static bool same_scope(const X509_CRL *a, const X509_CRL *b)
{
    return X509_NAME_cmp(X509_CRL_get_issuer(a), X509_CRL_get_issuer(b)) == 0 &&
           same_extension(a, b, NID_authority_key_identifier) &&
           same_extension(a, b, NID_issuing_distribution_point);
}

static struct tls_expiry_row *find_list(const struct tls_expiry *expiry, const X509_CRL *crl)
{
    for (size_t i = 0; i < expiry->n; i++)
        if (expiry->rows[i].crl && same_scope(expiry->rows[i].crl, crl))
            return &expiry->rows[i];
    return NULL;
}

bool tls_expiry_add_crl(struct tls_expiry *expiry, X509_CRL *crl, const char *file)
{
    const struct tls_validity validity = {
        .kind = TLS_VALIDITY_CRL,
        .file = file,
        .from = tls_time(X509_CRL_get0_lastUpdate(crl)),
        .until = X509_CRL_get0_nextUpdate(crl) ? tls_time(X509_CRL_get0_nextUpdate(crl)) : 0};
    /* OpenSSL ignores delta lists by default. */
    if (validity.until == 0 || X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
        return true;
    struct tls_expiry_row *before = find_list(expiry, crl);
    if (before && before->validity.until >= validity.until)
        return true;
    if (!add_row(expiry, &validity, issuer_name(crl)))
        return false;
    X509_CRL_up_ref(crl);
    expiry->rows[expiry->n - 1].crl = crl;
    before = find_list(expiry, crl); /* again, because add_row() can move the rows */
    if (before != &expiry->rows[expiry->n - 1]) {
        row_fini(before);
        *before = expiry->rows[--expiry->n];
    }
    return true;
}

/* ---- all rows -------------------------------------------------------------------------- */

void tls_expiry_walk(const struct tls_expiry *expiry, tls_validity_each *each, void *arg)
{
    for (size_t i = 0; i < expiry->n; i++)
        each(arg, &expiry->rows[i].validity);
}

void tls_expiry_fini(struct tls_expiry *expiry)
{
    for (size_t i = 0; i < expiry->n; i++)
        row_fini(&expiry->rows[i]);
    free(expiry->rows);
    *expiry = (struct tls_expiry){0};
}
