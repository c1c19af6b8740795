/*
 * test_rendezvous_shares.c - how 100,000 devices fall on nodes, and which of them move
 * when the nodes change. Prints the figures it judges.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "model/rendezvous.h"
#include "unit.h"

#define KEYS      100000u
#define NODES_MAX 8u

typedef size_t (*key_maker)(uint32_t i, char room[64]);

struct cluster {
    size_t n;
    struct rendezvous_node nodes[NODES_MAX];
};

static size_t numbered_key(uint32_t i, char room[64])
{
    return (size_t)snprintf(room, 64, "device-%06u", i);
}

/* As a client library makes them up: a prefix and 64 random bits (splitmix64 of i). */
static size_t random_key(uint32_t i, char room[64])
{
    uint64_t z = (i + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (size_t)snprintf(room, 64, "mqttjs_%016llx", (unsigned long long)(z ^ z >> 31));
}

static const struct {
    const char *word;
    key_maker make;
} kinds[] = {{"device-%06u", numbered_key}, {"mqttjs_<random>", random_key}};

static struct cluster cluster_of(size_t n, const uint32_t *weights)
{
    static const char *const names[NODES_MAX] = {"emqx1", "emqx2", "emqx3", "emqx4",
                                                 "emqx5", "emqx6", "emqx7", "emqx8"};
    struct cluster c = {.n = n};
    for (size_t i = 0; i < n; i++)
        c.nodes[i] = (struct rendezvous_node){.name = names[i],
                                              .seed = rendezvous_seed(names[i]),
                                              .weight = weights ? weights[i] : 1};
    return c;
}

static uint32_t home(const struct cluster *c, key_maker make, uint32_t i)
{
    char room[64];
    size_t n = make(i, room);
    uint32_t picked;
    assert_int_equal(rendezvous_pick(c->nodes, c->n, span_of(room, n), 1, &picked), 1);
    return picked;
}

static void count_homes(const struct cluster *c, key_maker make, uint32_t counts[NODES_MAX])
{
    memset(counts, 0, NODES_MAX * sizeof(counts[0]));
    for (uint32_t i = 0; i < KEYS; i++)
        counts[home(c, make, i)]++;
}

static void four_equal_nodes_share_within_two_percent(void **state)
{
    (void)state;
    struct cluster four = cluster_of(4, NULL);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        uint32_t counts[NODES_MAX];
        count_homes(&four, kinds[k].make, counts);
        uint32_t max = 0;
        for (size_t i = 0; i < 4; i++)
            max = counts[i] > max ? counts[i] : max;
        double ratio = max / (KEYS / 4.0);
        print_message("%s: %u %u %u %u, max/avg %.4f\n", kinds[k].word, counts[0], counts[1],
                      counts[2], counts[3], ratio);
        assert_true(ratio <= 1.02);
    }
}

static void weighted_nodes_get_their_due_within_one_percent(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 1, 2, 4};
    struct cluster weighted = cluster_of(4, weights);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        uint32_t counts[NODES_MAX];
        count_homes(&weighted, kinds[k].make, counts);
        for (size_t i = 0; i < 4; i++) {
            double share = counts[i] / (double)KEYS;
            double due = weights[i] / 8.0;
            print_message("%s: weight %u share %.4f due %.4f off %+.4f (%+.2f %% of its due)\n",
                          kinds[k].word, weights[i], share, due, share - due,
                          100 * (share - due) / due);
            assert_true(fabs(share - due) <= 0.01);
        }
    }
}

/* Removing a node is weight 0 here: the array keeps its indices. */
static void check_removal(struct cluster c, size_t removed, key_maker make, uint32_t *moved)
{
    struct cluster less = c;
    less.nodes[removed].weight = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        char room[64];
        size_t n = make(i, room);
        uint32_t picked[2];
        assert_int_equal(rendezvous_pick(c.nodes, c.n, span_of(room, n), 2, picked), 2);
        uint32_t now = home(&less, make, i);
        if (picked[0] == removed) {
            (*moved)++;
            /* The second candidate was the home to be. */
            assert_int_equal(now, picked[1]);
        } else {
            assert_int_equal(now, picked[0]);
        }
    }
}

static void removing_a_node_moves_only_its_keys_and_to_their_fallback(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 1, 2, 4};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (size_t removed = 0; removed < 4; removed++) {
            uint32_t moved = 0;
            uint32_t moved_weighted = 0;
            check_removal(cluster_of(4, NULL), removed, kinds[k].make, &moved);
            check_removal(cluster_of(4, weights), removed, kinds[k].make, &moved_weighted);
            print_message("%s without node %zu: %u moved (weights 1,1,2,4: %u)\n", kinds[k].word,
                          removed + 1, moved, moved_weighted);
        }
    }
}

static void a_fifth_node_takes_a_fifth_and_nothing_else_moves(void **state)
{
    (void)state;
    struct cluster four = cluster_of(4, NULL);
    struct cluster five = cluster_of(5, NULL);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        uint32_t moved = 0;
        for (uint32_t i = 0; i < KEYS; i++) {
            uint32_t before = home(&four, kinds[k].make, i);
            uint32_t after = home(&five, kinds[k].make, i);
            if (before == after)
                continue;
            moved++;
            assert_int_equal(after, 4);
        }
        double percent = 100.0 * moved / KEYS;
        print_message("%s: the fifth node takes %.3f %%\n", kinds[k].word, percent);
        assert_true(fabs(percent - 20.0) <= 0.5);
    }
}

static void a_new_weight_moves_keys_only_to_or_from_that_node(void **state)
{
    (void)state;
    static const uint32_t before[] = {1, 1, 2, 4};
    static const uint32_t heavier[] = {1, 1, 3, 4};
    static const uint32_t lighter[] = {1, 1, 1, 4};
    struct cluster base = cluster_of(4, before);
    struct cluster more = cluster_of(4, heavier);
    struct cluster less = cluster_of(4, lighter);
    uint32_t gained = 0;
    uint32_t lost = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t was = home(&base, numbered_key, i);
        uint32_t with_more = home(&more, numbered_key, i);
        uint32_t with_less = home(&less, numbered_key, i);
        if (with_more != was) {
            assert_int_equal(with_more, 2);
            gained++;
        }
        if (with_less != was) {
            assert_int_equal(was, 2);
            lost++;
        }
    }
    print_message("weight 2 to 3: %u gained; 2 to 1: %u lost\n", gained, lost);
    /* 3/9 - 2/8 of all keys, and 2/8 - 1/7. */
    assert_true(fabs(gained / (double)KEYS - (3.0 / 9 - 2.0 / 8)) <= 0.005);
    assert_true(fabs(lost / (double)KEYS - (2.0 / 8 - 1.0 / 7)) <= 0.005);
}

static void the_order_of_the_array_is_irrelevant(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 1, 2, 4, 1, 2, 4, 4};
    struct cluster c = cluster_of(8, weights);
    struct cluster turned = {.n = 8};
    for (size_t shift = 1; shift < 8; shift++) {
        /* 3 and 8 share no factor: a different permutation for each shift. */
        for (size_t i = 0; i < 8; i++)
            turned.nodes[(3 * i + shift) % 8] = c.nodes[i];
        for (uint32_t i = 0; i < KEYS / 10; i++) {
            char room[64];
            size_t n = numbered_key(i, room);
            uint32_t a[8];
            uint32_t b[8];
            assert_int_equal(rendezvous_pick(c.nodes, 8, span_of(room, n), 8, a), 8);
            assert_int_equal(rendezvous_pick(turned.nodes, 8, span_of(room, n), 8, b), 8);
            for (size_t place = 0; place < 8; place++)
                assert_ptr_equal(c.nodes[a[place]].name, turned.nodes[b[place]].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_equal_nodes_share_within_two_percent),
        cmocka_unit_test(weighted_nodes_get_their_due_within_one_percent),
        cmocka_unit_test(removing_a_node_moves_only_its_keys_and_to_their_fallback),
        cmocka_unit_test(a_fifth_node_takes_a_fifth_and_nothing_else_moves),
        cmocka_unit_test(a_new_weight_moves_keys_only_to_or_from_that_node),
        cmocka_unit_test(the_order_of_the_array_is_irrelevant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
