/*
 * test_route_key.c - the first rule that yields a key is used; an empty value is never a key.
 */
#include <string.h>

#include "model/route_key.h"
#include "unit.h"

#define PRESENCES 3u /* absent, empty, present */

static struct span value(unsigned presence, const char *text)
{
    return presence == 0 ? (struct span){0} : presence == 1 ? span_of(text, 0) : span_of_str(text);
}

/* Return the key according to the contract in the header for whole values, or null. */
static const char *expected_key(const struct cluster_conf *cluster, const char *const there[])
{
    for (size_t i = 0; i < cluster->n_route_by; i++)
        if (there[cluster->route_by[i].from])
            return there[cluster->route_by[i].from];
    return cluster->empty_client_id == EMPTY_ID_SOURCE_IP ? there[ROUTE_SOURCE_IP] : NULL;
}

static void check_presences(const struct cluster_conf *cluster)
{
    static const char *const texts[] = {"device-7", "user", "192.0.2.1", "cn", "mqtt.example"};
    _Static_assert(ARRAY_LEN(texts) == ROUTE_SOURCE_COUNT, "every source has a value");
    for (unsigned mix = 0; mix < 243; mix++) { /* 3 presences to the power of 5 sources */
        struct span values[ROUTE_SOURCE_COUNT];
        const char *there[ROUTE_SOURCE_COUNT];
        unsigned rest = mix;
        for (size_t i = 0; i < ROUTE_SOURCE_COUNT; i++, rest /= PRESENCES) {
            values[i] = value(rest % PRESENCES, texts[i]);
            there[i] = rest % PRESENCES == 2 ? texts[i] : NULL;
        }
        const struct route_facts facts = {.client_id = values[ROUTE_CLIENT_ID],
                                          .username = values[ROUTE_USERNAME],
                                          .source_ip = values[ROUTE_SOURCE_IP],
                                          .tls_cn = values[ROUTE_TLS_CN],
                                          .sni = values[ROUTE_SNI]};
        struct span key = span_of_str("untouched");
        const char *want = expected_key(cluster, there);
        assert_int_equal(route_key_pick(cluster, &facts, &key), want != NULL);
        assert_true(span_equal(key, span_of_str(want ? want : "untouched")));
    }
}

/* All ordered choices of one to three sources: 5 + 5 * 4 + 5 * 4 * 3. */
static void the_first_present_source_is_the_key_in_every_combination(void **state)
{
    (void)state;
    unsigned orders = 0;
    for (unsigned a = 0; a < ROUTE_SOURCE_COUNT; a++) {
        for (unsigned b = 0; b <= ROUTE_SOURCE_COUNT; b++) {
            for (unsigned c = 0; c <= ROUTE_SOURCE_COUNT; c++) {
                if (b == a || c == a || (c == b && b != ROUTE_SOURCE_COUNT) ||
                    (b == ROUTE_SOURCE_COUNT && c != ROUTE_SOURCE_COUNT))
                    continue;
                struct route_rule rules[] = {{.from = a}, {.from = b}, {.from = c}};
                struct cluster_conf cluster = {.route_by = rules,
                                               .n_route_by = 1u + (b != ROUTE_SOURCE_COUNT) +
                                                             (c != ROUTE_SOURCE_COUNT)};
                for (unsigned empty = EMPTY_ID_SPREAD; empty <= EMPTY_ID_REFUSE; empty++) {
                    cluster.empty_client_id = empty;
                    check_presences(&cluster);
                }
                orders++;
            }
        }
    }
    assert_int_equal(orders, 85);
}

static struct cluster_conf by_client_id(enum empty_client_id empty)
{
    static struct route_rule rule = {.from = ROUTE_CLIENT_ID};
    return (struct cluster_conf){.route_by = &rule, .n_route_by = 1, .empty_client_id = empty};
}

static void an_empty_client_id_is_not_a_key(void **state)
{
    (void)state;
    const struct route_facts facts = {.client_id = span_of("", 0), .username = span_of_str("u")};
    for (unsigned empty = EMPTY_ID_SPREAD; empty <= EMPTY_ID_REFUSE; empty++) {
        struct cluster_conf cluster = by_client_id(empty);
        struct span key = {0};
        assert_false(route_key_pick(&cluster, &facts, &key));
        assert_null(key.p);
    }
}

static void an_empty_client_id_may_fall_back_to_the_source_address(void **state)
{
    (void)state;
    struct route_facts facts = {.client_id = span_of("", 0),
                                .source_ip = span_of_str("2001:db8::1")};
    struct span key;
    struct cluster_conf cluster = by_client_id(EMPTY_ID_SOURCE_IP);
    assert_true(route_key_pick(&cluster, &facts, &key));
    assert_true(span_equal(key, span_of_str("2001:db8::1")));
    facts.client_id = span_of_str("id");
    assert_true(route_key_pick(&cluster, &facts, &key));
    assert_true(span_equal(key, span_of_str("id")));
}

static void the_key_is_the_whole_value_unchanged(void **state)
{
    (void)state;
    static char id[65535];
    memset(id, 'i', sizeof(id));
    const struct route_facts facts = {.client_id = span_of(id, sizeof(id))};
    struct cluster_conf cluster = by_client_id(EMPTY_ID_SPREAD);
    struct span key;
    assert_true(route_key_pick(&cluster, &facts, &key));
    assert_ptr_equal(key.p, id);
    assert_int_equal(key.n, sizeof(id));
}

/* ---- prefixes ------------------------------------------------------------------------ */

static void expect_prefix(const char *value, const char *until, const char *want)
{
    char until_copy[32];
    struct route_rule rule = {.from = ROUTE_CLIENT_ID, .prefix_until = strcpy(until_copy, until)};
    const struct cluster_conf cluster = {.route_by = &rule, .n_route_by = 1};
    const struct route_facts facts = {.client_id = span_of_str(value)};
    struct span key = span_of_str("untouched");
    assert_int_equal(route_key_pick(&cluster, &facts, &key), want != NULL);
    if (!span_equal(key, span_of_str(want ? want : "untouched")))
        fail_msg("%s until %s: %.*s", value, until, (int)key.n, (const char *)key.p);
}

static void a_prefix_ends_before_the_first_occurrence(void **state)
{
    (void)state;
    expect_prefix("tenant-a/device-7", "/", "tenant-a");
    expect_prefix("tenant-a/floor/device-7", "/", "tenant-a");
    expect_prefix("tenant-a/", "/", "tenant-a");
    expect_prefix("aab", "ab", "a");
    expect_prefix("a::b:::c", ":::", "a::b");
    expect_prefix("ger\xc3\xa4t\xc2\xb7"
                  "1",
                  "\xc2\xb7", "ger\xc3\xa4t");
}

static void without_an_occurrence_the_prefix_is_the_whole_value(void **state)
{
    (void)state;
    expect_prefix("device-7", "/", "device-7");
    expect_prefix("a:", "::", "a:");
    expect_prefix(":", "::", ":");
}

static void an_empty_prefix_is_not_a_key(void **state)
{
    (void)state;
    expect_prefix("/device-7", "/", NULL);
    expect_prefix("/", "/", NULL);
    expect_prefix("", "/", NULL);
}

static void an_empty_prefix_continues_with_the_next_rule(void **state)
{
    (void)state;
    char slash[] = "/";
    char dot[] = ".";
    struct route_rule rules[] = {{.from = ROUTE_CLIENT_ID, .prefix_until = slash},
                                 {.from = ROUTE_SNI, .prefix_until = dot},
                                 {.from = ROUTE_CLIENT_ID}};
    const struct cluster_conf cluster = {.route_by = rules, .n_route_by = ARRAY_LEN(rules)};
    struct route_facts facts = {.client_id = span_of_str("/device-7"),
                                .sni = span_of_str("tenant-b.mqtt.example")};
    struct span key;
    assert_true(route_key_pick(&cluster, &facts, &key));
    assert_true(span_equal(key, span_of_str("tenant-b")));
    facts.sni = (struct span){0};
    assert_true(route_key_pick(&cluster, &facts, &key));
    assert_true(span_equal(key, span_of_str("/device-7")));
}

/* empty_client_id "source_ip" uses the whole address, even if a rule takes a prefix of it. */
static void the_fallback_to_the_source_address_ignores_prefixes(void **state)
{
    (void)state;
    char colon[] = ":";
    struct route_rule rule = {.from = ROUTE_SOURCE_IP, .prefix_until = colon};
    const struct cluster_conf cluster = {
        .route_by = &rule, .n_route_by = 1, .empty_client_id = EMPTY_ID_SOURCE_IP};
    const struct route_facts facts = {.source_ip = span_of_str("::1")};
    struct span key;
    assert_true(route_key_pick(&cluster, &facts, &key));
    assert_true(span_equal(key, span_of_str("::1")));
}

static void a_value_is_searched_to_its_end_and_not_beyond(void **state)
{
    (void)state;
    char until[] = "ab";
    struct route_rule rule = {.from = ROUTE_CLIENT_ID, .prefix_until = until};
    const struct cluster_conf cluster = {.route_by = &rule, .n_route_by = 1};
    const struct route_facts facts = {.client_id = span_of("xxab", 3)};
    struct span key;
    assert_true(route_key_pick(&cluster, &facts, &key));
    assert_true(span_equal(key, span_of_str("xxa")));
}

/* ---- server names --------------------------------------------------------------------- */

static void expect_server_name(const char *name, const char *want)
{
    uint8_t space[ROUTE_SERVER_NAME_MAX];
    struct span found = route_key_server_name(span_of_str(name), space);
    if (!span_equal(found, span_of_str(want)))
        fail_msg("%s: %.*s", name, (int)found.n, (const char *)found.p);
}

static void all_forms_of_a_server_name_give_the_same_key(void **state)
{
    (void)state;
    expect_server_name("tenant.example", "tenant.example");
    expect_server_name("Tenant.EXAMPLE", "tenant.example");
    expect_server_name("tenant.example.", "tenant.example");
    expect_server_name("tenant.example..", "tenant.example.");
    expect_server_name("AZ@[`az{09-_", "az@[`az{09-_");
    expect_server_name("\xc3\x84.example", "\xc3\x84.example");
}

static void an_empty_server_name_is_not_a_key(void **state)
{
    (void)state;
    uint8_t space[ROUTE_SERVER_NAME_MAX];
    assert_int_equal(route_key_server_name(span_of_str("."), space).n, 0);
    assert_int_equal(route_key_server_name(span_of_str(""), space).n, 0);
    assert_null(route_key_server_name((struct span){0}, space).p);
}

static void a_name_that_is_too_long_is_not_normalized(void **state)
{
    (void)state;
    uint8_t space[ROUTE_SERVER_NAME_MAX];
    char text[ROUTE_SERVER_NAME_MAX + 3];
    memset(text, 'A', sizeof(text));
    text[ROUTE_SERVER_NAME_MAX] = '.';
    struct span longest = route_key_server_name(span_of(text, ROUTE_SERVER_NAME_MAX + 1), space);
    assert_int_equal(longest.n, ROUTE_SERVER_NAME_MAX);
    assert_int_equal(longest.p[longest.n - 1], 'a');
    const struct span more = span_of(text, ROUTE_SERVER_NAME_MAX + 2);
    assert_true(span_equal(route_key_server_name(more, space), more));
}

static void only_clusters_that_route_by_sni_alone_have_server_names_as_keys(void **state)
{
    (void)state;
    struct route_rule rules[] = {{.from = ROUTE_SNI}, {.from = ROUTE_CLIENT_ID}};
    struct cluster_conf cluster = {.route_by = rules, .n_route_by = 1};
    assert_true(route_key_is_server_name(&cluster));
    cluster.empty_client_id = EMPTY_ID_SOURCE_IP;
    assert_false(route_key_is_server_name(&cluster));
    cluster = (struct cluster_conf){.route_by = rules, .n_route_by = 2};
    assert_false(route_key_is_server_name(&cluster));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_present_source_is_the_key_in_every_combination),
        cmocka_unit_test(an_empty_client_id_is_not_a_key),
        cmocka_unit_test(an_empty_client_id_may_fall_back_to_the_source_address),
        cmocka_unit_test(the_key_is_the_whole_value_unchanged),
        cmocka_unit_test(all_forms_of_a_server_name_give_the_same_key),
        cmocka_unit_test(an_empty_server_name_is_not_a_key),
        cmocka_unit_test(a_name_that_is_too_long_is_not_normalized),
        cmocka_unit_test(only_clusters_that_route_by_sni_alone_have_server_names_as_keys),
        cmocka_unit_test(a_prefix_ends_before_the_first_occurrence),
        cmocka_unit_test(without_an_occurrence_the_prefix_is_the_whole_value),
        cmocka_unit_test(an_empty_prefix_is_not_a_key),
        cmocka_unit_test(an_empty_prefix_continues_with_the_next_rule),
        cmocka_unit_test(the_fallback_to_the_source_address_ignores_prefixes),
        cmocka_unit_test(a_value_is_searched_to_its_end_and_not_beyond),
    };
    return cmocka_run_group_tests_name("route_key", tests, NULL, NULL);
}
