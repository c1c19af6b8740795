/*
 * listener.c - check rules between the keys of listeners[].
 *
 * If the router could not do what a key requests, that is an error. If a key has no effect, that is
 * a warning.
 */
#include "check.h"

#include <string.h>

#include "model/config/address.h"
#include "model/config/message.h"

/* ---- cluster ------------------------------------------------------------------------- */

static void unknown_cluster(struct config_load *load, const struct config_place *at,
                            const char *name)
{
    char got[CONFIG_GOT_MAX];
    char near[CONFIG_GOT_MAX];
    size_t best = SIZE_MAX;
    const char *nearest = NULL;
    struct config *config = load->config;
    for (size_t i = 0; i < config->n_clusters; i++) {
        const char *candidate = config->clusters[i].name;
        if (candidate && config_nearer(name, candidate, &best))
            nearest = candidate;
    }
    if (!nearest && config->n_clusters == 1)
        nearest = config->clusters[0].name;
    if (nearest)
        config_error(load, at, "no cluster is named %s; did you mean %s?", config_quote(name, got),
                     config_quote(nearest, near));
    else
        config_error(load, at, "no cluster is named %s", config_quote(name, got));
}

/* Find the index of the listener's cluster by its name. Returns false if there is none. */
static bool resolve(struct config_load *load, const struct config_place *listener, size_t *cluster)
{
    struct config_place at;
    if (!config_place_member(load, listener, "cluster", &at))
        return false;
    const char *name = json_string_value(at.value);
    if (!name || !*name || strlen(name) != json_string_length(at.value))
        return false;
    if (config_find_cluster(load->config, name, cluster))
        return true;
    unknown_cluster(load, &at, name);
    return false;
}

/* ---- addresses ----------------------------------------------------------------------- */

/* An address of a listener. */
struct socket_name {
    const char *text;
    bool dual_stack; /* "[::]" includes IPv4 */
};

/* "0.0.0.0" includes all IPv4 addresses. "[::]" includes all IPv6 addresses, and with dual_stack
 * all IPv4 addresses too. */
static bool takes_all_of(const struct config_address *any, bool dual_stack,
                         const struct config_address *other)
{
    return any->any && (any->v6 == other->v6 || (any->v6 && dual_stack));
}

static bool would_clash(struct socket_name a, struct socket_name b)
{
    struct config_address left;
    struct config_address right;
    if (config_address_equal(a.text, b.text))
        return true;
    return config_address_parse(a.text, &left) && config_address_parse(b.text, &right) &&
           left.port == right.port && left.port != 0 &&
           (takes_all_of(&left, a.dual_stack, &right) || takes_all_of(&right, b.dual_stack, &left));
}

/* Return the first listener, up to i, with an address that conflicts with address k of listener i,
 * or SIZE_MAX. */
static size_t clashing_listener(const struct config *config, size_t i, size_t k)
{
    const struct listener_conf *conf = &config->listeners[i];
    struct socket_name name = {conf->addresses[k], conf->dual_stack};
    for (size_t j = 0; j <= i; j++) {
        const struct listener_conf *other = &config->listeners[j];
        for (size_t l = 0; l < (j < i ? other->n_addresses : k); l++) {
            if (would_clash(name, (struct socket_name){other->addresses[l], other->dual_stack}))
                return j;
        }
    }
    return SIZE_MAX;
}

/* Report addresses that another listening socket already has. */
static void check_addresses(struct config_load *load, const struct config_place *listener, size_t i)
{
    char got[CONFIG_GOT_MAX];
    struct config_place list;
    struct config_place at;
    const struct listener_conf *conf = &load->config->listeners[i];
    if (!config_place_member(load, listener, "address", &list))
        return;
    for (size_t k = 0; k < conf->n_addresses && config_place_item(load, &list, k, &at); k++) {
        size_t other = clashing_listener(load->config, i, k);
        if (other == i)
            config_error(load, &at, "%s is already in the list",
                         config_quote(conf->addresses[k], got));
        else if (other != SIZE_MAX)
            config_error(load, &at, "%s is already used by listeners[%zu]",
                         config_quote(conf->addresses[k], got), other);
    }
}

static void check_dual_stack(struct config_load *load, const struct config_place *listener,
                             const struct listener_conf *conf)
{
    struct config_address address;
    struct config_place at;
    for (size_t i = 0; i < conf->n_addresses; i++) {
        if (!conf->addresses[i] ||
            (config_address_parse(conf->addresses[i], &address) && address.v6 && address.any))
            return;
    }
    if (conf->dual_stack && config_place_member(load, listener, "dual_stack", &at))
        config_error(load, &at, "requires an address \"[::]:PORT\"");
}

static void check_tcp_options(struct config_load *load, const struct config_place *listener,
                              const struct listener_conf *conf)
{
    struct config_place at;
    if (!config_listens_on_unix_only(conf))
        return;
    if (conf->tcp_defer_accept && config_place_member(load, listener, "tcp_defer_accept", &at))
        config_warning(load, &at, "has no effect on a Unix socket");
    if (conf->fast_open && config_place_member(load, listener, "fast_open", &at))
        config_warning(load, &at, "has no effect on a Unix socket");
}

static bool listens_on_unix(const struct listener_conf *conf)
{
    for (size_t i = 0; i < conf->n_addresses; i++)
        if (conf->addresses[i] && config_address_unix(conf->addresses[i]))
            return true;
    return false;
}

/* ---- trust --------------------------------------------------------------------------- */

static void check_proxies(struct config_load *load, const struct config_place *listener,
                          const struct listener_conf *conf)
{
    struct config_place at;
    bool reached_by_ip = conf->n_addresses > 0 && !config_listens_on_unix_only(conf);
    if (conf->accept_proxy_protocol && reached_by_ip)
        config_want_with(load, listener, "accept_proxy_protocol", "trusted_proxies",
                         ": only trusted peers may send a PROXY header");
    if (reached_by_ip)
        config_want_with(load, listener, "client_address_header", "trusted_proxies",
                         ": the header is ignored from any other peer");
    config_want_with(load, listener, "client_address_header", "websocket",
                     ": without it there is no HTTP header");
    if (config_place_member(load, listener, "accept_proxy_protocol", &at) &&
        !json_is_false(at.value))
        return;
    if (!config_has(listener, "client_address_header") &&
        config_place_member(load, listener, "trusted_proxies", &at))
        config_error(load, &at, "requires \"accept_proxy_protocol\" or \"client_address_header\"");
}

/* A Unix peer has no address, but a PROXY header to a node must contain one. */
static void check_unix_peers(struct config_load *load, const struct config_place *listener,
                             const struct listener_conf *conf)
{
    struct config_place list;
    struct config_place at;
    if (load->config->clusters[conf->cluster].proxy_protocol == PROXY_PROTOCOL_NONE ||
        (config_place_member(load, listener, "accept_proxy_protocol", &at) &&
         !json_is_false(at.value)) ||
        !config_place_member(load, listener, "address", &list))
        return;
    for (size_t k = 0; k < conf->n_addresses && config_place_item(load, &list, k, &at); k++) {
        if (config_address_unix(conf->addresses[k]))
            config_error(
                load, &at,
                "a Unix socket has no client address to send to the nodes: set "
                "\"accept_proxy_protocol\" here, or \"proxy_protocol\" \"none\" in the cluster");
    }
}

static bool names_have(const struct identity_conf *identity, enum identity_name name)
{
    for (size_t i = 0; i < identity->n_names; i++) {
        if (identity->names[i] == name)
            return true;
    }
    return false;
}

/* Return whether client_auth is invalid; the intended value is then unknown. */
static bool auth_is_misspelt(const struct config_load *load, const struct config_place *tls,
                             const struct tls_conf *conf)
{
    struct config_place at;
    if (conf->client_auth != CLIENT_AUTH_NONE ||
        !config_place_member(load, tls, "client_auth", &at))
        return false;
    return !json_is_string(at.value) || strcmp(json_string_value(at.value), "none") != 0;
}

/* The identity check requires a certificate from every device, or "cn" from a trusted proxy. */
static void check_identity(struct config_load *load, const struct config_place *listener,
                           const struct listener_conf *conf)
{
    struct config_place at;
    struct config_place inner;
    if (!conf->identity || !config_place_member(load, listener, "identity", &at) ||
        !json_is_object(at.value) ||
        (conf->tls && config_place_member(load, listener, "tls", &inner) &&
         auth_is_misspelt(load, &inner, conf->tls)))
        return;
    if (conf->tls ? conf->tls->client_auth != CLIENT_AUTH_REQUIRE : !conf->accept_proxy_protocol)
        config_error(load, &at,
                     "requires \"tls\" with \"client_auth\" \"require\", or "
                     "\"accept_proxy_protocol\" from a proxy that terminates TLS");
    else if (!conf->tls && conf->identity->n_names > 0 &&
             !names_have(conf->identity, IDENTITY_CN) &&
             config_place_member(load, &at, "names", &inner))
        config_error(load, &inner, "must contain \"cn\": a PROXY header contains no other name");
}

/* ---- tls ----------------------------------------------------------------------------- */

static void check_client_auth(struct config_load *load, const struct config_place *tls,
                              const struct tls_conf *conf)
{
    static const char *const key[] = {"client_ca_file", "client_crl_files", "client_crl_check",
                                      "client_verify_depth"};
    struct config_place at;
    if (conf->client_auth != CLIENT_AUTH_NONE) {
        config_want_with(load, tls, "client_auth", "client_ca_file", "");
        config_want_with(load, tls, "client_crl_check", "client_crl_files", "");
        return;
    }
    if (auth_is_misspelt(load, tls, conf))
        return;
    for (size_t i = 0; i < ARRAY_LEN(key); i++) {
        if (config_place_member(load, tls, key[i], &at))
            config_error(load, &at, "requires \"client_auth\" \"request\" or \"require\"");
    }
}

static void check_tls(struct config_load *load, const struct config_place *listener,
                      const struct tls_conf *conf)
{
    struct config_place tls;
    struct config_place at;
    if (!conf || !config_place_member(load, listener, "tls", &tls))
        return;
    check_client_auth(load, &tls, conf);
    if (conf->min_version > 0x0303 && config_place_member(load, &tls, "ciphers", &at))
        config_warning(load, &at,
                       "has no effect: these are TLS 1.2 ciphers, and \"min_version\" is \"1.3\"");
}

/* Store line numbers, for later messages about the files. */
static void note_lines(const struct config_load *load, const struct config_place *listener,
                       struct tls_conf *tls)
{
    struct config_place at;
    struct config_place list;
    struct config_place certificate;
    if (!tls || !config_place_member(load, listener, "tls", &at))
        return;
    tls->line = config_lines_line(&load->lines, at.entry);
    if (!config_place_member(load, &at, "certificates", &list))
        return;
    for (size_t i = 0; i < tls->n_certificates; i++) {
        if (config_place_element(load, &list, i, &certificate))
            tls->certificates[i].line = config_lines_line(&load->lines, certificate.entry);
    }
}

void config_check_listeners(struct config_load *load, const struct config_place *root)
{
    struct config_place list;
    struct config_place at;
    if (!config_place_member(load, root, "listeners", &list))
        return;
    for (size_t i = 0; i < load->config->n_listeners; i++) {
        struct listener_conf *conf = &load->config->listeners[i];
        if (!config_place_element(load, &list, i, &at) || !json_is_object(at.value))
            continue;
        if (resolve(load, &at, &conf->cluster))
            check_unix_peers(load, &at, conf);
        check_addresses(load, &at, i);
        check_dual_stack(load, &at, conf);
        check_tcp_options(load, &at, conf);
        config_check_socket(load, &at, listens_on_unix(conf));
        check_proxies(load, &at, conf);
        check_identity(load, &at, conf);
        check_tls(load, &at, conf->tls);
        note_lines(load, &at, conf->tls);
    }
}
