/*
 * check.c - check that everything that TLS needs can be loaded.
 *
 * Loading a context stops at the first error. Therefore, each certificate is loaded alone first,
 * and then all together, so that one run of --check reports all errors.
 */
#include "check.h"
#include "base/escape.h"

#include <inttypes.h>
#include <time.h>

#include "net/tls/client.h"
#include "net/tls/context.h"

struct check {
    struct tls_library *library;
    const char *file_name;
    FILE *out;
    bool good;
};

static void report(struct check *c, uint32_t line, const char *place, const char *why)
{
    c->good = false;
    (void)fprintf(c->out, "error: %s:%u: %s: %s\n", c->file_name, line, place, why);
}

/* ---- expiry: only warnings, because the router starts anyway ------------------------ */

struct expiry_check {
    struct check *check;
    const char *list; /* "listeners" or "clusters" */
    size_t i;
    uint32_t line;
};

static const struct {
    const char *listener_key, *cluster_key; /* keys that configure it */
    const char *what, *effect;
} validity_rows[] = {
    [TLS_VALIDITY_CERTIFICATE] = {"certificates", "certificate_file", "the certificate",
                                  "the peer will reject it"},
    [TLS_VALIDITY_AUTHORITY] = {"client_ca_file", "ca_file", "the authority",
                                "the certificates that it issued are rejected"},
    [TLS_VALIDITY_CRL] = {"client_crl_files", NULL, "the revocation list of",
                          "every device with a certificate of this issuer is rejected"},
    [TLS_VALIDITY_OCSP] = {"certificates", NULL, "the OCSP response for", "it is not stapled"},
};
_Static_assert(ARRAY_LEN(validity_rows) == TLS_VALIDITY_KIND_COUNT, "a row for each kind");

static void warn_expired(void *arg, const struct tls_validity *validity)
{
    const struct expiry_check *e = arg;
    const char *key = e->list[0] == 'l' ? validity_rows[validity->kind].listener_key
                                        : validity_rows[validity->kind].cluster_key;
    const time_t now = time(NULL);
    bool is_early = validity->from > now;
    time_t when = is_early ? validity->from : validity->until;
    char text[32];
    struct tm utc;
    if (!is_early && validity->until > now)
        return;
    gmtime_r(&when, &utc);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    (void)fprintf(e->check->out, "warning: %s:%" PRIu32 ": %s[%zu].tls.%s: %s: %s \"",
                  e->check->file_name, e->line, e->list, e->i, key, validity->file,
                  validity_rows[validity->kind].what);
    escape_print(validity->name, e->check->out); /* a certificate can contain any text */
    (void)fprintf(e->check->out, "\" %s %s: %s\n", is_early ? "is not valid before" : "expired at",
                  text, validity_rows[validity->kind].effect);
}

/* ---- loading ---------------------------------------------------------------------------- */

/* Whether one certificate of a listener can be loaded, without the authorities for devices. */
static bool certificate_loads(struct check *c, const struct tls_conf *conf, size_t k,
                              char why[TLS_ERROR_MAX])
{
    struct tls_conf alone = *conf;
    alone.certificates = &conf->certificates[k];
    alone.n_certificates = 1;
    alone.ciphers = NULL; /* can be for the key type of another certificate with the same names */
    alone.client_auth = CLIENT_AUTH_NONE;
    alone.client_ca_file = NULL;
    alone.n_client_crl_files = 0;
    struct tls_context *context = tls_context_new(c->library, &alone, NULL, why);
    tls_context_free(context);
    return context;
}

static void check_certificates(struct check *c, const struct tls_conf *conf, size_t i)
{
    char why[TLS_ERROR_MAX], place[64];
    for (size_t k = 0; k < conf->n_certificates; k++) {
        if (certificate_loads(c, conf, k, why))
            continue;
        (void)snprintf(place, sizeof(place), "listeners[%zu].tls.certificates[%zu]", i, k);
        report(c, conf->certificates[k].line, place, why);
    }
}

static void check_ticket_keys(struct check *c, const struct tls_conf *conf, size_t i)
{
    char why[TLS_ERROR_MAX], place[64];
    if (!conf->session_ticket_key_file)
        return;
    struct tls_ticket_keys *keys = tls_ticket_keys_load(conf->session_ticket_key_file, why);
    (void)snprintf(place, sizeof(place), "listeners[%zu].tls.session_tickets.key_file", i);
    if (!keys)
        report(c, conf->line, place, why);
    tls_ticket_keys_unref(keys);
}

static void check_listener(struct check *c, const struct tls_conf *conf, size_t i)
{
    char why[TLS_ERROR_MAX], place[64];
    bool good_before = c->good;
    c->good = true;
    check_certificates(c, conf, i);
    if (c->good) { /* otherwise, the context would fail with the same error */
        struct tls_context *context = tls_context_new(c->library, conf, NULL, why);
        (void)snprintf(place, sizeof(place), "listeners[%zu].tls", i);
        if (!context)
            report(c, conf->line, place, why);
        struct expiry_check expiry = {c, "listeners", i, conf->line};
        if (context)
            tls_context_validity(context, warn_expired, &expiry);
        tls_context_free(context);
    }
    check_ticket_keys(c, conf, i);
    c->good = c->good && good_before;
}

static void check_cluster(struct check *c, const struct upstream_tls_conf *conf, size_t i)
{
    char why[TLS_ERROR_MAX], place[64];
    struct tls_client_context *context = tls_client_context_new(c->library, conf, why);
    (void)snprintf(place, sizeof(place), "clusters[%zu].tls", i);
    if (!context)
        report(c, conf->line, place, why);
    struct expiry_check expiry = {c, "clusters", i, conf->line};
    if (context)
        tls_client_context_validity(context, warn_expired, &expiry);
    tls_client_context_free(context);
}

bool tls_check(const struct config *config, const char *file_name, FILE *out)
{
    struct check c = {
        .library = tls_library_new(), .file_name = file_name, .out = out, .good = true};
    if (!c.library) {
        (void)fprintf(out, "error: out of memory\n");
        return false;
    }
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].tls)
            check_listener(&c, config->listeners[i].tls, i);
    for (size_t i = 0; i < config->n_clusters; i++)
        if (config->clusters[i].tls)
            check_cluster(&c, config->clusters[i].tls, i);
    tls_library_free(c.library);
    return c.good;
}
