/*
 * fuzz_certificate.c - check invariants of the names of a certificate.
 *
 * The input is a certificate in DER, or only a subject name in DER. Input that OpenSSL cannot
 * decode is skipped.
 *
 *   - names are unique, sorted, in lower case and without NUL bytes
 *   - OpenSSL's host name check finds each DNS name in the certificate
 *   - the common name is valid UTF-8 (it can contain any character, including NUL)
 *   - a certificate has the same names as itself, and the index finds it by each of its names
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/utf8.h"
#include "law.h"
#include "net/tls/cert/names.h"

#define INPUT_MAX 8192u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Return a certificate that contains only this subject. */
static X509 *with_subject(const uint8_t *data, size_t size)
{
    const unsigned char *p = data;
    X509_NAME *subject = d2i_X509_NAME(NULL, &p, (long)size);
    X509 *x509 = subject ? X509_new() : NULL;

    if (x509)
        LAW(X509_set_subject_name(x509, subject) == 1);
    X509_NAME_free(subject);
    return x509;
}

static bool is_ip(const char *name)
{
    return strncmp(name, "ip:", 3) == 0;
}

/*
 * OpenSSL rejects names that no host can have, and uses the common name only if it looks like a
 * host name, so other names are not compared. A wildcard is compared through a name that it
 * matches.
 */
static void openssl_finds_it(X509 *x509, const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    char *asked = (char *)exact_new(strlen(name) + 2);
    bool wild = strncmp(name, "*.", 2) == 0;
    const char *rest = wild ? name + 2 : name;

    (void)sprintf(asked, "%s%s", wild ? "w." : "", rest);
    bool plain = strspn(asked, good) == strlen(asked) && asked[0] != '.' && asked[0] != '-' &&
                 !strstr(asked, "..") && !strstr(asked, "-.") && !strstr(asked, ".-") &&
                 asked[strlen(asked) - 1] != '-' && asked[strlen(asked) - 1] != '.' &&
                 strchr(rest, '.') && strlen(asked) < 254;
    if (plain)
        LAW(X509_check_host(x509, asked, 0, X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT, NULL) == 1);
    free(asked);
}

static void names_are_lawful(X509 *x509, const struct tls_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->list[i];
        LAW(name[0] != '\0' && (i == 0 || strcmp(names->list[i - 1], name) < 0));
        for (const char *c = name; *c; c++)
            LAW(*c < 'A' || *c > 'Z');
        if (!is_ip(name))
            openssl_finds_it(x509, name);
    }
    LAW(tls_names_equal(names, names) == (names->n > 0));
}

/*
 * If two certificates have the same names, the index finds the first one. A name with a trailing
 * dot is invalid in a certificate (clients do not match it either), but lookups ignore the dot.
 */
static void it_is_found_by_its_names(const struct tls_names *names)
{
    struct tls_name_index index = {0};

    LAW(tls_name_index_add(&index, names, 7) && tls_name_index_add(&index, names, 9));
    tls_name_index_finish(&index);
    LAW(index.n == names->n);
    for (size_t i = 0; i < names->n; i++) {
        const size_t n = strlen(names->list[i]);
        if (names->list[i][n - 1] != '.')
            LAW(tls_name_index_find(&index, names->list[i]) == (n <= 255 ? 7 : TLS_NO_ENTRY));
    }
    tls_name_index_fini(&index);
}

static void common_name_is_utf8(const X509 *x509)
{
    size_t n = 0;
    char *name = tls_common_name(X509_get_subject_name(x509), &n);

    for (size_t i = 0; name && i < n;) {
        int step = utf8_char((const uint8_t *)name + i, n - i, n - i);
        LAW(step > 0);
        i += (size_t)step;
    }
    OPENSSL_free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_names names, again;

    if (size == 0 || size > INPUT_MAX)
        return 0;
    uint8_t *exact = exact_copy(data, size);
    const unsigned char *p = exact;
    X509 *x509 = d2i_X509(NULL, &p, (long)size);
    if (!x509)
        x509 = with_subject(exact, size);
    free(exact);
    if (x509) {
        LAW(tls_names_init(&names, x509) && tls_names_init(&again, x509));
        names_are_lawful(x509, &names);
        LAW(tls_names_equal(&names, &again) == (names.n > 0));
        it_is_found_by_its_names(&names);
        common_name_is_utf8(x509);
        tls_names_fini(&names);
        tls_names_fini(&again);
        X509_free(x509);
    }
    ERR_clear_error();
    return 0;
}
