/*
 * tls_check.c - can everything that TLS needs be loaded?
 *
 * A context stops at its first fault. So each certificate is tried alone, then what concerns
 * all of them, so that one run of --check finds them all.
 */
#include "control/tls_check.h"

#include "net/tls_client.h"
#include "net/tls_context.h"

struct check {
    struct tls_library *library;
    const char *file_name;
    FILE *out;
    bool good;
};

static void say(struct check *c, const char *place, size_t i, const char *rest, const char *why)
{
    c->good = false;
    (void)fprintf(c->out, "error: %s: %s[%zu]%s: %s\n", c->file_name, place, i, rest, why);
}

/* One certificate of a listener, without the authorities for devices. */
static bool certificate_loads(struct check *c, const struct tls_conf *conf, size_t k,
                              char why[TLS_ERROR_MAX])
{
    struct tls_conf alone = *conf;
    alone.certificates = &conf->certificates[k];
    alone.n_certificates = 1;
    alone.client_auth = CLIENT_AUTH_NONE;
    alone.client_ca_file = NULL;
    alone.n_client_crl_files = 0;
    struct tls_context *context = tls_context_new(c->library, &alone, NULL, why);
    tls_context_free(context);
    return context;
}

static void check_listener(struct check *c, const struct tls_conf *conf, size_t i)
{
    char why[TLS_ERROR_MAX], place[64];
    bool certificates_good = true;
    for (size_t k = 0; k < conf->n_certificates; k++) {
        if (certificate_loads(c, conf, k, why))
            continue;
        certificates_good = false;
        (void)snprintf(place, sizeof(place), ".tls.certificates[%zu]", k);
        say(c, "listeners", i, place, why);
    }
    struct tls_context *context = NULL;
    if (certificates_good && !(context = tls_context_new(c->library, conf, NULL, why)))
        say(c, "listeners", i, ".tls", why);
    tls_context_free(context);
    if (!conf->session_ticket_key_file)
        return;
    struct tls_ticket_keys *keys = tls_ticket_keys_load(conf->session_ticket_key_file, why);
    if (!keys)
        say(c, "listeners", i, ".tls.session_tickets.key_file", why);
    tls_ticket_keys_unref(keys);
}

static void check_cluster(struct check *c, const struct upstream_tls_conf *conf, size_t i)
{
    char why[TLS_ERROR_MAX];
    struct tls_client_context *context = tls_client_context_new(c->library, conf, why);
    if (!context)
        say(c, "clusters", i, ".tls", why);
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
