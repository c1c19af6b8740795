/*
 * test_route_key.c - the first source that is present is the key; nothing is never one.
 */
#include <string.h>

#include "model/route_key.h"
#include "unit.h"

#define PRESENCES 3u /* absent, empty, there */

static struct span value(unsigned presence, const char *text)
{
    return presence == 0 ? (struct span){0} : presence == 1 ? span_of(text, 0) : span_of_str(text);
}

/* What the header promises, over strings: the key, or null. */
static const char *expected_key(const struct cluster_conf *cluster, const char *const there[])
{
    for (size_t i = 0; i < cluster->n_route_by; i++)
        if (there[cluster->route_by[i]])
            return there[cluster->route_by[i]];
    return cluster->empty_client_id == EMPTY_ID_SOURCE_IP ? there[ROUTE_SOURCE_IP] : NULL;
}

static void check_presences(const struct cluster_conf *cluster)
{
    static const char *const texts[] = {"device-7", "user", "192.0.2.1"};
    for (unsigned mix = 0; mix < PRESENCES * PRESENCES * PRESENCES; mix++) {
        const unsigned presence[] = {mix % PRESENCES, mix / PRESENCES % PRESENCES,
                                     mix / PRESENCES / PRESENCES};
        const char *there[ROUTE_SOURCE_COUNT];
        for (size_t i = 0; i < ROUTE_SOURCE_COUNT; i++)
            there[i] = presence[i] == 2 ? texts[i] : NULL;
        const struct route_facts facts = {
            .client_id = value(presence[ROUTE_CLIENT_ID], texts[ROUTE_CLIENT_ID]),
            .username = value(presence[ROUTE_USERNAME], texts[ROUTE_USERNAME]),
            .source_ip = value(presence[ROUTE_SOURCE_IP], texts[ROUTE_SOURCE_IP])};
        struct span key = span_of_str("untouched");
        const char *want = expected_key(cluster, there);
        assert_int_equal(route_key_pick(cluster, &facts, &key), want != NULL);
        assert_true(span_equal(key, span_of_str(want ? want : "untouched")));
    }
}

/* All ordered choices of one to three sources: 3 + 6 + 6. */
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
                struct cluster_conf cluster = {.route_by = {a, b, c},
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
    assert_int_equal(orders, 15);
}

static struct cluster_conf by_client_id(enum empty_client_id empty)
{
    return (struct cluster_conf){
        .route_by = {ROUTE_CLIENT_ID}, .n_route_by = 1, .empty_client_id = empty};
}

static void the_empty_client_id_is_no_key(void **state)
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

static void the_key_is_the_whole_value_byte_for_byte(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_present_source_is_the_key_in_every_combination),
        cmocka_unit_test(the_empty_client_id_is_no_key),
        cmocka_unit_test(an_empty_client_id_may_fall_back_to_the_source_address),
        cmocka_unit_test(the_key_is_the_whole_value_byte_for_byte),
    };
    return cmocka_run_group_tests_name("route_key", tests, NULL, NULL);
}
