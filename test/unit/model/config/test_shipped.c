/*
 * test_shipped.c - the configurations in config/ are valid, every-key.json contains every key, and
 * the reference has a row for each.
 */
#include <dirent.h>

#include <jansson.h>

#include "model/config/table.h"
#include "testing.h"
#include "unit.h"

static struct config *parse_shipped(const char *name, struct config_messages *messages)
{
    char path[4096];
    size_t n;
    snprintf(path, sizeof path, SOURCE_DIR "/config/%s", name);
    char *text = read_whole(path, &n);
    struct config *config = config_parse(text, n, name, messages);
    free(text);
    if (!config)
        fail_msg("%s", messages->n ? messages->list[0].text : name);
    return config;
}

static bool is_configuration(const char *name)
{
    static const char *const others[] = {"grafana-dashboard.json", "openapi.json"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcmp(name, others[i]) == 0)
            return false;
    return dot && strcmp(dot, ".json") == 0;
}

static void every_shipped_file_is_valid(void **state)
{
    (void)state;
    DIR *dir = opendir(SOURCE_DIR "/config");
    unsigned seen = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct config_messages messages;
        if (!is_configuration(entry->d_name))
            continue;
        struct config *config = parse_shipped(entry->d_name, &messages);
        for (size_t i = 0; i < messages.n; i++)
            assert_non_null(strstr(messages.list[i].text, "known, but has no effect"));
        config_messages_fini(&messages);
        config_free(config);
        seen++;
    }
    closedir(dir);
    assert_in_range(seen, 7, 100);
}

static void expect_emqx_nodes(const struct cluster_conf *cluster)
{
    assert_int_equal(cluster->n_nodes, 2);
    assert_string_equal(cluster->nodes[0].name, "emqx1");
    assert_string_equal(cluster->nodes[0].address, "192.168.0.2:1883");
    assert_string_equal(cluster->nodes[1].name, "emqx2");
    assert_string_equal(cluster->nodes[1].address, "192.168.0.3:1883");
    assert_int_equal(cluster->nodes[0].weight, cluster->nodes[1].weight);
}

static void emqx_cluster_has_two_ports_and_two_nodes(void **state)
{
    (void)state;
    struct config_messages messages;
    struct config *config = parse_shipped("emqx-cluster.json", &messages);
    assert_int_equal(messages.n, 0);
    assert_int_equal(config->n_listeners, 2);
    assert_string_equal(config->listeners[0].addresses[0], "0.0.0.0:1883");
    assert_null(config->listeners[0].tls);
    assert_string_equal(config->listeners[1].addresses[0], "0.0.0.0:8883");
    assert_non_null(config->listeners[1].tls);
    assert_int_equal(config->clusters[0].route_by[0].from, ROUTE_CLIENT_ID);
    assert_int_equal(config->clusters[0].proxy_protocol, PROXY_PROTOCOL_V2);
    expect_emqx_nodes(&config->clusters[0]);
    assert_int_equal(config->clusters[0].health_check->type, CHECK_TYPE_HTTP);
    assert_int_equal(config->clusters[0].health_check->port, 18083);
    config_messages_fini(&messages);
    config_free(config);
}

static void from_haproxy_and_from_nginx_match_the_original_settings(void **state)
{
    (void)state;
    static const char *const name[] = {"from-haproxy.json", "from-nginx.json"};
    for (size_t i = 0; i < ARRAY_LEN(name); i++) {
        struct config_messages messages;
        struct config *config = parse_shipped(name[i], &messages);
        assert_int_equal(config->n_listeners, 1);
        assert_string_equal(config->listeners[0].addresses[0], "*:8883");
        assert_non_null(config->listeners[0].tls);
        assert_int_equal(config->clusters[0].n_route_by, 1);
        assert_int_equal(config->clusters[0].route_by[0].from, ROUTE_SOURCE_IP);
        assert_int_equal(config->clusters[0].proxy_protocol, PROXY_PROTOCOL_NONE);
        assert_int_equal(config->timeouts.tls_handshake_ms, 15000);
        assert_int_equal(config->timeouts.idle_ms, 0);
        assert_int_equal(config->limits.max_connections, i == 0 ? 50000 : 0);
        assert_int_equal(config->limits.relay_buffer_bytes, i == 0 ? 16384 : 4096);
        expect_emqx_nodes(&config->clusters[0]);
        config_messages_fini(&messages);
        config_free(config);
    }
}

static void kubernetes_uses_srv_discovery_and_slow_start(void **state)
{
    (void)state;
    struct config_messages messages;
    struct config *config = parse_shipped("kubernetes.json", &messages);
    const struct cluster_conf *cluster = &config->clusters[0];
    assert_int_equal(messages.n, 0);
    assert_int_equal(cluster->n_nodes, 0);
    assert_int_equal(cluster->discovery->record, DNS_RECORD_SRV);
    assert_int_equal(cluster->discovery->node_name, NODE_NAME_TARGET);
    assert_int_equal(cluster->health_check->type, CHECK_TYPE_HTTP);
    assert_in_range(cluster->node_defaults.slow_start_ms, 1, cluster->homecoming->after_ms);
    config_messages_fini(&messages);
    config_free(config);
}

static void websocket_has_ws_wss_and_mqtt_listeners(void **state)
{
    (void)state;
    struct config_messages messages;
    struct config *config = parse_shipped("websocket.json", &messages);
    assert_int_equal(messages.n, 0);
    assert_int_equal(config->n_listeners, 3);
    assert_null(config->listeners[0].websocket);
    assert_string_equal(config->listeners[1].addresses[0], "0.0.0.0:8083");
    assert_string_equal(config->listeners[1].websocket->path, "/mqtt");
    assert_null(config->listeners[1].tls);
    assert_string_equal(config->listeners[2].addresses[0], "0.0.0.0:8084");
    assert_string_equal(config->listeners[2].websocket->path, "/mqtt");
    assert_non_null(config->listeners[2].tls);
    expect_emqx_nodes(&config->clusters[0]);
    config_messages_fini(&messages);
    config_free(config);
}

/* EMQX takes the user name from the SSL TLV: peer_cert_as_username = cn. */
static void mtls_requires_certificates_and_sends_their_name_to_the_node(void **state)
{
    (void)state;
    struct config_messages messages;
    struct config *config = parse_shipped("mtls.json", &messages);
    assert_int_equal(messages.n, 0);
    assert_int_equal(config->n_listeners, 1);
    assert_int_equal(config->listeners[0].tls->client_auth, CLIENT_AUTH_REQUIRE);
    assert_non_null(config->listeners[0].tls->client_ca_file);
    assert_int_equal(config->listeners[0].identity->claim, IDENTITY_CLIENT_ID);
    assert_int_equal(config->listeners[0].identity->n_names, 1);
    assert_int_equal(config->listeners[0].identity->names[0], IDENTITY_CN);
    assert_int_equal(config->clusters[0].route_by[0].from, ROUTE_TLS_CN);
    assert_int_equal(config->clusters[0].proxy_protocol, PROXY_PROTOCOL_V2);
    assert_true(config->clusters[0].proxy_protocol_tlvs & PROXY_TLV_SSL);
    expect_emqx_nodes(&config->clusters[0]);
    config_messages_fini(&messages);
    config_free(config);
}

static void behind_balancer_trusts_only_the_balancers(void **state)
{
    (void)state;
    struct config_messages messages;
    struct config *config = parse_shipped("behind-balancer.json", &messages);
    assert_int_equal(messages.n, 0);
    assert_int_equal(config->n_listeners, 2);
    assert_true(config->listeners[0].accept_proxy_protocol);
    assert_int_equal(config->listeners[0].n_trusted_proxies, 2);
    assert_false(config->listeners[1].accept_proxy_protocol);
    assert_int_equal(config->listeners[1].n_trusted_proxies, 2);
    assert_non_null(config->listeners[1].websocket);
    assert_string_equal(config->listeners[1].client_address_header, "X-Forwarded-For");
    expect_emqx_nodes(&config->clusters[0]);
    config_messages_fini(&messages);
    config_free(config);
}

/* Return all values of a key in these objects; lists are expanded. */
static json_t *values_of(const json_t *objects, const struct config_key *key)
{
    json_t *values = json_array();
    for (size_t i = 0; i < json_array_size(objects); i++) {
        json_t *value = json_object_get(json_array_get(objects, i), key->key);
        if (json_is_array(value))
            json_array_extend(values, value);
        else if (value)
            json_array_append(values, value);
    }
    return values;
}

/* Each key must be in at least one object. A single object cannot have all keys. */
static void expect_all_keys(const struct config_table *table, const json_t *objects)
{
    for (size_t i = 0; i < table->n_keys; i++) {
        const struct config_key *key = &table->keys[i];
        json_t *values = values_of(objects, key);
        bool excluded = strcmp(key->key, "idle") == 0; /* excluded by idle_ms */
        if ((json_array_size(values) > 0) == excluded)
            fail_msg("%s", key->key);
        if (key->table)
            expect_all_keys(key->table, values);
        json_decref(values);
    }
}

static void every_key_of_this_version_is_in_every_key_json(void **state)
{
    (void)state;
    json_t *root = json_load_file(SOURCE_DIR "/config/every-key.json", 0, NULL);
    assert_non_null(root);
    json_t *objects = json_pack("[o]", root);
    expect_all_keys(&config_top_table, objects);
    json_decref(objects);
}

static size_t count_rows(const struct config_table *table)
{
    size_t n = table->n_keys;
    for (size_t i = 0; i < table->n_keys; i++) {
        if (table->keys[i].table)
            n += count_rows(table->keys[i].table);
    }
    return n;
}

static void the_reference_has_a_row_with_four_cells_for_each_key(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    size_t rows = 0;
    FILE *out = open_memstream(&text, &n);
    config_reference(out);
    fclose(out);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t bars = 0;
        for (const char *p = line; *p; p++)
            bars += *p == '|';
        assert_int_equal(bars, 5);
        rows++;
    }
    assert_int_equal(rows, 2 + count_rows(&config_top_table));
    free(text);
}

static bool reference_has(const char *line)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    config_reference(out);
    fclose(out);
    bool has = strstr(text, line) != NULL;
    free(text);
    return has;
}

static void the_reference_contains_range_default_and_state(void **state)
{
    (void)state;
    assert_true(reference_has("| `timeouts.dial_ms` | 100 to 600000 | `3000` | "));
    assert_true(
        reference_has("| `listeners[].tls.min_version` | `\"1.2\"`, `\"1.3\"` | `\"1.2\"` | "));
    assert_true(reference_has("| `clusters[].nodes[].name` | text, up to 128 bytes | required | "));
    assert_true(reference_has("| `listeners[].websocket` | object | no WebSocket | "));
    assert_true(reference_has("| `listeners[].websocket.path` | URL path, up to 255 bytes | "
                              "`\"/mqtt\"` | "));
    assert_true(reference_has("| `listeners[].dual_stack` | `true`, `false` | `false` | "));
    assert_true(reference_has("| `clusters[].tls.verify` | `true`, `false` | `true` | "));
    assert_true(
        reference_has("| `listeners[].tls.client_crl_files` | file name; or a list of up to "
                      "64 | none | "));
    assert_true(reference_has("| `listeners[].tls.session_tickets.key_file` | file name | "));
    assert_true(reference_has("| `clusters[].route_by[].from` | `\"client_id\"`, "));
    assert_true(reference_has("| `clusters[].proxy_protocol_tlvs` | list of `\"alpn\"`, "));
    assert_true(reference_has("| `clusters[].nodes` | 1 to 1024 objects | required without "
                              "`discovery` | "));
    assert_true(reference_has("| `clusters[].bounded_load` | number, 1 to 100 | off | "));
    assert_true(reference_has("| `clusters[].homecoming` | `false`, object | `false` | "));
    assert_true(reference_has("| `clusters[].passive` | `false`, object | on | "));
    assert_true(reference_has("| `clusters[].health_check.expect` | 100 to 599; or a list of up "
                              "to 32 | `200` | "));
    assert_true(reference_has("| `clusters[].health_check.no_new` | 100 to 599; or a list of 0 "
                              "to 32 | `503` | "));
    assert_true(reference_has("| `clusters[].discovery.resolver` | numeric address, with or "
                              "without a port | the system's | "));
    assert_true(reference_has("| `clusters[].source_addresses` | IP address, up to 45 bytes; or "
                              "a list of up to 256 | "));
    assert_true(reference_has("| `admin` | `false`, object | `false` | "));
    assert_true(reference_has("| `workers` | 1 to 256 | one per core | "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shipped_file_is_valid),
        cmocka_unit_test(emqx_cluster_has_two_ports_and_two_nodes),
        cmocka_unit_test(from_haproxy_and_from_nginx_match_the_original_settings),
        cmocka_unit_test(kubernetes_uses_srv_discovery_and_slow_start),
        cmocka_unit_test(websocket_has_ws_wss_and_mqtt_listeners),
        cmocka_unit_test(mtls_requires_certificates_and_sends_their_name_to_the_node),
        cmocka_unit_test(behind_balancer_trusts_only_the_balancers),
        cmocka_unit_test(every_key_of_this_version_is_in_every_key_json),
        cmocka_unit_test(the_reference_has_a_row_with_four_cells_for_each_key),
        cmocka_unit_test(the_reference_contains_range_default_and_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
