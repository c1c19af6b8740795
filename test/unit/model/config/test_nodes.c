/*
 * test_nodes.c - the keys about nodes are stored, and have their defaults. Errors are tested by the
 * cases of test_config.c.
 */
#include "testing.h"

static void every_key_of_nodes_is_stored(void **state)
{
    (void)state;
    struct config *config = parse_every_key();
    const struct cluster_conf *cluster = &config->clusters[0];
    assert_int_equal(cluster->n_nodes, 3);
    const struct node_conf *node = &cluster->nodes[1];
    assert_string_equal(node->name, "emqx2");
    assert_string_equal(node->address, "192.168.0.3:8883");
    assert_int_equal(node->weight, 2);
    assert_int_equal(node->state, NODE_STATE_DRAINING);
    assert_false(node->backup);
    assert_int_equal(node->max_connections, 20000);
    assert_int_equal(node->max_connects_per_s, 200);
    assert_null(node->check_address);
    assert_true(cluster->nodes[2].backup);
    assert_string_equal(cluster->nodes[2].check_address, "10.0.0.4:18083");
    assert_int_equal(cluster->node_defaults.max_connections, 30000);
    assert_int_equal(cluster->node_defaults.max_connects_per_s, 500);
    assert_int_equal(cluster->node_defaults.connect_queue_ms, 1500);
    assert_int_equal(cluster->node_defaults.slow_start_ms, 30000);
    config_free(config);
}

static void every_key_of_failures_and_draining_is_stored(void **state)
{
    (void)state;
    struct config *config = parse_every_key();
    const struct cluster_conf *cluster = &config->clusters[0];
    assert_false(cluster->passive.off);
    assert_int_equal(cluster->passive.failures, 6);
    assert_int_equal(cluster->passive.window_ms, 12000);
    assert_int_equal(cluster->passive.eject_ms, 15000);
    assert_int_equal(cluster->passive.max_ejected_percent, 40);
    assert_int_equal(config->clusters[1].on_node_down, ON_NODE_DOWN_KEEP);
    assert_int_equal(cluster->close_rate_per_s, 400);
    assert_int_equal(cluster->drain_rate_per_s, 200);
    assert_int_equal(cluster->drain_deadline_ms, 600000);
    assert_int_equal(cluster->homecoming->after_ms, 90000);
    assert_int_equal(cluster->homecoming->rate_per_s, 60);
    assert_true(cluster->replay);
    assert_int_equal(cluster->bounded_load_permille, 1250);
    assert_int_equal(cluster->n_source_addresses, 2);
    assert_string_equal(cluster->source_addresses[0], "192.168.0.10");
    assert_string_equal(cluster->source_addresses[1], "192.168.0.11");
    config_free(config);
}

static void every_key_of_health_checks_is_stored(void **state)
{
    (void)state;
    struct config *config = parse_every_key();
    const struct health_check_conf *http = config->clusters[0].health_check;
    assert_int_equal(http->type, CHECK_TYPE_HTTP);
    assert_int_equal(http->interval_ms, 6000);
    assert_int_equal(http->fast_interval_ms, 1500);
    assert_int_equal(http->timeout_ms, 4000);
    assert_int_equal(http->fall, 3);
    assert_int_equal(http->rise, 4);
    assert_string_equal(http->method, "HEAD");
    assert_string_equal(http->path, "/api/v5/load_rebalance/availability_check");
    assert_int_equal(http->port, 18084);
    assert_int_equal(http->n_expect, 2);
    assert_int_equal(http->expect[0], 200);
    assert_int_equal(http->expect[1], 204);
    assert_int_equal(http->n_no_new, 1);
    assert_int_equal(http->no_new[0], 503);
    const struct health_check_conf *mqtt = config->clusters[1].health_check;
    assert_int_equal(mqtt->type, CHECK_TYPE_MQTT);
    assert_string_equal(mqtt->username, "mqtt-router");
    assert_string_equal(mqtt->password_file, "check.password");
    config_free(config);
}

static void every_key_of_discovery_is_stored(void **state)
{
    (void)state;
    struct config *config = parse_every_key();
    const struct discovery_conf *srv = config->clusters[1].discovery;
    assert_int_equal(config->clusters[1].n_nodes, 0);
    assert_null(config->clusters[1].nodes);
    assert_int_equal(srv->type, DISCOVERY_DNS);
    assert_string_equal(srv->name, "_mqtt._tcp.emqx-headless.default.svc.cluster.local");
    assert_int_equal(srv->record, DNS_RECORD_SRV);
    assert_int_equal(srv->refresh_ms, 20000);
    assert_int_equal(srv->node_name, NODE_NAME_TARGET);
    assert_string_equal(srv->resolver, "10.96.0.10:53");
    const struct discovery_conf *both = config->clusters[2].discovery;
    assert_string_equal(both->name, "emqx.example.com.");
    assert_int_equal(both->port, 1884);
    assert_int_equal(both->record, DNS_RECORD_A_AAAA);
    assert_int_equal(both->node_name, NODE_NAME_ADDRESS);
    config_free(config);
}

/* Parse a file with one cluster that has these keys in addition to "name". */
static struct config *parse_cluster(const char *keys)
{
    char text[2048];
    snprintf(text, sizeof text,
             "{\"listeners\":[{\"name\":\"l\",\"address\":\"0.0.0.0:1883\",\"cluster\":\"c\"}],"
             "\"clusters\":[{\"name\":\"c\",%s}]}",
             keys);
    return parse_good(text, "config.json");
}

#define TWO_NODES                                                                                  \
    "\"nodes\":[{\"name\":\"n\",\"address\":\"[::1]:1884\"},"                                      \
    "{\"name\":\"m\",\"address\":\"[::1]:1885\"}]"

static void expect_default_nodes(const struct cluster_conf *cluster)
{
    const struct node_conf *node = &cluster->nodes[0];
    assert_int_equal(node->weight, 1);
    assert_int_equal(node->state, NODE_STATE_UP);
    assert_false(node->backup);
    assert_true(node->max_connections == NODE_AS_DEFAULT);
    assert_true(node->max_connects_per_s == NODE_AS_DEFAULT);
    assert_null(node->check_address);
    assert_int_equal(cluster->node_defaults.max_connections, 0);
    assert_int_equal(cluster->node_defaults.max_connects_per_s, 0);
    assert_int_equal(cluster->node_defaults.connect_queue_ms, 1000);
    assert_int_equal(cluster->node_defaults.slow_start_ms, 0);
}

static void expect_default_passive(const struct passive_conf *passive)
{
    assert_false(passive->off);
    assert_int_equal(passive->failures, 5);
    assert_int_equal(passive->window_ms, 10000);
    assert_int_equal(passive->eject_ms, 10000);
    assert_int_equal(passive->max_ejected_percent, 50);
}

static void nodes_have_defaults(void **state)
{
    (void)state;
    struct config *config = parse_cluster(TWO_NODES);
    expect_default_nodes(&config->clusters[0]);
    expect_default_passive(&config->clusters[0].passive);
    config_free(config);
}

static void features_can_be_switched_on_and_off(void **state)
{
    (void)state;
    struct config *config =
        parse_cluster(TWO_NODES ",\"passive\":false,\"homecoming\":false,\"replay\":false");
    assert_true(config->clusters[0].passive.off);
    assert_int_equal(config->clusters[0].passive.failures, 5);
    assert_null(config->clusters[0].homecoming);
    assert_false(config->clusters[0].replay);
    config_free(config);
    config = parse_cluster(TWO_NODES ",\"passive\":{},\"homecoming\":{}");
    expect_default_passive(&config->clusters[0].passive);
    assert_int_equal(config->clusters[0].homecoming->after_ms, 60000);
    assert_int_equal(config->clusters[0].homecoming->rate_per_s, 50);
    config_free(config);
}

static void a_health_check_with_only_a_type_has_defaults(void **state)
{
    (void)state;
    struct config *config = parse_cluster(TWO_NODES ",\"health_check\":{\"type\":\"http\"}");
    const struct health_check_conf *check = config->clusters[0].health_check;
    assert_int_equal(check->type, CHECK_TYPE_HTTP);
    assert_int_equal(check->interval_ms, 5000);
    assert_int_equal(check->fast_interval_ms, 1000);
    assert_int_equal(check->timeout_ms, 3000);
    assert_int_equal(check->fall, 2);
    assert_int_equal(check->rise, 2);
    assert_null(check->username);
    assert_null(check->password_file);
    assert_string_equal(check->method, "GET");
    assert_string_equal(check->path, "/status");
    assert_int_equal(check->port, 18083);
    assert_int_equal(check->n_expect, 1);
    assert_int_equal(check->expect[0], 200);
    assert_int_equal(check->n_no_new, 1);
    assert_int_equal(check->no_new[0], 503);
    config_free(config);
}

static void short_intervals_limit_the_other_times_of_a_check(void **state)
{
    (void)state;
    struct config *config =
        parse_cluster(TWO_NODES ",\"health_check\":{\"type\":\"tcp\",\"interval_ms\":400}");
    assert_int_equal(config->clusters[0].health_check->fast_interval_ms, 400);
    assert_int_equal(config->clusters[0].health_check->timeout_ms, 400);
    config_free(config);
}

static void codes_can_be_one_or_several_or_none(void **state)
{
    (void)state;
    struct config *config =
        parse_cluster(TWO_NODES ",\"health_check\":{\"type\":\"http\",\"expect\":[204,503],"
                                "\"no_new\":[]}");
    assert_int_equal(config->clusters[0].health_check->n_expect, 2);
    assert_int_equal(config->clusters[0].health_check->expect[1], 503);
    assert_int_equal(config->clusters[0].health_check->n_no_new, 0);
    config_free(config);
    config = parse_cluster(TWO_NODES ",\"health_check\":{\"type\":\"http\",\"expect\":204,"
                                     "\"no_new\":429}");
    assert_int_equal(config->clusters[0].health_check->n_expect, 1);
    assert_int_equal(config->clusters[0].health_check->expect[0], 204);
    assert_int_equal(config->clusters[0].health_check->no_new[0], 429);
    config_free(config);
}

static void the_default_of_node_name_follows_the_record(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        enum dns_record expected;
        enum node_name_from node_name;
    } row[] = {
        {"", DNS_RECORD_A, NODE_NAME_ADDRESS},
        {",\"record\":\"a\"", DNS_RECORD_A, NODE_NAME_ADDRESS},
        {",\"record\":\"aaaa\"", DNS_RECORD_AAAA, NODE_NAME_ADDRESS},
        {",\"record\":\"srv\"", DNS_RECORD_SRV, NODE_NAME_TARGET},
        {",\"node_name\":\"address\",\"record\":\"srv\"", DNS_RECORD_SRV, NODE_NAME_ADDRESS}};
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        char keys[256];
        snprintf(keys, sizeof keys, "\"discovery\":{\"name\":\"emqx\"%s}", row[i].record);
        struct config *config = parse_cluster(keys);
        const struct discovery_conf *discovery = config->clusters[0].discovery;
        assert_int_equal(discovery->record, row[i].expected);
        assert_int_equal(discovery->node_name, row[i].node_name);
        assert_int_equal(discovery->port, 1883);
        assert_int_equal(discovery->refresh_ms, 30000);
        assert_null(discovery->resolver);
        config_free(config);
    }
}

static void a_resolver_without_a_port_uses_port_53(void **state)
{
    (void)state;
    static const char *const row[][2] = {{"10.96.0.10", "10.96.0.10:53"},
                                         {"10.96.0.10:5353", "10.96.0.10:5353"},
                                         {"fd00::10", "[fd00::10]:53"},
                                         {"[fd00::10]", "[fd00::10]:53"},
                                         {"[fd00::10]:5353", "[fd00::10]:5353"}};
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        char keys[256];
        snprintf(keys, sizeof keys, "\"discovery\":{\"name\":\"emqx\",\"resolver\":\"%s\"}",
                 row[i][0]);
        struct config *config = parse_cluster(keys);
        assert_string_equal(config->clusters[0].discovery->resolver, row[i][1]);
        config_free(config);
    }
}

static void bounded_load_is_stored_in_thousandths(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t permille;
    } row[] = {{"1", 1000}, {"1.0", 1000},    {"1.001", 1001}, {"1.2504", 1250},
               {"2", 2000}, {"1.15e0", 1150}, {"33.3", 33300}, {"100", 100000}};
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        char keys[512];
        snprintf(keys, sizeof keys, TWO_NODES ",\"bounded_load\":%s", row[i].text);
        struct config *config = parse_cluster(keys);
        assert_int_equal(config->clusters[0].bounded_load_permille, row[i].permille);
        config_free(config);
    }
}

static void source_addresses_can_be_one_or_several(void **state)
{
    (void)state;
    struct config *config = parse_cluster(TWO_NODES ",\"source_addresses\":\"2001:db8::5\"");
    assert_int_equal(config->clusters[0].n_source_addresses, 1);
    assert_string_equal(config->clusters[0].source_addresses[0], "2001:db8::5");
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_nodes_is_stored),
        cmocka_unit_test(every_key_of_failures_and_draining_is_stored),
        cmocka_unit_test(every_key_of_health_checks_is_stored),
        cmocka_unit_test(every_key_of_discovery_is_stored),
        cmocka_unit_test(nodes_have_defaults),
        cmocka_unit_test(features_can_be_switched_on_and_off),
        cmocka_unit_test(a_health_check_with_only_a_type_has_defaults),
        cmocka_unit_test(short_intervals_limit_the_other_times_of_a_check),
        cmocka_unit_test(codes_can_be_one_or_several_or_none),
        cmocka_unit_test(the_default_of_node_name_follows_the_record),
        cmocka_unit_test(a_resolver_without_a_port_uses_port_53),
        cmocka_unit_test(bounded_load_is_stored_in_thousandths),
        cmocka_unit_test(source_addresses_can_be_one_or_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
