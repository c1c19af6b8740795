/*
 * test_snapshot.c - the nodes a session is offered: by key the rendezvous order, without one
 * the least loaded for their weight. And a snapshot that memory ran out on leaks nothing.
 *
 * Compiles snapshot.c into itself, with an allocator that fails on demand.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t allowed = SIZE_MAX; /* allocations until one fails */

static void *failing_calloc(size_t n, size_t size)
{
    if (allowed == 0)
        return NULL;
    allowed--;
    return calloc(n, size);
}

#define calloc failing_calloc
#include "proxy/snapshot.c"
#undef calloc

#include "unit.h"

#define NODES_MAX 8u

/* A cluster as snapshot_new() makes it, without a configuration file. */
struct ground {
    char names[NODES_MAX][8];
    struct node_conf confs[NODES_MAX];
    struct cluster_conf conf;
    struct cluster cluster;
};

static void ground_init(struct ground *g, const uint32_t *weights, const uint32_t *sessions,
                        size_t n)
{
    assert_true(n <= NODES_MAX);
    *g = (struct ground){.conf = {.nodes = g->confs, .n_nodes = n}};
    for (size_t i = 0; i < n; i++) {
        memcpy(g->names[i], (char[]){'n', (char)('0' + i), '\0'}, 3);
        g->confs[i] = (struct node_conf){.name = g->names[i],
                                         .address = (char *)(uintptr_t) "192.0.2.1:1883",
                                         .weight = weights[i]};
    }
    assert_true(cluster_init(&g->cluster, &g->conf));
    for (size_t i = 0; i < n; i++)
        atomic_store(&g->cluster.nodes[i].live->sessions, sessions[i]);
}

static void ground_fini(struct ground *g)
{
    for (size_t i = 0; i < g->cluster.n; i++)
        free(g->cluster.nodes[i].live);
    free(g->cluster.nodes);
    free(g->cluster.homes);
}

static void expect_order(const struct ground *g, uint32_t turn, const uint32_t *want, size_t n)
{
    uint32_t got[SNAPSHOT_CANDIDATES_MAX];
    assert_int_equal(cluster_least_loaded(&g->cluster, turn, got), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(got[i], want[i]);
}

static void the_least_loaded_come_first_at_most_three(void **state)
{
    (void)state;
    struct ground g;
    ground_init(&g, (uint32_t[]){1, 1, 1, 1, 1}, (uint32_t[]){50, 10, 40, 20, 30}, 5);
    for (uint32_t turn = 0; turn < 12; turn++)
        expect_order(&g, turn, (uint32_t[]){1, 3, 4}, 3);
    ground_fini(&g);
}

static void load_is_counted_by_weight(void **state)
{
    (void)state;
    struct ground g;
    /* per weight: 100, 25, 10, 20 */
    ground_init(&g, (uint32_t[]){1, 4, 1, 10}, (uint32_t[]){100, 100, 10, 200}, 4);
    for (uint32_t turn = 0; turn < 8; turn++)
        expect_order(&g, turn, (uint32_t[]){2, 3, 1}, 3);
    ground_fini(&g);
    /* empty nodes: the heavier takes the session more easily */
    ground_init(&g, (uint32_t[]){1, 3, 2}, (uint32_t[]){0, 0, 0}, 3);
    for (uint32_t turn = 0; turn < 6; turn++)
        expect_order(&g, turn, (uint32_t[]){1, 2, 0}, 3);
    ground_fini(&g);
    /* figures that would not fit 32 bits multiplied */
    ground_init(&g, (uint32_t[]){65535, 65534}, (uint32_t[]){4000000000u, 4000000000u}, 2);
    for (uint32_t turn = 0; turn < 2; turn++)
        expect_order(&g, turn, (uint32_t[]){0, 1}, 2);
    ground_fini(&g);
}

static void a_node_without_weight_gets_nothing(void **state)
{
    (void)state;
    struct ground g;
    ground_init(&g, (uint32_t[]){0, 1, 0, 1}, (uint32_t[]){0, 9, 0, 5}, 4);
    for (uint32_t turn = 0; turn < 8; turn++)
        expect_order(&g, turn, (uint32_t[]){3, 1}, 2);
    ground_fini(&g);
    ground_init(&g, (uint32_t[]){0, 0}, (uint32_t[]){0, 0}, 2);
    expect_order(&g, 0, NULL, 0);
    ground_fini(&g);
}

static void equals_take_turns_as_home_and_as_fallback(void **state)
{
    (void)state;
    struct ground g;
    ground_init(&g, (uint32_t[]){1, 1, 1, 1}, (uint32_t[]){7, 7, 7, 7}, 4);
    for (uint32_t turn = 0; turn < 8; turn++)
        expect_order(&g, turn, (uint32_t[]){turn % 4, (turn + 1) % 4, (turn + 2) % 4}, 3);
    expect_order(&g, UINT32_MAX, (uint32_t[]){3, 0, 1}, 3); /* where the turns begin again */
    ground_fini(&g);
    /* two equals behind a lighter one */
    ground_init(&g, (uint32_t[]){1, 1, 1}, (uint32_t[]){7, 3, 7}, 3);
    expect_order(&g, 0, (uint32_t[]){1, 0, 2}, 3);
    expect_order(&g, 1, (uint32_t[]){1, 2, 0}, 3);
    expect_order(&g, 2, (uint32_t[]){1, 2, 0}, 3);
    ground_fini(&g);
}

/* Place sessions one by one: each node ends with its share, to one session. */
static void sessions_placed_one_by_one_reach_the_weights_shares(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 1, 2, 4, 0};
    struct ground g;
    ground_init(&g, weights, (uint32_t[]){0, 0, 0, 0, 0}, 5);
    for (uint32_t turn = 0; turn < 8000; turn++) {
        uint32_t order[SNAPSHOT_CANDIDATES_MAX];
        assert_int_equal(cluster_least_loaded(&g.cluster, turn, order), 3);
        atomic_fetch_add(&g.cluster.nodes[order[0]].live->sessions, 1);
    }
    for (size_t i = 0; i < 5; i++)
        assert_in_range(atomic_load(&g.cluster.nodes[i].live->sessions) + 1, weights[i] * 1000,
                        weights[i] * 1000 + 2);
    ground_fini(&g);
}

static void a_key_is_offered_its_own_rendezvous_order(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 0, 3, 65535, 2, 1};
    struct ground g;
    ground_init(&g, weights, (uint32_t[]){9, 0, 0, 5, 0, 0}, 6);
    struct rendezvous_node nodes[6];
    for (size_t i = 0; i < 6; i++)
        nodes[i] = (struct rendezvous_node){
            .name = g.names[i], .seed = rendezvous_seed(g.names[i]), .weight = weights[i]};
    for (unsigned i = 0; i < 1000; i++) {
        char id[16];
        uint32_t got[SNAPSHOT_CANDIDATES_MAX], want[SNAPSHOT_CANDIDATES_MAX];
        (void)snprintf(id, sizeof(id), "device-%u", i);
        struct span key = span_of_str(id);
        assert_int_equal(cluster_candidates(&g.cluster, key, got), SNAPSHOT_CANDIDATES_MAX);
        assert_int_equal(rendezvous_pick(nodes, 6, key, SNAPSHOT_CANDIDATES_MAX, want),
                         SNAPSHOT_CANDIDATES_MAX);
        assert_memory_equal(got, want, sizeof(got));
    }
    ground_fini(&g);
}

static struct config *parse_two_clusters(void)
{
    static const char text[] =
        "{\"listeners\":[{\"name\":\"a\",\"address\":\"127.0.0.1:1883\",\"cluster\":\"one\"},"
        "{\"name\":\"b\",\"address\":\"127.0.0.1:1884\",\"cluster\":\"two\"}],\"clusters\":["
        "{\"name\":\"one\",\"nodes\":[{\"name\":\"n1\",\"address\":\"192.0.2.1:1883\"},"
        "{\"name\":\"n2\",\"address\":\"[2001:db8::2]:1883\",\"weight\":5}]},"
        "{\"name\":\"two\",\"nodes\":[{\"name\":\"n1\",\"address\":\"192.0.2.3:1883\"}]}]}";
    struct config_messages messages;
    struct config *config = config_parse(text, strlen(text), "config.json", &messages);
    for (size_t i = 0; i < messages.n; i++)
        print_message("%s\n", messages.list[i].text);
    config_messages_fini(&messages);
    assert_non_null(config);
    return config;
}

static void a_snapshot_holds_what_the_configuration_says(void **state)
{
    (void)state;
    char text[ADDRESS_TEXT_MAX];
    struct snapshot *snapshot = snapshot_new(parse_two_clusters());
    assert_non_null(snapshot);
    assert_int_equal(snapshot->config->n_clusters, 2);
    const struct cluster *one = &snapshot->clusters[0], *two = &snapshot->clusters[1];
    assert_ptr_equal(one->conf, &snapshot->config->clusters[0]);
    assert_int_equal(one->n, 2);
    assert_int_equal(two->n, 1);
    assert_string_equal(address_format(&one->nodes[1].endpoint.address, text),
                        "[2001:db8::2]:1883");
    assert_string_equal(address_format(&two->nodes[0].endpoint.address, text), "192.0.2.3:1883");
    assert_string_equal(one->homes[1].name, "n2");
    assert_int_equal(one->homes[1].weight, 5);
    assert_int_equal(one->homes[0].seed, two->homes[0].seed); /* by name, not by address */
    assert_int_equal(atomic_load(&one->nodes[0].live->sessions), 0);
    assert_ptr_not_equal(one->nodes[0].live, two->nodes[0].live);
    snapshot_free(snapshot);
}

/* The sanitizer sees a leak, or a configuration freed twice. */
static void a_snapshot_half_made_is_given_back_whole(void **state)
{
    (void)state;
    struct snapshot *snapshot = NULL;
    size_t n = 0;
    for (; !snapshot; n++) {
        struct config *config = parse_two_clusters();
        allowed = n;
        snapshot = snapshot_new(config);
        allowed = SIZE_MAX;
    }
    assert_int_equal(n - 1, 1 + 1 + 2 * 2 + 3 +
                                1); /* itself, clusters, two arrays each, live records, doors */
    snapshot_free(snapshot);
    snapshot_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_loaded_come_first_at_most_three),
        cmocka_unit_test(load_is_counted_by_weight),
        cmocka_unit_test(a_node_without_weight_gets_nothing),
        cmocka_unit_test(equals_take_turns_as_home_and_as_fallback),
        cmocka_unit_test(sessions_placed_one_by_one_reach_the_weights_shares),
        cmocka_unit_test(a_key_is_offered_its_own_rendezvous_order),
        cmocka_unit_test(a_snapshot_holds_what_the_configuration_says),
        cmocka_unit_test(a_snapshot_half_made_is_given_back_whole),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
