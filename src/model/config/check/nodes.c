/*
 * nodes.c - check rules between the keys about a cluster's nodes: membership, weights, and features
 * that require several nodes.
 *
 * With discovery the nodes are not known here, so most checks are skipped.
 */
#include "check.h"

#include <inttypes.h>
#include <string.h>

#include "model/config/address.h"
#include "model/config/message.h"

/* ---- membership ---------------------------------------------------------------------- */

static void check_membership(struct config_load *load, const struct config_place *cluster)
{
    struct config_place at;
    if (!config_has(cluster, "nodes") && !config_has(cluster, "discovery")) {
        at = (struct config_place){.up = cluster, .key = "nodes", .entry = cluster->entry};
        config_error(load, &at, "required without \"discovery\", but missing");
    } else if (config_has(cluster, "nodes") && config_place_member(load, cluster, "discovery", &at))
        config_error(load, &at, "must not be set together with \"nodes\"");
}

/* Set the defaults that depend on other keys. An invalid key keeps the value ..._COUNT. */
static void fill_discovery(const struct config_place *at, struct discovery_conf *conf)
{
    if (!config_has(at, "record"))
        conf->record = DNS_RECORD_A;
    if (!config_has(at, "node_name"))
        conf->node_name = conf->record == DNS_RECORD_SRV ? NODE_NAME_TARGET : NODE_NAME_ADDRESS;
}

static void check_discovery(struct config_load *load, const struct config_place *cluster,
                            const struct cluster_conf *conf)
{
    struct config_place at;
    struct config_place inner;
    if (!conf->discovery || !config_place_member(load, cluster, "discovery", &at))
        return;
    fill_discovery(&at, conf->discovery);
    if (conf->discovery->record == DNS_RECORD_COUNT)
        return;
    if (conf->discovery->record != DNS_RECORD_SRV &&
        conf->discovery->node_name == NODE_NAME_TARGET &&
        config_place_member(load, &at, "node_name", &inner))
        config_error(load, &inner, "requires \"record\" \"srv\": other records have no target");
    if (conf->discovery->record == DNS_RECORD_SRV && config_place_member(load, &at, "port", &inner))
        config_error(load, &inner,
                     "must not be set with \"record\" \"srv\": SRV records contain the port");
}

/* ---- weight and state ---------------------------------------------------------------- */

static bool has_weight(const struct cluster_conf *cluster, bool and_is_up)
{
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        if (cluster->nodes[i].weight > 0 &&
            (!and_is_up || cluster->nodes[i].state == NODE_STATE_UP))
            return true;
    }
    return false;
}

static bool all_are_backups(const struct cluster_conf *cluster)
{
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        if (!cluster->nodes[i].backup)
            return false;
    }
    return true;
}

static void check_openness(struct config_load *load, const struct config_place *cluster,
                           const struct cluster_conf *conf)
{
    struct config_place nodes;
    if (conf->n_nodes == 0 || !config_place_member(load, cluster, "nodes", &nodes))
        return;
    if (!has_weight(conf, false))
        config_error(load, &nodes, "must contain at least one node with a weight above 0");
    else if (!has_weight(conf, true))
        config_warning(load, &nodes,
                       "no node with a weight above 0 is \"up\": every device will be refused");
    if (all_are_backups(conf))
        config_warning(load, &nodes, "has no effect: all nodes are backups");
}

/* ---- the router itself --------------------------------------------------------------- */

/* Return whether the listener accepts connections to the node's address. Compares only addresses,
 * so it cannot detect all cases. */
static bool listens_on(const struct listener_conf *listener, const char *node)
{
    struct config_address own;
    struct config_address dialled;
    for (size_t i = 0; i < listener->n_addresses; i++) {
        if (config_address_equal(listener->addresses[i], node))
            return true;
        if (config_address_parse(listener->addresses[i], &own) &&
            config_address_parse(node, &dialled) && own.any && own.port == dialled.port &&
            (own.v6 == dialled.v6 || (own.v6 && listener->dual_stack)) &&
            config_address_loopback(&dialled))
            return true;
    }
    return false;
}

/* Warn about nodes that are this router: each connection would make it connect to itself again. */
static void check_loops(struct config_load *load, const struct config_place *cluster,
                        const struct cluster_conf *conf)
{
    struct config_place list;
    struct config_place node;
    struct config_place at;
    if (!config_place_member(load, cluster, "nodes", &list))
        return;
    for (size_t k = 0; k < conf->n_nodes && config_place_element(load, &list, k, &node); k++) {
        for (size_t i = 0; i < load->config->n_listeners; i++) {
            if (!conf->nodes[k].address ||
                !listens_on(&load->config->listeners[i], conf->nodes[k].address) ||
                !config_place_member(load, &node, "address", &at))
                continue;
            config_warning(load, &at,
                           "is also an address of listeners[%zu]: the router may connect to itself",
                           i);
            break;
        }
    }
}

/* ---- pacing -------------------------------------------------------------------------- */

static bool is_paced(const struct cluster_conf *cluster)
{
    bool paced = cluster->node_defaults.max_connects_per_s > 0;
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        uint32_t per_s = cluster->nodes[i].max_connects_per_s;
        paced |= per_s > 0 && per_s != NODE_AS_DEFAULT;
    }
    return paced;
}

/* Not checked if there are errors, because one of the rates may be invalid. */
static void check_pace(struct config_load *load, const struct config_place *cluster,
                       const struct cluster_conf *conf)
{
    struct config_place defaults;
    struct config_place at;
    if (load->messages->errors > 0)
        return;
    if (!is_paced(conf) && config_place_member(load, cluster, "node_defaults", &defaults) &&
        config_place_member(load, &defaults, "connect_queue_ms", &at))
        config_warning(load, &at, "has no effect without \"max_connects_per_s\"");
    if (conf->on_node_down == ON_NODE_DOWN_KEEP &&
        config_place_member(load, cluster, "close_rate_per_s", &at))
        config_warning(load, &at, "has no effect with \"on_node_down\" \"keep\"");
}

/* ---- features for several nodes ------------------------------------------------------ */

/* Not checked if there are errors, because they may be about the nodes or one of these keys. */
static void check_single_node(struct config_load *load, const struct config_place *cluster,
                              const struct cluster_conf *conf)
{
    static const char *const key[] = {"passive", "bounded_load", "homecoming"};
    struct config_place at;
    if (conf->n_nodes != 1 || load->messages->errors > 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(key); i++) {
        if (config_place_member(load, cluster, key[i], &at) && !json_is_false(at.value))
            config_warning(load, &at, "has no effect in a cluster of one node");
    }
}

/* While the home node is warming up, a session that is closed for homecoming may be placed on
 * another node again. */
static void check_homecoming(struct config_load *load, const struct config_place *cluster,
                             const struct cluster_conf *conf)
{
    struct config_place at;
    struct config_place inner;
    if (!conf->homecoming || !config_place_member(load, cluster, "homecoming", &at) ||
        conf->homecoming->after_ms >= conf->node_defaults.slow_start_ms)
        return;
    config_warning(load, config_place_member(load, &at, "after_ms", &inner) ? &inner : &at,
                   "\"after_ms\" should be at least \"slow_start_ms\" (%" PRIu32
                   "): until then, a node does not accept all of its devices",
                   conf->node_defaults.slow_start_ms);
}

/* ---- source_addresses ---------------------------------------------------------------- */

/* Return whether a node has an address of this family, or one that is not known here. */
static bool has_family(const struct cluster_conf *cluster, bool v6)
{
    struct config_address address;
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        if (!cluster->nodes[i].address ||
            (config_address_parse(cluster->nodes[i].address, &address) && address.v6 == v6))
            return true;
    }
    return cluster->n_nodes == 0;
}

static bool same_host(const char *a, const char *b)
{
    struct config_address left;
    struct config_address right;
    return config_host_parse(a, &left) && config_host_parse(b, &right) && left.v6 == right.v6 &&
           memcmp(left.host, right.host, sizeof left.host) == 0;
}

static void check_source_address(struct config_load *load, const struct config_place *at,
                                 const struct cluster_conf *conf, size_t i)
{
    char got[CONFIG_GOT_MAX];
    struct config_address address;
    for (size_t j = 0; j < i; j++) {
        if (!same_host(conf->source_addresses[j], conf->source_addresses[i]))
            continue;
        config_error(load, at, "%s is already in the list",
                     config_quote(conf->source_addresses[i], got));
        return;
    }
    if (config_host_parse(conf->source_addresses[i], &address) && !has_family(conf, address.v6))
        config_warning(load, at, "has no effect: no node has an %s address",
                       address.v6 ? "IPv6" : "IPv4");
}

static void check_source_addresses(struct config_load *load, const struct config_place *cluster,
                                   const struct cluster_conf *conf)
{
    struct config_place list;
    struct config_place at;
    if (!config_place_member(load, cluster, "source_addresses", &list))
        return;
    for (size_t i = 0; i < conf->n_source_addresses && config_place_item(load, &list, i, &at); i++)
        check_source_address(load, &at, conf, i);
}

void config_check_nodes(struct config_load *load, const struct config_place *cluster,
                        const struct cluster_conf *conf)
{
    check_membership(load, cluster);
    check_discovery(load, cluster, conf);
    check_openness(load, cluster, conf);
    check_loops(load, cluster, conf);
    check_pace(load, cluster, conf);
    check_single_node(load, cluster, conf);
    check_homecoming(load, cluster, conf);
    check_source_addresses(load, cluster, conf);
}
