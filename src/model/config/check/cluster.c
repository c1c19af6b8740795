/*
 * cluster.c - check rules between the keys of clusters[].
 */
#include "check.h"

#include <string.h>

#include "model/config/address.h"
#include "model/config/message.h"

/* ---- route_by ------------------------------------------------------------------------ */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/*
 * Report a duplicate rule, and a rule that is never used because an earlier one uses the whole
 * value of the same source.
 */
static void check_rule(struct config_load *load, const struct config_place *at,
                       const struct cluster_conf *cluster, size_t i)
{
    const struct route_rule *rule = &cluster->route_by[i];
    for (size_t j = 0; j < i; j++) {
        const struct route_rule *earlier = &cluster->route_by[j];
        if (earlier->from != rule->from || rule->from == ROUTE_SOURCE_COUNT)
            continue;
        if (same_text(earlier->prefix_until, rule->prefix_until)) {
            config_error(load, at, "is a duplicate of route_by[%zu]", j);
            return;
        }
        if (!earlier->prefix_until) {
            config_warning(load, at, "has no effect: route_by[%zu] already uses the whole value",
                           j);
            return;
        }
    }
}

static bool is_used(const struct config *config, size_t cluster)
{
    for (size_t i = 0; i < config->n_listeners; i++) {
        if (config->listeners[i].cluster == cluster)
            return true;
    }
    return false;
}

/* Return whether sessions of the listener can have a value from this source. */
static bool listener_knows(const struct listener_conf *listener, enum route_source from)
{
    const struct tls_conf *tls = listener->tls;
    switch (from) {
    case ROUTE_TLS_CN:
        return tls ? tls->client_auth != CLIENT_AUTH_NONE : listener->accept_proxy_protocol;
    case ROUTE_SNI:
        return tls || listener->accept_proxy_protocol;
    case ROUTE_SOURCE_IP:
        return listener->accept_proxy_protocol || listener->client_address_header ||
               !config_listens_on_unix_only(listener);
    default:
        return true;
    }
}

static bool cluster_knows(const struct config *config, size_t cluster, enum route_source from)
{
    for (size_t i = 0; i < config->n_listeners; i++) {
        if (config->listeners[i].cluster == cluster && listener_knows(&config->listeners[i], from))
            return true;
    }
    return false;
}

/* Not checked if there are errors, because they may be the reason why the source is missing. */
static void check_source(struct config_load *load, const struct config_place *at, size_t cluster,
                         enum route_source from)
{
    static const char *const needed[ROUTE_SOURCE_COUNT] = {
        [ROUTE_TLS_CN] =
            "\"tls\" with \"client_auth\", or \"accept_proxy_protocol\" without \"tls\"",
        [ROUTE_SNI] = "\"tls\" or \"accept_proxy_protocol\"",
        [ROUTE_SOURCE_IP] = "an IP address or \"accept_proxy_protocol\""};
    if (from == ROUTE_SOURCE_COUNT || load->messages->errors > 0 ||
        cluster_knows(load->config, cluster, from))
        return;
    config_warning(load, at,
                   "no listener of this cluster provides this value: one of them must have %s",
                   needed[from]);
}

static void check_route_by(struct config_load *load, const struct config_place *cluster, size_t i)
{
    struct config_place list;
    struct config_place at;
    const struct cluster_conf *conf = &load->config->clusters[i];
    if (!config_place_member(load, cluster, "route_by", &list))
        return;
    for (size_t j = 0; j < conf->n_route_by && config_place_item(load, &list, j, &at); j++) {
        check_rule(load, &at, conf, j);
        if (is_used(load->config, i))
            check_source(load, &at, i, conf->route_by[j].from);
    }
}

/* ---- towards the nodes --------------------------------------------------------------- */

static void check_proxy_protocol(struct config_load *load, const struct config_place *cluster,
                                 const struct cluster_conf *conf)
{
    struct config_place at;
    if (conf->proxy_protocol != PROXY_PROTOCOL_V2 &&
        config_place_member(load, cluster, "proxy_protocol_tlvs", &at))
        config_error(load, &at,
                     "requires \"proxy_protocol\" \"v2\": only version 2 headers can contain TLVs");
}

/* A node's certificate is checked against server_name, or else against the node's IP address, which
 * a Unix socket does not have. */
static void check_tls_names(struct config_load *load, const struct config_place *tls,
                            const struct cluster_conf *conf)
{
    if (!conf->tls->verify || config_has(tls, "server_name"))
        return;
    for (size_t i = 0; i < conf->n_nodes; i++) {
        if (!config_address_unix(conf->nodes[i].address))
            continue;
        config_error(load, tls,
                     "requires \"server_name\": nodes[%zu] is a Unix socket, which has no IP "
                     "address that a certificate could contain",
                     i);
        return;
    }
}

static void check_upstream_tls(struct config_load *load, const struct config_place *cluster,
                               const struct cluster_conf *conf)
{
    struct config_place tls;
    struct config_place at;
    if (!conf->tls || !config_place_member(load, cluster, "tls", &tls))
        return;
    conf->tls->line = config_lines_line(&load->lines, tls.entry);
    config_want_with(load, &tls, "certificate_file", "private_key_file", "");
    config_want_with(load, &tls, "private_key_file", "certificate_file", "");
    config_want_with(load, &tls, "private_key_passphrase_file", "private_key_file", "");
    check_tls_names(load, &tls, conf);
    if (!conf->tls->verify && config_place_member(load, &tls, "ca_file", &at))
        config_warning(load, &at, "has no effect: \"verify\" is false");
}

void config_check_clusters(struct config_load *load, const struct config_place *root)
{
    struct config_place list;
    struct config_place at;
    struct config *config = load->config;
    if (!config_place_member(load, root, "clusters", &list))
        return;
    for (size_t i = 0; i < config->n_clusters; i++) {
        if (!config_place_element(load, &list, i, &at) || !json_is_object(at.value))
            continue;
        check_route_by(load, &at, i);
        config_check_nodes(load, &at, &config->clusters[i]);
        config_check_health(load, &at, &config->clusters[i]);
        check_proxy_protocol(load, &at, &config->clusters[i]);
        check_upstream_tls(load, &at, &config->clusters[i]);
        /* After an error, the cluster of a listener may be unknown. */
        if (load->messages->errors == 0 && !is_used(config, i))
            config_warning(load, &at, "no listener uses this cluster");
    }
}
