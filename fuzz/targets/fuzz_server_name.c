/*
 * fuzz_server_name.c - check invariants of the search for the certificate of a server name.
 *
 * The input is a server name, then the names of certificates. NUL terminates each name, and an
 * empty name starts the next certificate.
 *
 *   - the result agrees with a linear search
 *   - upper and lower case and one trailing dot are ignored; a wildcard matches exactly the first
 *     label
 *   - adding a certificate at the end does not change the results of other names
 */
#include "law.h"
#include "net/tls/cert/names.h"

#define INPUT_MAX 4096u
#define NAMES_MAX 512u
#define ASKED_MAX                                                                                  \
    255u /* RFC 6066 section 3: a server name is a host name, so the limit of DNS applies */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct names {
    size_t n;
    size_t entry[NAMES_MAX];
    char *text[NAMES_MAX]; /* owned; in lower case, like the stored names of certificates */
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char *lower_copy(const char *text, size_t n)
{
    char *copy = (char *)exact_new(n + 1);

    for (size_t i = 0; i < n; i++)
        copy[i] = lower(text[i]);
    copy[n] = '\0';
    return copy;
}

static void read_names(struct names *names, const char *p, size_t size)
{
    size_t entry = 0;

    names->n = 0;
    for (size_t at = 0; at < size && names->n < NAMES_MAX;) {
        size_t n = strnlen(p + at, size - at);
        if (n == 0) {
            entry++;
        } else {
            names->entry[names->n] = entry;
            names->text[names->n++] = lower_copy(p + at, n);
        }
        at += n + 1;
    }
}

/* ---- a second parser -------------------------------------------------------------------- */

static size_t exactly(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->text[i], name) == 0)
            return names->entry[i];
    return TLS_NO_ENTRY;
}

/* Convert to lower case, and remove one trailing dot. */
static char *plain_copy(const char *asked)
{
    size_t n = strlen(asked);

    return lower_copy(asked, n > 0 && asked[n - 1] == '.' ? n - 1 : n);
}

static size_t second_find(const struct names *names, const char *asked)
{
    char *name = plain_copy(asked);
    const char *dot = strchr(name, '.');
    size_t found = strlen(name) <= ASKED_MAX ? exactly(names, name) : TLS_NO_ENTRY;

    for (size_t i = 0; found == TLS_NO_ENTRY && i < names->n; i++)
        if (strlen(name) <= ASKED_MAX && dot && dot > name && names->text[i][0] == '*' &&
            strcmp(names->text[i] + 1, dot) == 0)
            found = names->entry[i];
    free(name);
    return found;
}

/* ----------------------------------------------------------------------------------------- */

static void index_names(struct tls_name_index *index, struct names *names)
{
    *index = (struct tls_name_index){0};
    for (size_t i = 0; i < names->n;) {
        size_t end = i + 1;
        while (end < names->n && names->entry[end] == names->entry[i])
            end++;
        const struct tls_names certificate = {.list = names->text + i, .n = end - i};
        LAW(tls_name_index_add(index, &certificate, names->entry[i]));
        i = end;
    }
    tls_name_index_finish(index);
}

static void case_does_not_matter(const struct tls_name_index *index, const char *asked,
                                 size_t found)
{
    char *other = (char *)exact_copy((const uint8_t *)asked, strlen(asked) + 1);

    for (char *c = other; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    LAW(tls_name_index_find(index, other) == found);
    free(other);
}

static void one_more_changes_nothing(struct names *names, const char *asked, size_t found)
{
    struct tls_name_index index;
    const size_t n = names->n;

    if (found == TLS_NO_ENTRY || n == NAMES_MAX)
        return;
    char *plain = plain_copy(asked);
    const bool exact = exactly(names, plain) != TLS_NO_ENTRY;
    names->entry[n] = names->entry[n - 1] + 1;
    names->text[n] = exact ? lower_copy(plain, strlen(plain)) : lower_copy("other.example", 13);
    names->n++;
    index_names(&index, names);
    if (exact || strcmp(plain, "other.example") != 0)
        LAW(tls_name_index_find(&index, asked) == found);
    tls_name_index_fini(&index);
    free(plain);
    free(names->text[--names->n]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_name_index index;
    struct names names;

    if (size > INPUT_MAX)
        return 0;
    char *text = exact_text(data, size);
    size_t asked_n = strlen(text);
    char *asked = (char *)exact_copy((const uint8_t *)text, asked_n + 1);
    read_names(&names, text + asked_n + 1, asked_n < size ? size - asked_n - 1 : 0);
    index_names(&index, &names);
    size_t found = tls_name_index_find(&index, asked);
    LAW(found == second_find(&names, asked));
    case_does_not_matter(&index, asked, found);
    one_more_changes_nothing(&names, asked, found);
    tls_name_index_fini(&index);
    for (size_t i = 0; i < names.n; i++)
        free(names.text[i]);
    free(asked);
    free(text);
    return 0;
}
