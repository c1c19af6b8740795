/*
 * test_rendezvous.c - the order of nodes for a key, compared with the vectors of a second
 * implementation (test/tools/rendezvous_reference.py) and with a simple sort.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/util.h"
#include "hex.h"
#include "model/rendezvous.h"
#include "unit.h"

#define VECTORS   SOURCE_DIR "/test/unit/model/rendezvous_vectors.jsonl"
#define NODES_MAX 32u
#define KEY_MAX   65535u

/* A fixed sequence of pseudo-random numbers (splitmix64), so that a failure repeats. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t hex_field(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return strtoull(text, NULL, 16);
}

/* Return the key of a vector: given in full, or as a unit that is repeated up to a length. */
static struct span vector_key(const json_t *vector, uint8_t room[KEY_MAX])
{
    const char *whole = json_string_value(json_object_get(vector, "key_hex"));
    if (whole)
        return span_of(room, hex_decode(whole, room, KEY_MAX));
    size_t unit =
        hex_decode(json_string_value(json_object_get(vector, "key_unit_hex")), room, KEY_MAX);
    size_t n = (size_t)json_integer_value(json_object_get(vector, "key_bytes"));
    for (size_t i = unit; i < n; i++)
        room[i] = room[i - unit];
    return span_of(room, n);
}

static void check_order(const json_t *vector, const struct rendezvous_node *nodes, size_t n,
                        struct span key)
{
    const json_t *order = json_object_get(vector, "order");
    for (size_t max = 0; max <= n + 1; max++) {
        uint32_t picked[NODES_MAX + 1];
        size_t got = rendezvous_pick(nodes, n, key, max, picked);
        assert_int_equal(got, size_min(max, json_array_size(order)));
        for (size_t i = 0; i < got; i++)
            assert_string_equal(nodes[picked[i]].name, json_string_value(json_array_get(order, i)));
    }
}

static void check_vector(const json_t *vector)
{
    static uint8_t room[KEY_MAX]; /* one vector at a time */
    if (!json_object_get(vector, "order")) {
        assert_int_equal(rendezvous_cost(hex_field(vector, "x")),
                         json_integer_value(json_object_get(vector, "cost")));
        return;
    }
    struct span key = vector_key(vector, room);
    struct rendezvous_node nodes[NODES_MAX];
    size_t i;
    const json_t *node;
    json_array_foreach(json_object_get(vector, "nodes"), i, node)
    {
        assert_true(i < NODES_MAX);
        const char *name = json_string_value(json_object_get(node, "name"));
        nodes[i] = (struct rendezvous_node){
            .name = name,
            .seed = rendezvous_seed(name),
            .weight = (uint32_t)json_integer_value(json_object_get(node, "weight"))};
        assert_int_equal(nodes[i].seed, hex_field(node, "seed"));
        uint64_t x = rendezvous_hash(nodes[i].seed, key);
        assert_int_equal(x, hex_field(node, "x"));
        assert_int_equal(rendezvous_cost(x), json_integer_value(json_object_get(node, "cost")));
    }
    check_order(vector, nodes, i, key);
}

static void rendezvous_agrees_with_the_second_implementation(void **state)
{
    (void)state;
    FILE *file = fopen(VECTORS, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t room = 0;
    size_t vectors = 0;
    while (getline(&line, &room, file) > 0) {
        json_t *vector = json_loads(line, 0, NULL);
        assert_non_null(vector);
        check_vector(vector);
        json_decref(vector);
        vectors++;
    }
    free(line);
    fclose(file);
    print_message("%zu vectors\n", vectors);
    assert_true(vectors >= 100);
}

static void check_never_rises(uint64_t low, uint64_t high)
{
    uint64_t cost_low = rendezvous_cost(low);
    uint64_t cost_high = rendezvous_cost(high);
    assert_true(cost_high <= cost_low);
    assert_in_range(cost_high, 1, UINT64_C(1) << 38);
    assert_in_range(cost_low, 1, UINT64_C(1) << 38);
}

static void cost_never_rises_as_the_hash_grows(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 300000; i++) {
        uint64_t a = next_random(&seed) | 1;
        uint64_t b = next_random(&seed) >> (next_random(&seed) % 64) | 1;
        check_never_rises(a < b ? a : b, a < b ? b : a);
        if (a < UINT64_MAX - 1)
            check_never_rises(a, a + 2);
    }
    /* Adjacent values of the 32 relevant bits, around every power of two. */
    for (unsigned k = 3; k < 64; k++) {
        uint64_t power = UINT64_C(1) << k;
        uint64_t step = k > 33 ? UINT64_C(1) << (k - 32) : 2;
        for (uint64_t j = 0; j < 2000 && (j + 2) * step < power; j++) {
            check_never_rises((power - (j + 1) * step) | 1, (power - j * step - 1) | 1);
            check_never_rises((power + j * step) | 1, (power + (j + 1) * step) | 1);
        }
    }
}

static void cost_is_exact_at_powers_of_two(void **state)
{
    (void)state;
    assert_int_equal(rendezvous_cost(1), UINT64_C(64) << 32);
    for (uint64_t k = 0; k < 64; k++)
        assert_int_equal(rendezvous_cost(UINT64_C(1) << k), (64 - k) << 32);
}

/* A node to sort; the logarithm is always computed. */
struct always {
    uint64_t x, cost;
    uint32_t weight, index;
    const char *name;
};

static int compare_always(const void *a_, const void *b_)
{
    const struct always *a = a_;
    const struct always *b = b_;
    uint64_t cost_a = a->cost * b->weight;
    uint64_t cost_b = b->cost * a->weight;
    if (cost_a != cost_b)
        return cost_a < cost_b ? -1 : 1;
    if (a->x != b->x)
        return a->x > b->x ? -1 : 1;
    return strcmp(a->name, b->name);
}

static size_t sort_always(const struct rendezvous_node *nodes, size_t n, struct span key,
                          struct always *out)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (nodes[i].weight == 0)
            continue;
        uint64_t x = rendezvous_hash(nodes[i].seed, key);
        out[used++] = (struct always){.x = x,
                                      .cost = rendezvous_cost(x),
                                      .weight = nodes[i].weight,
                                      .index = (uint32_t)i,
                                      .name = nodes[i].name};
    }
    qsort(out, used, sizeof(out[0]), compare_always);
    return used;
}

static void pick_gives_the_order_of_a_sort_that_always_takes_the_logarithm(void **state)
{
    (void)state;
    static const uint32_t weights[] = {0, 1, 1, 1, 2, 4, 100, 65534, 65535};
    char names[NODES_MAX][16];
    struct rendezvous_node nodes[NODES_MAX];
    uint64_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + next_random(&seed) % NODES_MAX;
        for (size_t i = 0; i < n; i++) {
            snprintf(names[i], sizeof(names[i]), "n%zu", i);
            nodes[i] = (struct rendezvous_node){
                .name = names[i],
                /* A third of the nodes have the seed of another node, which makes a tie. */
                .seed = rendezvous_seed(names[i % 3 ? i : i / 2]),
                .weight = weights[next_random(&seed) % ARRAY_LEN(weights)]};
        }
        uint64_t key = next_random(&seed);
        struct always expected[NODES_MAX];
        size_t used = sort_always(nodes, n, span_of(&key, sizeof(key)), expected);
        size_t max = next_random(&seed) % (n + 3);
        uint32_t picked[NODES_MAX + 3];
        size_t got = rendezvous_pick(nodes, n, span_of(&key, sizeof(key)), max, picked);
        assert_int_equal(got, size_min(max, used));
        for (size_t i = 0; i < got; i++)
            assert_int_equal(picked[i], expected[i].index);
    }
}

static void pick_breaks_a_full_tie_by_name(void **state)
{
    (void)state;
    struct rendezvous_node nodes[] = {{.name = "b", .seed = 5, .weight = 3},
                                      {.name = "a", .seed = 5, .weight = 3},
                                      {.name = "c", .seed = 5, .weight = 3}};
    uint32_t picked[3];
    assert_int_equal(rendezvous_pick(nodes, 3, span_of_str("key"), 3, picked), 3);
    assert_int_equal(picked[0], 1);
    assert_int_equal(picked[1], 0);
    assert_int_equal(picked[2], 2);
}

static void pick_ignores_nodes_without_weight(void **state)
{
    (void)state;
    struct rendezvous_node nodes[] = {{.name = "a", .seed = rendezvous_seed("a"), .weight = 0},
                                      {.name = "b", .seed = rendezvous_seed("b"), .weight = 1},
                                      {.name = "c", .seed = rendezvous_seed("c"), .weight = 0}};
    for (int i = 0; i < 1000; i++) {
        uint32_t picked[3] = {9, 9, 9};
        assert_int_equal(rendezvous_pick(nodes, 3, span_of(&i, sizeof(i)), 3, picked), 1);
        assert_int_equal(picked[0], 1);
        assert_int_equal(picked[1], 9);
    }
    nodes[1].weight = 0;
    uint32_t untouched = 9;
    assert_int_equal(rendezvous_pick(nodes, 3, span_of_str("x"), 1, &untouched), 0);
    assert_int_equal(rendezvous_pick(nodes, 0, span_of_str("x"), 1, &untouched), 0);
    assert_int_equal(untouched, 9);
}

static void every_byte_of_a_long_key_changes_the_hash(void **state)
{
    (void)state;
    static uint8_t key[65535];
    uint64_t seed = rendezvous_seed("emqx1");
    uint64_t before = rendezvous_hash(seed, span_of(key, sizeof(key)));
    for (size_t i = 0; i < sizeof(key); i += i < 2048 || i > 65000 ? 1 : 61) {
        key[i] = 1;
        assert_int_not_equal(rendezvous_hash(seed, span_of(key, sizeof(key))), before);
        key[i] = 0;
    }
    assert_int_not_equal(rendezvous_hash(seed, span_of(key, sizeof(key) - 1)), before);
}

static void hash_is_odd_for_absent_and_empty_keys_alike(void **state)
{
    (void)state;
    struct span absent = {.p = NULL, .n = 0};
    uint64_t seed = rendezvous_seed("");
    assert_int_equal(rendezvous_hash(seed, absent) & 1, 1);
    assert_int_equal(rendezvous_hash(seed, absent), rendezvous_hash(seed, span_of_str("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rendezvous_agrees_with_the_second_implementation),
        cmocka_unit_test(cost_never_rises_as_the_hash_grows),
        cmocka_unit_test(cost_is_exact_at_powers_of_two),
        cmocka_unit_test(pick_gives_the_order_of_a_sort_that_always_takes_the_logarithm),
        cmocka_unit_test(pick_breaks_a_full_tie_by_name),
        cmocka_unit_test(pick_ignores_nodes_without_weight),
        cmocka_unit_test(every_byte_of_a_long_key_changes_the_hash),
        cmocka_unit_test(hash_is_odd_for_absent_and_empty_keys_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
