/*
 * health.c - check rules between the keys of clusters[].health_check.
 */
#include "check.h"

#include <inttypes.h>

#include "model/config/address.h"
#include "model/config/message.h"

/* Set the defaults that depend on interval_ms. */
static void fill_times(struct health_check_conf *conf)
{
    if (conf->fast_interval_ms == 0)
        conf->fast_interval_ms = (uint32_t)size_min(1000, conf->interval_ms);
    if (conf->timeout_ms == 0)
        conf->timeout_ms = (uint32_t)size_min(3000, conf->interval_ms);
}

/* Not checked if there are errors, because one of the times may be invalid. */
static void check_times(struct config_load *load, const struct config_place *check,
                        const struct health_check_conf *conf)
{
    struct config_place at;
    if (load->messages->errors > 0)
        return;
    if (conf->timeout_ms > conf->interval_ms && config_place_member(load, check, "timeout_ms", &at))
        config_warning(load, &at,
                       "is longer than \"interval_ms\" (%" PRIu32
                       "): a node that does not respond is checked less often",
                       conf->interval_ms);
    if (conf->fast_interval_ms > conf->interval_ms &&
        config_place_member(load, check, "fast_interval_ms", &at))
        config_warning(load, &at, "is longer than \"interval_ms\" (%" PRIu32 ")",
                       conf->interval_ms);
}

/* Report keys that belong to another type of check. */
static void check_type(struct config_load *load, const struct config_place *check,
                       const struct health_check_conf *conf)
{
    static const struct {
        const char *key;
        enum check_type type;
        const char *name;
    } row[] = {
        {"username", CHECK_TYPE_MQTT, "mqtt"}, {"password_file", CHECK_TYPE_MQTT, "mqtt"},
        {"method", CHECK_TYPE_HTTP, "http"},   {"path", CHECK_TYPE_HTTP, "http"},
        {"port", CHECK_TYPE_HTTP, "http"},     {"expect", CHECK_TYPE_HTTP, "http"},
        {"no_new", CHECK_TYPE_HTTP, "http"},
    };
    struct config_place at;
    for (size_t i = 0; conf->type != CHECK_TYPE_COUNT && i < ARRAY_LEN(row); i++) {
        if (conf->type != row[i].type && config_place_member(load, check, row[i].key, &at))
            config_error(load, &at, "requires \"type\" \"%s\"", row[i].name);
    }
}

static bool has_code(const uint32_t *codes, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n; i++) {
        if (codes[i] == code)
            return true;
    }
    return false;
}

/* Report codes that are in both lists, one of which can be a default. */
static void check_codes(struct config_load *load, const struct config_place *check,
                        const struct health_check_conf *conf)
{
    struct config_place at;
    for (size_t i = 0; i < conf->n_no_new; i++) {
        if (!has_code(conf->expect, conf->n_expect, conf->no_new[i]))
            continue;
        if (config_place_member(load, check, "no_new", &at))
            config_error(load, &at, "%" PRIu32 " is also in \"expect\"", conf->no_new[i]);
        else if (config_place_member(load, check, "expect", &at))
            config_error(load, &at, "%" PRIu32 " is also in the default of \"no_new\"",
                         conf->no_new[i]);
    }
}

/* An HTTP check connects to a port of the node's host, or to check_address. */
static void check_http_places(struct config_load *load, const struct config_place *check,
                              const struct cluster_conf *conf)
{
    struct config_place at;
    size_t elsewhere = 0;
    for (size_t i = 0; i < conf->n_nodes; i++) {
        elsewhere += conf->nodes[i].check_address != NULL;
        if (config_address_unix(conf->nodes[i].address) && !conf->nodes[i].check_address)
            config_error(load, check,
                         "requires \"check_address\" in nodes[%zu]: a Unix socket has no HTTP port",
                         i);
    }
    if (elsewhere > 0 && elsewhere == conf->n_nodes &&
        config_place_member(load, check, "port", &at))
        config_warning(load, &at, "has no effect: every node has a \"check_address\"");
}

/* Warn about check_address if the cluster has no health checks. */
static void check_addresses_in_vain(struct config_load *load, const struct config_place *cluster)
{
    struct config_place list;
    struct config_place node;
    struct config_place at;
    if (!config_place_member(load, cluster, "nodes", &list))
        return;
    for (size_t i = 0; config_place_element(load, &list, i, &node); i++) {
        if (config_place_member(load, &node, "check_address", &at))
            config_warning(load, &at, "has no effect without \"health_check\" in the cluster");
    }
}

void config_check_health(struct config_load *load, const struct config_place *cluster,
                         const struct cluster_conf *conf)
{
    struct config_place at;
    if (!config_place_member(load, cluster, "health_check", &at)) {
        check_addresses_in_vain(load, cluster);
        return;
    }
    if (!conf->health_check)
        return;
    fill_times(conf->health_check);
    check_times(load, &at, conf->health_check);
    check_type(load, &at, conf->health_check);
    config_want_with(load, &at, "password_file", "username", "");
    if (conf->health_check->type != CHECK_TYPE_HTTP)
        return;
    check_codes(load, &at, conf->health_check);
    check_http_places(load, &at, conf);
}
