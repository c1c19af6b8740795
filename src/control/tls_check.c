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

static void say(struct check *c, uint32_t line, const char *place, const char *why)
{
    c->good = false;
    (void)fprintf(c->out, "error: %s:%u: %s: %s\n", c->file_name, line, place, why);
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

static void check_certificates(struct check *c, const struct tls_conf *conf, size_t i)
{
    char why[TLS_ERROR_MAX], place[64];
    for (size_t k = 0; k < conf->n_certificates; k++) {
        if (certificate_loads(c, conf, k, why))
            continue;
        (void)snprintf(place, sizeof(place), "listeners[%zu].tls.certificates[%zu]", i, k);
        say(c, conf->certificates[k].line, place, why);
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
        say(c, conf->line, place, why);
    tls_ticket_keys_unref(keys);
}

static void check_listener(struct check *c, const struct tls_conf *conf, size_t i)
{
    char why[TLS_ERROR_MAX], place[64];
    bool good_before = c->good;
    c->good = true;
    check_certificates(c, conf, i);
    if (c->good) { /* else the whole would only say the same again */
        struct tls_context *context = tls_context_new(c->library, conf, NULL, why);
        (void)snprintf(place, sizeof(place), "listeners[%zu].tls", i);
        if (!context)
            say(c, conf->line, place, why);
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
        say(c, conf->line, place, why);
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
