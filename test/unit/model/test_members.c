/*
 * test_members.c - DNS records become nodes, independent of the order of the records.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "model/members.h"

static const struct discovery_conf by_target = {.record = DNS_RECORD_SRV,
                                                .node_name = NODE_NAME_TARGET};
static const struct discovery_conf by_address = {.record = DNS_RECORD_A,
                                                 .node_name = NODE_NAME_ADDRESS};

/* Format as "name=address*weight", followed by "!" for a backup. */
static const char *text_of(const struct members *members, char text[2048])
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < members->n; i++)
        at += (size_t)snprintf(&text[at], 2048 - at, "%s%s=%s*%u%s", i > 0 ? " " : "",
                               members->nodes[i].name, members->nodes[i].address,
                               members->nodes[i].weight, members->nodes[i].backup ? "!" : "");
    return text;
}

static struct members make(const struct discovery_conf *conf, const struct member_record *records,
                           size_t n)
{
    struct members members;
    assert_true(members_make(conf, records, n, &members));
    return members;
}

/* Check every rotation of the records, in both directions. */
static void expect(const struct discovery_conf *conf, const struct member_record *records, size_t n,
                   const char *expected)
{
    struct member_record turned[16];
    char text[2048];
    assert_true(n <= ARRAY_LEN(turned));
    for (size_t turn = 0; turn < 2 * n; turn++) {
        for (size_t i = 0; i < n; i++)
            turned[turn < n ? i : n - 1 - i] = records[(i + turn) % n];
        struct members members = make(conf, turned, n);
        assert_string_equal(text_of(&members, text), expected);
        members_fini(&members);
    }
}

#define EXPECT(conf, records, expected) expect(&(conf), records, ARRAY_LEN(records), expected)

static void nodes_are_named_by_address(void **state)
{
    (void)state;
    const struct member_record records[] = {
        {.address = "10.0.0.7", .port = 1883},
        {.address = "10.0.0.10", .port = 1883},
        {.address = "2001:db8::7", .port = 1883},
        {.address = "10.0.0.7", .port = 1883},
    };
    EXPECT(by_address, records,
           "10.0.0.10:1883=10.0.0.10:1883*1 10.0.0.7:1883=10.0.0.7:1883*1 "
           "[2001:db8::7]:1883=[2001:db8::7]:1883*1");
}

static void nodes_are_named_by_normalized_target(void **state)
{
    (void)state;
    const struct member_record records[] = {
        {.target = "EMQX-0.Emqx.svc.", .address = "10.0.0.7", .port = 1883, .weight = 1},
        {.target = "emqx-1.emqx.svc", .address = "10.0.0.8", .port = 1883, .weight = 1},
        {.target = "emqx-0.emqx.svc", .address = "10.0.0.7", .port = 1883, .weight = 1},
    };
    EXPECT(by_target, records, "emqx-0.emqx.svc=10.0.0.7:1883*1 emqx-1.emqx.svc=10.0.0.8:1883*1");
}

static void a_target_with_several_ports_becomes_several_nodes(void **state)
{
    (void)state;
    const struct member_record records[] = {
        {.target = "a", .address = "10.0.0.7", .port = 1884, .weight = 1},
        {.target = "A.", .address = "10.0.0.7", .port = 1883, .weight = 1},
        {.target = "b", .address = "10.0.0.8", .port = 1883, .weight = 1},
    };
    EXPECT(by_target, records, "a:1883=10.0.0.7:1883*1 a:1884=10.0.0.7:1884*1 b=10.0.0.8:1883*1");
}

static void srv_nodes_can_be_named_by_address(void **state)
{
    (void)state;
    struct discovery_conf conf = by_target;
    conf.node_name = NODE_NAME_ADDRESS;
    const struct member_record records[] = {
        {.target = "a", .address = "10.0.0.7", .port = 1884, .weight = 2},
        {.target = "a", .address = "10.0.0.8", .port = 1884, .weight = 2},
    };
    EXPECT(conf, records, "10.0.0.7:1884=10.0.0.7:1884*2 10.0.0.8:1884=10.0.0.8:1884*2");
}

static void only_one_address_of_a_target_is_used(void **state)
{
    (void)state;
    const struct member_record records[] = {
        {.target = "a", .address = "10.0.0.9", .port = 1883, .weight = 1},
        {.target = "a", .address = "10.0.0.8", .port = 1883, .weight = 1},
        {.target = "a", .address = "1:db8::1", .port = 1883, .weight = 1},
        {.target = "b", .address = "2001:db8::2", .port = 1883, .weight = 1},
        {.target = "b", .address = "2001:db8::1", .port = 1883, .weight = 1},
    };
    EXPECT(by_target, records, "a=10.0.0.8:1883*1 b=[2001:db8::1]:1883*1");
}

static void the_lowest_priority_is_primary(void **state)
{
    (void)state;
    const struct member_record records[] = {
        {.target = "a", .address = "10.0.0.1", .port = 1883, .priority = 20, .weight = 1},
        {.target = "b", .address = "10.0.0.2", .port = 1883, .priority = 10, .weight = 1},
        {.target = "c", .address = "10.0.0.3", .port = 1883, .priority = 65535, .weight = 1},
        {.target = "d", .address = "10.0.0.4", .port = 1883, .priority = 10, .weight = 1},
    };
    EXPECT(by_target, records,
           "a=10.0.0.1:1883*1! b=10.0.0.2:1883*1 c=10.0.0.3:1883*1! d=10.0.0.4:1883*1");
}

static void weights_are_kept_and_0_becomes_1(void **state)
{
    (void)state;
    const struct member_record records[] = {
        {.target = "a", .address = "10.0.0.1", .port = 1883, .weight = 0},
        {.target = "b", .address = "10.0.0.2", .port = 1883, .weight = 65535},
        {.target = "c", .address = "10.0.0.3", .port = 1883, .weight = 3},
    };
    EXPECT(by_target, records, "a=10.0.0.1:1883*1 b=10.0.0.2:1883*65535 c=10.0.0.3:1883*3");
}

static void a_duplicate_target_uses_the_best_priority_and_weight(void **state)
{
    (void)state;
    const struct member_record records[] = {
        {.target = "a", .address = "10.0.0.1", .port = 1883, .priority = 10, .weight = 1},
        {.target = "a", .address = "10.0.0.1", .port = 1883, .priority = 5, .weight = 2},
        {.target = "a", .address = "10.0.0.1", .port = 1883, .priority = 5, .weight = 3},
        {.target = "b", .address = "10.0.0.2", .port = 1883, .priority = 7, .weight = 9},
    };
    EXPECT(by_target, records, "a=10.0.0.1:1883*3 b=10.0.0.2:1883*9!");
}

static void records_without_a_service_are_ignored(void **state)
{
    (void)state;
    const struct member_record records[] = {
        {.target = ".", .address = "10.0.0.1", .port = 1883, .priority = 0, .weight = 1},
        {.target = "", .address = "10.0.0.1", .port = 1883, .priority = 0, .weight = 1},
        {.target = "a", .address = "10.0.0.1", .port = 0, .priority = 0, .weight = 1},
        {.target = "b", .address = "10.0.0.2", .port = 1883, .priority = 10, .weight = 1},
    };
    EXPECT(by_target, records, "b=10.0.0.2:1883*1"); /* the remaining one is primary */
}

static void no_records_make_no_nodes(void **state)
{
    (void)state;
    struct members members = make(&by_target, NULL, 0);
    assert_int_equal(members.n, 0);
    members_fini(&members);
}

static void values_that_dns_does_not_provide_have_defaults(void **state)
{
    (void)state;
    const struct member_record record = {.address = "10.0.0.1", .port = 1883};
    struct members members = make(&by_address, &record, 1);
    assert_int_equal(members.nodes[0].state, NODE_STATE_UP);
    assert_int_equal(members.nodes[0].max_connections, NODE_AS_DEFAULT);
    assert_int_equal(members.nodes[0].max_connects_per_s, NODE_AS_DEFAULT);
    assert_null(members.nodes[0].check_address);
    members_fini(&members);
}

static void excess_members_are_omitted_in_name_order(void **state)
{
    (void)state;
    static char addresses[MEMBERS_MAX + 5][16];
    static struct member_record records[2 * (MEMBERS_MAX + 5)];
    for (size_t i = 0; i < MEMBERS_MAX + 5; i++) {
        (void)snprintf(addresses[i], sizeof(addresses[i]), "10.1%02zu.1%02zu.1", i / 100, i % 100);
        /* in reverse order, each twice */
        records[2 * (MEMBERS_MAX + 4 - i)] =
            (struct member_record){.address = addresses[i], .port = 1883};
        records[2 * (MEMBERS_MAX + 4 - i) + 1] = records[2 * (MEMBERS_MAX + 4 - i)];
    }
    struct members members = make(&by_address, records, ARRAY_LEN(records));
    assert_int_equal(members.n, MEMBERS_MAX);
    assert_int_equal(members.left_out, 5);
    assert_string_equal(members.nodes[0].address, "10.100.100.1:1883");
    assert_string_equal(members.nodes[MEMBERS_MAX - 1].address, "10.110.123.1:1883");
    members_fini(&members);
}

/* ---- compare, copy ---- */

static void expect_change(const struct member_record *before, size_t n_before,
                          const struct member_record *after, size_t n_after,
                          struct members_change expected)
{
    struct members old = make(&by_target, before, n_before);
    struct members new = make(&by_target, after, n_after);
    struct members_change change = members_compare(&old, &new);
    assert_int_equal(change.added, expected.added);
    assert_int_equal(change.removed, expected.removed);
    assert_int_equal(change.altered, expected.altered);
    bool equal = expected.added + expected.removed + expected.altered == 0;
    assert_int_equal(members_equal(&old, &new), equal);
    assert_int_equal(members_equal(&new, &old), equal);
    members_fini(&old);
    members_fini(&new);
}

static void every_difference_is_detected(void **state)
{
    (void)state;
    const struct member_record a = {.target = "a", .address = "10.0.0.1", .port = 1, .weight = 1};
    const struct member_record b = {.target = "b", .address = "10.0.0.2", .port = 1, .weight = 1};
    struct member_record moved = a, heavier = a, other_port = a, second_rank = a;
    moved.address = "10.0.0.9";
    heavier.weight = 2;
    other_port.port = 2;
    second_rank.priority = 1;
    const struct member_record a_b[] = {a, b}, b_a[] = {b, a}, a_a[] = {a, a};
    const struct member_record backup[] = {second_rank, b};
    const struct member_record capital[] = {
        {.target = "A.", .address = "10.0.0.1", .port = 1, .weight = 0}};

    expect_change(a_b, 2, b_a, 2, (struct members_change){0});
    expect_change(&a, 1, a_a, 2, (struct members_change){0});
    expect_change(&a, 1, capital, 1, (struct members_change){0});
    expect_change(&a, 1, &second_rank, 1, (struct members_change){0}); /* still the lowest */
    expect_change(&a, 1, &moved, 1, (struct members_change){.altered = 1});
    expect_change(&a, 1, &heavier, 1, (struct members_change){.altered = 1});
    expect_change(&a, 1, &other_port, 1, (struct members_change){.altered = 1});
    expect_change(a_b, 2, backup, 2, (struct members_change){.altered = 1});
    expect_change(&a, 1, &b, 1, (struct members_change){.added = 1, .removed = 1});
    expect_change(&a, 1, a_b, 2, (struct members_change){.added = 1});
    expect_change(a_b, 2, &a, 1, (struct members_change){.removed = 1});
    expect_change(NULL, 0, a_b, 2, (struct members_change){.added = 2});
    expect_change(a_b, 2, NULL, 0, (struct members_change){.removed = 2});
    expect_change(NULL, 0, NULL, 0, (struct members_change){0});
}

static void a_copy_is_independent_of_the_original(void **state)
{
    (void)state;
    char text[2048];
    const struct member_record records[] = {
        {.target = "a", .address = "10.0.0.1", .port = 1883, .priority = 1, .weight = 5},
        {.target = "b", .address = "2001:db8::2", .port = 1883, .weight = 6},
    };
    struct members members = make(&by_target, records, ARRAY_LEN(records));
    members.left_out = 3;
    struct members copy;
    char *check_address = members.nodes[1].check_address = strdup("192.0.2.9:80");
    assert_true(members_copy(&members, &copy)); /* check_address is set in the file */
    assert_ptr_not_equal(copy.nodes[1].check_address, check_address);
    assert_string_equal(copy.nodes[1].check_address, "192.0.2.9:80");
    members_fini(&members);
    assert_int_equal(members.n, 0);
    assert_null(members.nodes);
    assert_string_equal(text_of(&copy, text), "a=10.0.0.1:1883*5! b=[2001:db8::2]:1883*6");
    assert_int_equal(copy.left_out, 3);
    assert_int_equal(copy.nodes[0].max_connections, NODE_AS_DEFAULT);
    members_fini(&copy);
    assert_true(members_copy(&members, &copy)); /* no members */
    assert_int_equal(copy.n, 0);
    members_fini(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_named_by_address),
        cmocka_unit_test(nodes_are_named_by_normalized_target),
        cmocka_unit_test(a_target_with_several_ports_becomes_several_nodes),
        cmocka_unit_test(srv_nodes_can_be_named_by_address),
        cmocka_unit_test(only_one_address_of_a_target_is_used),
        cmocka_unit_test(the_lowest_priority_is_primary),
        cmocka_unit_test(weights_are_kept_and_0_becomes_1),
        cmocka_unit_test(a_duplicate_target_uses_the_best_priority_and_weight),
        cmocka_unit_test(records_without_a_service_are_ignored),
        cmocka_unit_test(no_records_make_no_nodes),
        cmocka_unit_test(values_that_dns_does_not_provide_have_defaults),
        cmocka_unit_test(excess_members_are_omitted_in_name_order),
        cmocka_unit_test(every_difference_is_detected),
        cmocka_unit_test(a_copy_is_independent_of_the_original),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
