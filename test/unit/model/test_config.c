/*
 * test_config.c - a configuration is read as it is written, and every fault is named.
 *
 * The faults are data: config/SENTENCE.json is a file with faults, config/SENTENCE.txt what
 * must be said about it, word for word.
 */
#include <dirent.h>
#include <stdbool.h>

#include "config_testing.h"
#include "unit.h"

#define CASES SOURCE_DIR "/test/unit/model/config"

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
    assert_in_range(seen, 20, 1000); /* the directory was really read */
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
        fail_msg("%s\n--- expected\n%s--- said\n%s", name, expected, said);
    assert_int_equal(config != NULL, only_warnings(expected));
    assert_int_equal(messages.errors == 0, only_warnings(expected));
    free(said);
    config_messages_fini(&messages);
    config_free(config);
}

static void every_fault_is_named_with_line_path_and_rule(void **state)
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

static void windows_line_ends_change_no_line_number(void **state)
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

static void an_empty_line_in_front_moves_every_line_number(void **state)
{
    (void)state;
    for_each_case(expect_one_line_later);
}

/* ---- values -------------------------------------------------------------------------- */

static struct config *parse_good(const char *text, const char *file_name)
{
    struct config_messages messages;
    struct config *config = config_parse(text, strlen(text), file_name, &messages);
    char *said = join_messages(&messages);
    if (!config || messages.n > 0)
        fail_msg("%s", said);
    free(said);
    config_messages_fini(&messages);
    return config;
}

#define SMALLEST                                                                                   \
    "{\"listeners\":[{\"name\":\"l\",\"address\":\"0.0.0.0:1883\",\"cluster\":\"c\"}],"            \
    "\"clusters\":[{\"name\":\"c\",\"nodes\":[{\"name\":\"n\",\"address\":\"[::1]:1883\"}]}]}"

static void what_the_file_leaves_out_has_its_default(void **state)
{
    (void)state;
    struct config *config = parse_good(SMALLEST, "config.json");
    assert_int_equal(config->workers, 0);
    assert_null(config->listeners[0].tls);
    assert_false(config->listeners[0].lenient);
    assert_int_equal(config->clusters[0].n_route_by, 1);
    assert_int_equal(config->clusters[0].route_by[0].from, ROUTE_CLIENT_ID);
    assert_int_equal(config->clusters[0].empty_client_id, EMPTY_ID_SPREAD);
    assert_int_equal(config->clusters[0].proxy_protocol, PROXY_PROTOCOL_V2);
    assert_int_equal(config->clusters[0].nodes[0].weight, 1);
    assert_int_equal(config->timeouts.tls_handshake_ms, 15000);
    assert_int_equal(config->timeouts.connect_packet_ms, 10000);
    assert_int_equal(config->timeouts.dial_ms, 3000);
    assert_int_equal(config->timeouts.placement_ms, 10000);
    assert_int_equal(config->timeouts.connack_ms, 15000);
    assert_int_equal(config->timeouts.farewell_ms, 2000);
    assert_int_equal(config->timeouts.shutdown_ms, 10000);
    assert_int_equal(config->timeouts.idle_ms, 0);
    assert_int_equal(config->limits.max_connections, 0);
    assert_int_equal(config->limits.connect_max_bytes, 65536);
    assert_int_equal(config->limits.relay_buffer_bytes, 16384);
    assert_int_equal(config->log.level, LOG_INFO);
    assert_int_equal(config->log.format, LOG_JSON);
    config_free(config);
}

static void every_key_arrives_in_its_field(void **state)
{
    (void)state;
    size_t n;
    char *text = read_whole(SOURCE_DIR "/config/every-key.json", &n);
    struct config *config = parse_good(text, "every-key.json");
    assert_int_equal(config->workers, 2);
    assert_int_equal(config->n_listeners, 2);
    assert_string_equal(config->listeners[1].name, "mqtts");
    assert_string_equal(config->listeners[1].addresses[0], "[::]:8883");
    assert_true(config->listeners[1].lenient);
    assert_int_equal(config->listeners[1].tls->n_certificates, 1);
    assert_string_equal(config->listeners[1].tls->certificates[0].private_key_file, "server.key");
    assert_int_equal(config->listeners[1].tls->min_version, 0x0303);
    assert_int_equal(config->n_clusters, 1);
    assert_int_equal(config->clusters[0].n_route_by, 3);
    assert_int_equal(config->clusters[0].route_by[0].from, ROUTE_USERNAME);
    assert_null(config->clusters[0].route_by[0].prefix_until);
    assert_int_equal(config->clusters[0].route_by[1].from, ROUTE_CLIENT_ID);
    assert_string_equal(config->clusters[0].route_by[1].prefix_until, "/");
    assert_int_equal(config->clusters[0].route_by[2].from, ROUTE_CLIENT_ID);
    assert_null(config->clusters[0].route_by[2].prefix_until);
    assert_int_equal(config->clusters[0].n_nodes, 2);
    assert_string_equal(config->clusters[0].nodes[1].name, "emqx2");
    assert_string_equal(config->clusters[0].nodes[1].address, "192.168.0.3:1883");
    assert_int_equal(config->clusters[0].nodes[1].weight, 2);
    assert_int_equal(config->timeouts.idle_ms, 600000);
    assert_int_equal(config->limits.max_connections, 50000);
    config_free(config);
    free(text);
}

static void a_listener_finds_its_cluster_wherever_it_stands(void **state)
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

static void relative_files_start_at_the_directory_of_the_configuration(void **state)
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

static void freeing_nothing_is_allowed(void **state)
{
    (void)state;
    struct config_messages messages = {0};
    config_free(NULL);
    config_messages_fini(&messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_is_named_with_line_path_and_rule),
        cmocka_unit_test(windows_line_ends_change_no_line_number),
        cmocka_unit_test(an_empty_line_in_front_moves_every_line_number),
        cmocka_unit_test(what_the_file_leaves_out_has_its_default),
        cmocka_unit_test(every_key_arrives_in_its_field),
        cmocka_unit_test(a_listener_finds_its_cluster_wherever_it_stands),
        cmocka_unit_test(relative_files_start_at_the_directory_of_the_configuration),
        cmocka_unit_test(freeing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
