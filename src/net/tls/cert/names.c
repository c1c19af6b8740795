/*
 * names.c - the names of certificates, and a sorted index to find certificates by server name.
 *
 * A listener can have hundreds of certificates, so a handshake must not scan them. A wildcard
 * matches exactly one label, the first (RFC 6125 section 6.4.3). "a*.example.org" is not a
 * wildcard.
 */
#include "names.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"

#define SERVER_NAME_MAX 255u /* RFC 6066 section 3: a DNS host name */

/* ---- the names of one certificate ------------------------------------------------------ */

/* Add a name. Takes `name`; null = out of memory. */
static bool names_add(struct tls_names *names, char *name)
{
    char **longer = name ? realloc(names->list, (names->n + 1) * sizeof(*longer)) : NULL;
    if (!longer) {
        free(name);
        return false;
    }
    names->list = longer;
    names->list[names->n++] = name;
    return true;
}

static bool names_add_text(struct tls_names *names, const unsigned char *p, size_t n)
{
    if (n == 0 || memchr(p, '\0', n)) /* such as "good.example\0.evil.example" */
        return true;
    char *name = strndup((const char *)p, n);
    for (char *c = name; c && *c; c++)
        *c = (char)ascii_lower((uint8_t)*c);
    return names_add(names, name);
}

static bool names_add_ip(struct tls_names *names, const unsigned char *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *name = malloc(4 + 2 * n);
    if (name) {
        memcpy(name, "ip:", 3);
        for (size_t i = 0; i < n; i++) {
            name[3 + 2 * i] = digits[p[i] >> 4];
            name[4 + 2 * i] = digits[p[i] & 15];
        }
        name[3 + 2 * n] = '\0';
    }
    return names_add(names, name);
}

static bool names_add_alternatives(struct tls_names *names, const X509 *x509, bool *has_dns)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    bool added = true;
    for (int i = 0; added && i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS) {
            *has_dns = true;
            added = names_add_text(names, ASN1_STRING_get0_data(name->d.dNSName),
                                   (size_t)ASN1_STRING_length(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            added = names_add_ip(names, ASN1_STRING_get0_data(name->d.iPAddress),
                                 (size_t)ASN1_STRING_length(name->d.iPAddress));
        }
    }
    GENERAL_NAMES_free(all);
    return added;
}

char *tls_common_name(const X509_NAME *name, size_t *n)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0)
        return NULL;
    unsigned char *text = NULL;
    int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0)
        return NULL;
    *n = (size_t)size;
    return (char *)text;
}

static bool names_add_common(struct tls_names *names, const X509 *x509)
{
    size_t n;
    char *text = tls_common_name(X509_get_subject_name(x509), &n);
    bool added = !text || names_add_text(names, (const unsigned char *)text, n);
    OPENSSL_free(text);
    return added;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_sort(struct tls_names *names)
{
    if (names->n == 0)
        return;
    qsort(names->list, names->n, sizeof(*names->list), compare_names);
    size_t kept = 1;
    for (size_t i = 1; i < names->n; i++) {
        if (strcmp(names->list[i], names->list[kept - 1]) == 0)
            free(names->list[i]);
        else
            names->list[kept++] = names->list[i];
    }
    names->n = kept;
}

bool tls_names_init(struct tls_names *out, const X509 *x509)
{
    struct tls_names names = {0};
    bool has_dns = false;
    bool whole = names_add_alternatives(&names, x509, &has_dns) &&
                 (has_dns || names_add_common(&names, x509));
    if (whole)
        names_sort(&names);
    else
        tls_names_fini(&names);
    *out = names;
    return whole;
}

void tls_names_fini(struct tls_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->list[i]);
    free(names->list);
    *names = (struct tls_names){0};
}

bool tls_names_equal(const struct tls_names *a, const struct tls_names *b)
{
    if (a->n == 0 || a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->list[i], b->list[i]) != 0)
            return false;
    return true;
}

/* ---- the index of names ---------------------------------------------------------------- */

bool tls_name_index_add(struct tls_name_index *index, const struct tls_names *names, size_t entry)
{
    if (names->n == 0)
        return true;
    struct tls_name_row *longer = realloc(index->rows, (index->n + names->n) * sizeof(*longer));
    if (!longer)
        return false;
    index->rows = longer;
    for (size_t i = 0; i < names->n; i++) {
        char *name = strdup(names->list[i]);
        if (!name)
            return false;
        index->rows[index->n++] = (struct tls_name_row){.name = name, .entry = entry};
    }
    return true;
}

static int compare_rows(const void *a, const void *b)
{
    const struct tls_name_row *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

void tls_name_index_finish(struct tls_name_index *index)
{
    if (index->n == 0)
        return;
    qsort(index->rows, index->n, sizeof(*index->rows), compare_rows);
    size_t kept = 1;
    for (size_t i = 1; i < index->n; i++) {
        if (strcmp(index->rows[i].name, index->rows[kept - 1].name) == 0)
            free(index->rows[i].name);
        else
            index->rows[kept++] = index->rows[i];
    }
    index->n = kept;
}

void tls_name_index_fini(struct tls_name_index *index)
{
    for (size_t i = 0; i < index->n; i++)
        free(index->rows[i].name);
    free(index->rows);
    *index = (struct tls_name_index){0};
}

static int compare_key(const void *key, const void *row)
{
    return strcmp(key, ((const struct tls_name_row *)row)->name);
}

static size_t find_row(const struct tls_name_index *index, const char *name)
{
    if (index->n == 0)
        return TLS_NO_ENTRY;
    const struct tls_name_row *row =
        bsearch(name, index->rows, index->n, sizeof(*index->rows), compare_key);
    return row ? row->entry : TLS_NO_ENTRY;
}

size_t tls_name_index_find(const struct tls_name_index *index, const char *server_name)
{
    char name[SERVER_NAME_MAX + 1];
    size_t n = strnlen(server_name, SERVER_NAME_MAX + 2);
    if (n > 0 && server_name[n - 1] == '.') /* same name without the dot */
        n--;
    if (n > SERVER_NAME_MAX)
        return TLS_NO_ENTRY;
    for (size_t i = 0; i < n; i++)
        name[i] = (char)ascii_lower((uint8_t)server_name[i]);
    name[n] = '\0';
    size_t entry = find_row(index, name);
    char *dot = strchr(name, '.');
    if (entry != TLS_NO_ENTRY || !dot || dot == name)
        return entry;
    dot[-1] = '*'; /* "*.example.org" starts at the last character of the first label */
    return find_row(index, dot - 1);
}
