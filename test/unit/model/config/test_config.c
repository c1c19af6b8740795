/*
 * test_config.c - every key of a configuration is stored, and every error is reported.
 *
 * The errors are data: cases/NAME.json is a file with errors, and cases/NAME.txt contains the exact
 * messages.
 */
#include <dirent.h>
#include <stdbool.h>

#include "base/cidr.h"
#include "testing.h"
#include "unit.h"

#define CASES SOURCE_DIR "/test/unit/model/config/cases"

/* ---- messages ------------------------------------------------------------------------ */

typedef void case_check(const char *name, const char *text, size_t n, const char *expected);

static void for_each_case(case_check *check)
{
    char path[4096];
    unsigned seen = 0;
    DIR *dir = opendir(CASES);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        size_t n_text;
        size_t n_expected;
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".json") != 0)
            continue;
        snprintf(path, sizeof path, CASES "/%s", entry->d_name);
        char *text = read_whole(path, &n_text);
        snprintf(path, sizeof path, CASES "/%.*s.txt", (int)(dot - entry->d_name), entry->d_name);
        char *expected = read_whole(path, &n_expected);
        check(entry->d_name, text, n_text, expected);
        free(text);
        free(expected);
        seen++;
    }
    closedir(dir);
    assert_in_range(seen, 20, 1000); /* the directory has been read */
}

static bool only_warnings(const char *expected)
{
    for (const char *p = expected; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        if (strncmp(p, "warning: ", 9) != 0)
            return false;
    }
    return true;
}

static void expect_messages(const char *name, const char *text, size_t n, const char *expected)
{
    struct config_messages messages;
    struct config *config = parse_exactly(text, n, &messages);
    char *said = join_messages(&messages);
    if (strcmp(said, expected) != 0)
        fail_msg("%s\n--- expected\n%s--- got\n%s", name, expected, said);
    assert_int_equal(config != NULL, only_warnings(expected));
    assert_int_equal(messages.errors == 0, only_warnings(expected));
    free(said);
    config_messages_fini(&messages);
    config_free(config);
}

static void every_error_has_the_line_path_and_rule(void **state)
{
    (void)state;
    for_each_case(expect_messages);
}

static void expect_same_with_crlf(const char *name, const char *text, size_t n,
                                  const char *expected)
{
    char *crlf = malloc(2 * n + 1);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n')
            crlf[used++] = '\r';
        crlf[used++] = text[i];
    }
    expect_messages(name, crlf, used, expected);
    free(crlf);
}

static void windows_line_ends_do_not_change_line_numbers(void **state)
{
    (void)state;
    for_each_case(expect_same_with_crlf);
}

static void expect_one_line_later(const char *name, const char *text, size_t n,
                                  const char *expected)
{
    char *later = malloc(n + 1);
    char *moved = NULL;
    size_t n_moved = 0;
    FILE *out = open_memstream(&moved, &n_moved);
    for (const char *p = expected; *p;) {
        const char *number = strstr(p, "config.json:") + strlen("config.json:");
        char *rest;
        unsigned long line = strtoul(number, &rest, 10);
        const char *end = strchr(rest, '\n') + 1;
        fprintf(out, "%.*s%lu%.*s", (int)(number - p), p, line + 1, (int)(end - rest), rest);
        p = end;
    }
    fclose(out);
    later[0] = '\n';
    memcpy(later + 1, text, n);
    expect_messages(name, later, n + 1, moved);
    free(moved);
    free(later);
}

static void a_leading_empty_line_increments_every_line_number(void **state)
{
    (void)state;
    for_each_case(expect_one_line_later);
}

/* ---- values -------------------------------------------------------------------------- */

#define SMALLEST                                                                                   \
    "{\"listeners\":[{\"name\":\"l\",\"address\":\"0.0.0.0:1883\",\"cluster\":\"c\"}],"            \
    "\"clusters\":[{\"name\":\"c\",\"nodes\":[{\"name\":\"n\",\"address\":\"[::1]:1883\"}]}]}"

static void expect_default_door(const struct listener_conf *listener)
{
    assert_int_equal(listener->n_addresses, 1);
    assert_false(listener->dual_stack);
    assert_null(listener->tls);
    assert_false(listener->lenient);
    assert_int_equal(listener->backlog, 4096);
    assert_false(listener->tcp_defer_accept);
    assert_int_equal(listener->fast_open, 0);
    assert_false(listener->accept_proxy_protocol);
    assert_int_equal(listener->n_trusted_proxies, 0);
    assert_null(listener->websocket);
    assert_null(listener->client_address_header);
    assert_null(listener->identity);
}

static void expect_default_cluster(const struct cluster_conf *cluster)
{
    assert_int_equal(cluster->n_route_by, 1);
    assert_int_equal(cluster->route_by[0].from, ROUTE_CLIENT_ID);
    assert_null(cluster->route_by[0].prefix_until);
    assert_int_equal(cluster->empty_client_id, EMPTY_ID_SPREAD);
    assert_int_equal(cluster->proxy_protocol, PROXY_PROTOCOL_V2);
    assert_int_equal(cluster->proxy_protocol_tlvs,
                     PROXY_TLV_ALPN | PROXY_TLV_AUTHORITY | PROXY_TLV_SSL);
    assert_null(cluster->tls);
    assert_null(cluster->discovery);
    assert_null(cluster->health_check);
    assert_int_equal(cluster->on_node_down, ON_NODE_DOWN_CLOSE);
    assert_int_equal(cluster->close_rate_per_s, 500);
    assert_int_equal(cluster->drain_rate_per_s, 100);
    assert_int_equal(cluster->drain_deadline_ms, 0);
    assert_null(cluster->homecoming);
    assert_true(cluster->replay);
    assert_int_equal(cluster->bounded_load_permille, 0);
    assert_int_equal(cluster->n_source_addresses, 0);
}

static void expect_default_timeouts(const struct timeouts_conf *timeouts)
{
    assert_int_equal(timeouts->proxy_header_ms, 3000);
    assert_int_equal(timeouts->tls_handshake_ms, 15000);
    assert_int_equal(timeouts->websocket_upgrade_ms, 10000);
    assert_int_equal(timeouts->connect_packet_ms, 10000);
    assert_int_equal(timeouts->dial_ms, 3000);
    assert_int_equal(timeouts->placement_ms, 45000);
    assert_int_equal(timeouts->connack_ms, 20000);
    assert_int_equal(timeouts->half_closed_ms, 30000);
    assert_int_equal(timeouts->farewell_ms, 2000);
    assert_int_equal(timeouts->shutdown_ms, 10000);
    assert_int_equal(timeouts->idle_ms, 0);
}

static void expect_default_limits(const struct limits_conf *limits)
{
    assert_int_equal(limits->max_connections, 0);
    assert_int_equal(limits->connect_max_bytes, 65536);
    assert_int_equal(limits->relay_buffer_bytes, 16384);
    assert_int_equal(limits->relay_memory_bytes, 268435456);
    assert_int_equal(limits->handshakes_per_turn, 8);
    assert_int_equal(limits->per_source.max_connections, 0);
    assert_int_equal(limits->per_source.max_connects_per_s, 0);
    assert_int_equal(limits->per_source.burst, 20);
    assert_int_equal(limits->per_source.n_exempt, 0);
    assert_int_equal(limits->per_source.table_size, 65536);
    assert_false(limits->flapping.off);
    assert_false(limits->flapping.refuse);
    assert_int_equal(limits->flapping.max_connects, 20);
    assert_int_equal(limits->flapping.window_ms, 10000);
    assert_int_equal(limits->flapping.penalty_ms, 2000);
    assert_int_equal(limits->flapping.penalty_max_ms, 60000);
    assert_int_equal(limits->flapping.table_size, 65536);
}

static void missing_keys_have_defaults(void **state)
{
    (void)state;
    struct config *config = parse_good(SMALLEST, "config.json");
    assert_int_equal(config->workers, 0);
    expect_default_door(&config->listeners[0]);
    expect_default_cluster(&config->clusters[0]);
    expect_default_timeouts(&config->timeouts);
    expect_default_limits(&config->limits);
    assert_int_equal(config->log.level, LOG_INFO);
    assert_int_equal(config->log.format, LOG_JSON);
    assert_int_equal(config->log.max_lines_per_s, 2000);
    assert_null(config->user);
    assert_null(config->group);
    assert_true(config->sandbox);
    config_free(config);
}

static void every_top_level_key_is_stored(void **state)
{
    (void)state;
    struct config *config = parse_every_key();
    assert_int_equal(config->workers, 2);
    assert_int_equal(config->n_listeners, 4);
    assert_int_equal(config->listeners[0].n_addresses, 2);
    assert_string_equal(config->listeners[0].addresses[0], "0.0.0.0:1883");
    assert_string_equal(config->listeners[0].addresses[1], "[::]:1883");
    assert_false(config->listeners[0].dual_stack);
    assert_string_equal(config->listeners[1].name, "mqtts");
    assert_int_equal(config->listeners[1].n_addresses, 1);
    assert_string_equal(config->listeners[1].addresses[0], "[::]:8883");
    assert_true(config->listeners[1].dual_stack);
    assert_true(config->listeners[1].lenient);
    assert_int_equal(config->n_clusters, 3);
    assert_int_equal(config->timeouts.idle_ms, 600000);
    assert_int_equal(config->limits.max_connections, 50000);
    config_free(config);
}

static void every_key_of_limits_and_access_is_stored(void **state)
{
    (void)state;
    struct config *config = parse_every_key();
    const struct listener_conf *listener = &config->listeners[0];
    const struct limits_conf *limits = &config->limits;
    assert_int_equal(listener->n_allow, 2);
    assert_int_equal(listener->allow[0].bits, 24);
    assert_int_equal(listener->n_deny, 1);
    assert_int_equal(listener->deny[0].ip[3], 66);
    assert_int_equal(listener->max_connections, 40000);
    assert_int_equal(limits->relay_memory_bytes, 134217728);
    assert_int_equal(limits->handshakes_per_turn, 24);
    assert_int_equal(limits->per_source.max_connections, 100);
    assert_int_equal(limits->per_source.max_connects_per_s, 10);
    assert_int_equal(limits->per_source.burst, 50);
    assert_int_equal(limits->per_source.n_exempt, 1);
    assert_int_equal(limits->per_source.table_size, 131072);
    assert_true(limits->flapping.refuse);
    assert_int_equal(limits->flapping.max_connects, 30);
    assert_int_equal(limits->flapping.window_ms, 15000);
    assert_int_equal(limits->flapping.penalty_ms, 3000);
    assert_int_equal(limits->flapping.penalty_max_ms, 120000);
    assert_int_equal(limits->flapping.table_size, 262144);
    assert_int_equal(config->log.max_lines_per_s, 1000);
    assert_string_equal(config->user, "mqtt-router");
    assert_string_equal(config->group, "mqtt-router");
    config_free(config);
}

static void every_key_of_a_cluster_is_stored(void **state)
{
    (void)state;
    struct config *config = parse_every_key();
    const struct cluster_conf *cluster = &config->clusters[0];
    assert_int_equal(cluster->n_route_by, 3);
    assert_int_equal(cluster->route_by[0].from, ROUTE_USERNAME);
    assert_null(cluster->route_by[0].prefix_until);
    assert_int_equal(cluster->route_by[1].from, ROUTE_CLIENT_ID);
    assert_string_equal(cluster->route_by[1].prefix_until, "/");
    assert_int_equal(cluster->route_by[2].from, ROUTE_CLIENT_ID);
    assert_null(cluster->route_by[2].prefix_until);
    assert_int_equal(cluster->proxy_protocol_tlvs, 0x1f);
    const struct upstream_tls_conf *tls = cluster->tls;
    assert_string_equal(tls->ca_file, "ca.pem");
    assert_true(tls->verify);
    assert_string_equal(tls->server_name, "emqx.example.com");
    assert_string_equal(tls->certificate_file, "router.pem");
    assert_string_equal(tls->private_key_file, "router.key");
    assert_string_equal(tls->private_key_passphrase_file, "router.passphrase");
    assert_int_equal(tls->min_version, 0x0303);
    assert_int_equal(tls->n_alpn, 1);
    assert_string_equal(tls->alpn[0], "mqtt");
    config_free(config);
}

static void every_key_of_tls_is_stored(void **state)
{
    (void)state;
    struct config *config = parse_every_key();
    const struct tls_conf *tls = config->listeners[1].tls;
    assert_int_equal(tls->n_certificates, 1);
    assert_string_equal(tls->certificates[0].certificate_file, "server.pem");
    assert_string_equal(tls->certificates[0].private_key_file, "server.key");
    assert_string_equal(tls->certificates[0].private_key_passphrase_file, "server.passphrase");
    assert_string_equal(tls->certificates[0].ocsp_response_file, "server.ocsp");
    assert_true(tls->strict_sni);
    assert_int_equal(tls->min_version, 0x0303);
    assert_int_equal(tls->client_auth, CLIENT_AUTH_REQUIRE);
    assert_string_equal(tls->client_ca_file, "ca.pem");
    assert_int_equal(tls->n_client_crl_files, 1);
    assert_string_equal(tls->client_crl_files[0], "ca.crl");
    assert_int_equal(tls->client_crl_check, CRL_CHECK_LEAF);
    assert_int_equal(tls->client_verify_depth, 8);
    assert_string_equal(tls->ciphers, "ECDHE+AESGCM:ECDHE+CHACHA20");
    assert_string_equal(tls->ciphersuites, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256");
    assert_string_equal(tls->groups, "X25519:P-256");
    assert_int_equal(tls->n_alpn, 2);
    assert_string_equal(tls->alpn[1], "x-amzn-mqtt-ca");
    assert_false(tls->session_tickets_off);
    assert_string_equal(tls->session_ticket_key_file, "ticket.keys");
    config_free(config);
}

static void every_key_of_identity_and_trusted_proxies_is_stored(void **state)
{
    (void)state;
    struct config *config = parse_every_key();
    const struct identity_conf *identity = config->listeners[1].identity;
    assert_int_equal(identity->claim, IDENTITY_CLIENT_ID);
    assert_int_equal(identity->n_names, 2);
    assert_int_equal(identity->names[0], IDENTITY_CN);
    assert_int_equal(identity->names[1], IDENTITY_SAN_DNS);
    const struct listener_conf *ws = &config->listeners[2];
    assert_string_equal(ws->addresses[0], "unix:ws.sock");
    assert_string_equal(ws->websocket->path, "/mqtt");
    assert_true(ws->accept_proxy_protocol);
    assert_int_equal(ws->n_trusted_proxies, 2);
    static const uint8_t ten[16] = {10, 1, 2, 3};
    static const uint8_t documentation[16] = {0x20, 0x01, 0x0d, 0xb8};
    assert_true(cidr_contains(ws->trusted_proxies, 1, ten, false));
    assert_true(cidr_contains(ws->trusted_proxies + 1, 1, documentation, true));
    assert_string_equal(ws->client_address_header, "X-Forwarded-For");
    assert_string_equal(ws->socket.mode, "0660");
    assert_string_equal(ws->socket.owner, "mqtt-router");
    assert_string_equal(ws->socket.group, "www-data");
    assert_null(config->listeners[0].socket.mode);
    assert_string_equal(config->admin->address, "unix:admin.sock");
    assert_string_equal(config->admin->socket.group, "adm");
    config_free(config);
}

/* Values that every-key.json cannot contain, because others exclude them. */
static void keys_that_exclude_others_are_stored_too(void **state)
{
    (void)state;
    struct config *config = parse_good(
        "{\"listeners\":[{\"name\":\"l\",\"address\":[\":1883\"],\"cluster\":\"c\",\"websocket\":{}"
        ","
        "\"backlog\":1,\"tcp_defer_accept\":true,\"fast_open\":65535,\"tls\":{\"certificates\":["
        "{\"certificate_file\":\"a\",\"private_key_file\":\"b\"}],\"session_tickets\":false,"
        "\"client_auth\":\"request\",\"client_ca_file\":\"c\",\"client_crl_files\":\"d\","
        "\"client_crl_check\":\"chain\",\"alpn\":\"mqtt\"}}],"
        "\"clusters\":[{\"name\":\"c\",\"proxy_protocol_tlvs\":[],\"route_by\":\"sni\","
        "\"tls\":{\"verify\":false},\"nodes\":[{\"name\":\"n\",\"address\":\"unix:/n\"}]}]}",
        "config.json");
    const struct listener_conf *listener = &config->listeners[0];
    assert_string_equal(listener->websocket->path, "/mqtt");
    assert_int_equal(listener->backlog, 1);
    assert_true(listener->tcp_defer_accept);
    assert_int_equal(listener->fast_open, 65535);
    assert_true(listener->tls->session_tickets_off);
    assert_null(listener->tls->session_ticket_key_file);
    assert_int_equal(listener->tls->client_auth, CLIENT_AUTH_REQUEST);
    assert_string_equal(listener->tls->client_crl_files[0], "d");
    assert_int_equal(listener->tls->client_crl_check, CRL_CHECK_CHAIN);
    assert_int_equal(listener->tls->n_alpn, 1);
    assert_int_equal(config->clusters[0].proxy_protocol_tlvs, 0);
    assert_int_equal(config->clusters[0].n_route_by, 1);
    assert_int_equal(config->clusters[0].route_by[0].from, ROUTE_SNI);
    assert_false(config->clusters[0].tls->verify);
    assert_string_equal(config->clusters[0].nodes[0].address, "unix:/n");
    config_free(config);
}

static void a_listener_finds_its_cluster_at_any_position(void **state)
{
    (void)state;
    struct config *config = parse_good(
        "{\"clusters\":[{\"name\":\"a\",\"nodes\":[{\"name\":\"n\",\"address\":\"[::1]:1\"}]},"
        "{\"nodes\":[{\"name\":\"n\",\"address\":\"[::1]:1\"}],\"name\":\"b\"}],"
        "\"listeners\":[{\"cluster\":\"b\",\"address\":\":1883\",\"name\":\"x\"},"
        "{\"name\":\"y\",\"address\":\":1884\",\"cluster\":\"a\"}]}",
        "config.json");
    assert_int_equal(config->listeners[0].cluster, 1);
    assert_int_equal(config->listeners[1].cluster, 0);
    config_free(config);
}

#define WITH_TLS                                                                                   \
    "{\"listeners\":[{\"name\":\"l\",\"address\":\"0.0.0.0:1883\",\"cluster\":\"c\",\"tls\":{"     \
    "\"min_version\":\"1.3\",\"certificates\":["                                                   \
    "{\"certificate_file\":\"tls/server.pem\",\"private_key_file\":\"/srv/server.key\"}]}}],"      \
    "\"clusters\":[{\"name\":\"c\",\"nodes\":[{\"name\":\"n\",\"address\":\"[::1]:1883\"}]}]}"

static void relative_files_are_resolved_against_the_configuration_directory(void **state)
{
    (void)state;
    static const char *const row[][2] = {
        {"/etc/mqtt-router/config.json", "/etc/mqtt-router/tls/server.pem"},
        {"config.json", "tls/server.pem"},
        {"../config.json", "../tls/server.pem"},
        {"/config.json", "/tls/server.pem"}};
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct config *config = parse_good(WITH_TLS, row[i][0]);
        const struct tls_conf *tls = config->listeners[0].tls;
        assert_int_equal(tls->min_version, 0x0304);
        assert_string_equal(tls->certificates[0].certificate_file, row[i][1]);
        assert_string_equal(tls->certificates[0].private_key_file, "/srv/server.key");
        config_free(config);
    }
}

#define WITH_SOCKETS                                                                               \
    "{\"listeners\":[{\"name\":\"l\",\"address\":[\"unix:run/l.sock\",\"unix:/run/l.sock\"],"      \
    "\"cluster\":\"c\"}],\"clusters\":[{\"name\":\"c\",\"proxy_protocol\":\"none\","               \
    "\"nodes\":[{\"name\":\"n\",\"address\":\"unix:n.sock\"}]}]}"

static void relative_unix_sockets_are_resolved_against_it_too(void **state)
{
    (void)state;
    struct config *config = parse_good(WITH_SOCKETS, "/etc/mqtt-router/config.json");
    assert_string_equal(config->listeners[0].addresses[0], "unix:/etc/mqtt-router/run/l.sock");
    assert_string_equal(config->listeners[0].addresses[1], "unix:/run/l.sock");
    assert_string_equal(config->clusters[0].nodes[0].address, "unix:/etc/mqtt-router/n.sock");
    config_free(config);
}

/* The kernel limits the length of the whole path. */
static void the_length_of_a_unix_socket_path_includes_the_directory(void **state)
{
    (void)state;
    char name[128];
    struct config_messages messages;
    memset(name, 'd', sizeof name);
    name[0] = '/';
    for (size_t n = 107 - 11; n <= 107 - 10; n++) { /* followed by "/run/l.sock", "/n.sock" */
        snprintf(name + n, sizeof name - n, "/config.json");
        struct config *config = config_parse(WITH_SOCKETS, strlen(WITH_SOCKETS), name, &messages);
        assert_int_equal(messages.errors, n > 107 - 11 ? 1 : 0);
        if (messages.n)
            assert_non_null(strstr(messages.list[0].text,
                                   "listeners[0].address[0]: the path of a Unix socket must be "
                                   "at most 107 bytes long, got 108 including the directory"));
        config_messages_fini(&messages);
        config_free(config);
        name[n] = 'd';
    }
}

static void integers_can_be_written_with_a_fraction_or_an_exponent(void **state)
{
    (void)state;
    struct config *config = parse_good(
        "{\"listeners\": [{\"name\": \"l\", \"address\": \"127.0.0.1:1883\", \"cluster\": \"c\","
        " \"backlog\": 2.0}], \"clusters\": [{\"name\": \"c\", \"nodes\": [{\"name\": \"n\","
        " \"address\": \"192.0.2.1:1883\", \"weight\": 6.5535e4}]}],"
        " \"timeouts\": {\"dial_ms\": 3000.0}, \"limits\": {\"max_connections\": 1e+06}}",
        "config.json");
    assert_int_equal(config->listeners[0].backlog, 2);
    assert_int_equal(config->clusters[0].nodes[0].weight, 65535);
    assert_int_equal(config->timeouts.dial_ms, 3000);
    assert_int_equal(config->limits.max_connections, 1000000);
    config_free(config);
}

static void values_that_only_the_host_can_validate_have_line_numbers(void **state)
{
    (void)state;
    struct config *config = parse_good(
        "{\"listeners\": [{\"name\": \"l\", \"cluster\": \"c\",\n"
        "  \"address\": [\"127.0.0.1:1\",\n  \"127.0.0.1:2\"]}],\n"
        "\"clusters\": [{\"name\": \"c\",\n \"source_addresses\": \"192.0.2.9\",\n"
        " \"nodes\": [{\"name\": \"n\", \"address\": \"192.0.2.1:1\"}]}],\n\"user\": \"u\"}",
        "config.json");
    assert_int_equal(config_line(config, "listeners[0].address[0]"), 2);
    assert_int_equal(config_line(config, "listeners[0].address[1]"), 3);
    assert_int_equal(config_line(config, "clusters[0].source_addresses[0]"), 5);
    assert_int_equal(config_line(config, "user"), 7);
    assert_int_equal(config_line(config, "group"), 0);
    assert_int_equal(config_line(config, "listeners[1].address[0]"), 0);
    assert_int_equal(config_line(config, "]"), 0);
    config_free(config);
}

static void freeing_null_is_allowed(void **state)
{
    (void)state;
    struct config_messages messages = {0};
    config_free(NULL);
    config_messages_fini(&messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_the_line_path_and_rule),
        cmocka_unit_test(windows_line_ends_do_not_change_line_numbers),
        cmocka_unit_test(a_leading_empty_line_increments_every_line_number),
        cmocka_unit_test(missing_keys_have_defaults),
        cmocka_unit_test(every_top_level_key_is_stored),
        cmocka_unit_test(every_key_of_limits_and_access_is_stored),
        cmocka_unit_test(every_key_of_a_cluster_is_stored),
        cmocka_unit_test(every_key_of_tls_is_stored),
        cmocka_unit_test(every_key_of_identity_and_trusted_proxies_is_stored),
        cmocka_unit_test(keys_that_exclude_others_are_stored_too),
        cmocka_unit_test(a_listener_finds_its_cluster_at_any_position),
        cmocka_unit_test(relative_files_are_resolved_against_the_configuration_directory),
        cmocka_unit_test(relative_unix_sockets_are_resolved_against_it_too),
        cmocka_unit_test(the_length_of_a_unix_socket_path_includes_the_directory),
        cmocka_unit_test(integers_can_be_written_with_a_fraction_or_an_exponent),
        cmocka_unit_test(values_that_only_the_host_can_validate_have_line_numbers),
        cmocka_unit_test(freeing_null_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
