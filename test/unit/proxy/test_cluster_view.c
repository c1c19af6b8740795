/*
 * test_cluster_view.c - a worker's view of a cluster follows the nodes' records: status, limits,
 * slow start, bounded load.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/cluster_view.h"
#include "unit.h"

struct ground {
    struct node_registry registry;
    struct snapshot *snapshot;
    struct cluster_view *cluster_view;
};

/* more: keys of the cluster, each with its comma; names are n0, n1, ... */
static void ground_init(struct ground *g, size_t nodes, const char *more)
{
    char text[2048];
    size_t n = (size_t)snprintf(text, sizeof(text),
                                "{\"listeners\":[{\"name\":\"a\",\"address\":\"127.0.0.1:1883\","
                                "\"cluster\":\"c\"}],\"clusters\":[{\"name\":\"c\",%s\"nodes\":[",
                                more);
    for (size_t i = 0; i < nodes; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "%s{\"name\":\"n%zu\",\"address\":\"192.0.2.%zu:1883\"}",
                              i ? "," : "", i, i + 1);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "]}]}");
    struct config_messages messages;
    struct config *config = config_parse(text, n, "config.json", &messages);
    for (size_t i = 0; i < messages.n; i++)
        print_message("%s\n", messages.list[i].text);
    config_messages_fini(&messages);
    assert_non_null(config);
    node_registry_init(&g->registry, 1);
    g->snapshot = snapshot_new(config, &g->registry, NULL, NULL);
    assert_non_null(g->snapshot);
    g->cluster_view = cluster_view_new(g->snapshot, 0, &g->registry);
    assert_non_null(g->cluster_view);
}

static void ground_fini(struct ground *g)
{
    cluster_view_unref(g->cluster_view);
    snapshot_unref(g->snapshot);
    node_registry_fini(&g->registry);
}

static struct node_live *live(struct ground *g, size_t i)
{
    return g->snapshot->clusters[0].nodes[i].live;
}

static struct placement place(struct ground *g, const char *key)
{
    struct placement placement;
    bool warming;
    cluster_view_place(g->cluster_view, span_of_str(key), &placement, &warming);
    return placement;
}

static void a_status_takes_effect_immediately(void **state)
{
    (void)state;
    struct ground g;
    ground_init(&g, 3, "");
    uint32_t home = place(&g, "device").home;
    assert_int_equal(place(&g, "device").candidates[0], home);
    static const enum node_status closed[] = {NODE_PAUSED, NODE_EJECTED, NODE_DRAINING, NODE_DOWN,
                                              NODE_OFF};
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        node_live_set_status(&g.registry, live(&g, home), closed[i]);
        struct placement elsewhere = place(&g, "device");
        const bool paused = closed[i] == NODE_PAUSED; /* the last resort */
        assert_int_equal(elsewhere.n, paused ? 3 : 2);
        assert_int_equal(elsewhere.n_paused, paused);
        assert_int_not_equal(elsewhere.candidates[0], home);
        assert_int_not_equal(elsewhere.candidates[1], home);
        assert_int_equal(elsewhere.home, home);
        assert_false(elsewhere.overflow);
        node_live_set_status(&g.registry, live(&g, home), NODE_UP);
        assert_int_equal(place(&g, "device").candidates[0], home);
    }
    for (size_t i = 0; i < 3; i++)
        node_live_set_status(&g.registry, live(&g, i), NODE_DOWN);
    assert_int_equal(place(&g, "device").n, 0);
    assert_int_equal(place(&g, NULL).n, 0);
    ground_fini(&g);
}

static void paused_nodes_are_used_if_no_other_node_is_up(void **state)
{
    (void)state;
    struct ground g;
    ground_init(&g, 3, "");
    uint32_t home = place(&g, "device").home;
    for (size_t i = 0; i < 3; i++)
        node_live_set_status(&g.registry, live(&g, i), i == 0 ? NODE_DOWN : NODE_PAUSED);
    assert_int_equal(place(&g, NULL).n, 2);
    assert_int_equal(place(&g, NULL).n_paused, 2);
    struct placement placement = place(&g, "device");
    assert_int_equal(placement.n, 2);
    assert_int_equal(placement.n_paused, 2);
    if (home != 0)
        assert_int_equal(placement.candidates[0], home);
    node_live_set_status(&g.registry, live(&g, 0), NODE_UP);
    assert_int_equal(place(&g, "device").candidates[0], 0);
    assert_int_equal(place(&g, "device").n_paused, 2);
    ground_fini(&g);
}

/* Full nodes are up: the devices are refused rather than sent to a node that asks for none. */
static void paused_nodes_are_not_used_while_a_node_that_is_up_is_full(void **state)
{
    (void)state;
    struct ground g;
    ground_init(&g, 2, "\"node_defaults\":{\"max_connections\":5},");
    node_live_set_status(&g.registry, live(&g, 0), NODE_PAUSED);
    atomic_store(&live(&g, 1)->sessions, 5);
    assert_int_equal(place(&g, "device").n, 0);
    assert_true(place(&g, "device").full);
    assert_int_equal(place(&g, NULL).n, 0);
    assert_true(place(&g, NULL).full);
    ground_fini(&g);
}

static void a_full_home_sends_its_devices_to_their_next_node(void **state)
{
    (void)state;
    struct ground g;
    ground_init(&g, 3, "\"node_defaults\":{\"max_connections\":5},");
    uint32_t home = place(&g, "device").home;
    atomic_store(&live(&g, home)->sessions, 4);
    assert_int_equal(place(&g, "device").candidates[0], home);
    atomic_store(&live(&g, home)->sessions, 5);
    struct placement next = place(&g, "device");
    assert_true(next.overflow);
    assert_int_not_equal(next.candidates[0], home);
    for (size_t i = 0; i < 3; i++)
        atomic_store(&live(&g, i)->sessions, 5);
    assert_int_equal(place(&g, "device").n, 0);
    assert_true(place(&g, "device").full);
    ground_fini(&g);
}

static void a_node_above_the_load_bound_overflows(void **state)
{
    (void)state;
    struct ground g;
    ground_init(&g, 4, "\"bounded_load\":1.25,");
    uint32_t home = place(&g, "device").home;
    for (size_t i = 0; i < 4; i++)
        atomic_store(&live(&g, i)->sessions, 100);
    assert_int_equal(place(&g, "device").candidates[0], home);
    atomic_store(&live(&g, home)->sessions, 140); /* 1.25 x 110.25 */
    assert_int_not_equal(place(&g, "device").candidates[0], home);
    assert_true(place(&g, "device").overflow);
    ground_fini(&g);
}

static unsigned share_at(struct ground *g, uint32_t node, const char *format)
{
    unsigned there = 0;
    for (unsigned i = 0; i < 1000; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "device-%u", i);
        there += place(g, format ? key : NULL).candidates[0] == node;
    }
    return there;
}

static void a_returning_node_gets_its_devices_gradually(void **state)
{
    (void)state;
    struct ground g;
    ground_init(&g, 2, "\"node_defaults\":{\"slow_start_ms\":3600000},");
    unsigned all = share_at(&g, 0, "device-%u");
    assert_in_range(all, 400, 600);
    uint64_t now_us = clock_monotonic_us();
    atomic_store(&live(&g, 0)->up_since_us, now_us);
    assert_in_range(share_at(&g, 0, "device-%u"), 0, 20);
    assert_in_range(share_at(&g, 0, NULL), 0, 20); /* and those without a key */
    /* a clock that is younger than half an hour cannot be tested like this */
    if (now_us > 1800u * 1000000u) {
        atomic_store(&live(&g, 0)->up_since_us, now_us - 1800u * 1000000u);
        assert_in_range(share_at(&g, 0, "device-%u"), all / 3, all * 2 / 3);
    }
    atomic_store(&live(&g, 0)->up_since_us, 0); /* was there from our start */
    assert_int_equal(share_at(&g, 0, "device-%u"), all);
    ground_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_takes_effect_immediately),
        cmocka_unit_test(paused_nodes_are_used_if_no_other_node_is_up),
        cmocka_unit_test(paused_nodes_are_not_used_while_a_node_that_is_up_is_full),
        cmocka_unit_test(a_full_home_sends_its_devices_to_their_next_node),
        cmocka_unit_test(a_node_above_the_load_bound_overflows),
        cmocka_unit_test(a_returning_node_gets_its_devices_gradually),
    };
    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
