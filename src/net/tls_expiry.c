/*
 * tls_expiry.c - when the certificates of a context expire.
 */
#include "net/tls_expiry.h"

#include <stdlib.h>
#include <string.h>

#include "net/tls_names.h"

time_t tls_time(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

/* What people call a certificate; owned by the caller, null when memory is short. */
static char *display_name(const X509 *x509)
{
    size_t n;
    struct tls_names names;
    char *common = tls_common_name(x509, &n);
    if (common) {
        char *copy = strndup(common, n);
        OPENSSL_free(common);
        return copy;
    }
    if (!tls_names_init(&names, x509))
        return NULL;
    char *copy = strdup(names.n > 0 ? names.list[0] : "");
    tls_names_fini(&names);
    return copy;
}

bool tls_expiry_add(struct tls_expiry *expiry, const X509 *x509, const char *file)
{
    struct tls_expiry_row *longer = realloc(expiry->rows, (expiry->n + 1) * sizeof(*longer));
    if (!longer)
        return false;
    expiry->rows = longer;
    struct tls_expiry_row row = {.name = display_name(x509),
                                 .file = strdup(file),
                                 .not_after = tls_time(X509_get0_notAfter(x509))};
    expiry->rows[expiry->n++] = row;
    return row.name && row.file;
}

bool tls_expiry_add_all(struct tls_expiry *expiry, const STACK_OF(X509) * all, const char *file)
{
    for (int i = 0; i < sk_X509_num(all); i++)
        if (!tls_expiry_add(expiry, sk_X509_value(all, i), file))
            return false;
    return true;
}

void tls_expiry_walk(const struct tls_expiry *expiry, tls_expiry_each *each, void *arg)
{
    for (size_t i = 0; i < expiry->n; i++)
        each(arg, expiry->rows[i].name, expiry->rows[i].file, expiry->rows[i].not_after);
}

void tls_expiry_fini(struct tls_expiry *expiry)
{
    for (size_t i = 0; i < expiry->n; i++) {
        free(expiry->rows[i].name);
        free(expiry->rows[i].file);
    }
    free(expiry->rows);
    *expiry = (struct tls_expiry){0};
}
