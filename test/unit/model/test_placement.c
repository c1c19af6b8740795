/*
 * test_placement.c - which nodes a session tries, by key and by load: compared with a simple
 * reference, and checked as laws for thousands of devices.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "placement_testing.h"
#include "unit.h"

#define DEVICES 4000u

/* ---- reference: sort all nodes, then apply the rules ---- */

static bool open_primary(const struct fleet *f, size_t i)
{
    return f->open[i] && !f->backup[i] && f->nodes[i].weight > 0;
}

static bool reluctant(enum placement_availability availability)
{
    return availability == PLACEMENT_WARMING || availability == PLACEMENT_BUSY;
}

static bool is_candidate(const struct placement *p, uint32_t i)
{
    for (size_t k = 0; k < p->n; k++)
        if (p->candidates[k] == i)
            return true;
    return false;
}

/* Rule 5: paused nodes, if no open node was left out. */
static void plainly_paused(const struct fleet *f, const uint32_t *order, size_t n,
                           struct placement *out)
{
    const uint8_t before = out->n;
    for (size_t i = 0; i < f->n; i++)
        if (f->open[i] && f->nodes[i].weight > 0 && !is_candidate(out, (uint32_t)i))
            return;
    for (int round = 0; round < 4; round++) /* primaries free, reluctant; backups free, reluctant */
        for (size_t k = 0; k < n && out->n < PLACEMENT_TRIES_MAX; k++) {
            const uint32_t i = order[k];
            const bool fits = round % 2 == 0 ? f->bars[i] == PLACEMENT_FREE : reluctant(f->bars[i]);
            if (f->paused[i] && f->backup[i] == (round >= 2) && fits)
                out->candidates[out->n++] = i;
        }
    out->n_paused = out->n - before;
}

/* Sort all nodes for a key, then apply the rules of placement.h one by one. */
static struct placement plainly(const struct fleet *f, struct span key)
{
    struct placement out = {.n = 0};
    uint32_t order[FLEET_MAX];
    size_t n = rendezvous_pick(f->nodes, f->n, key, FLEET_MAX, order), in_question = 0;
    bool primaries = false;
    for (size_t i = 0; i < f->n; i++)
        primaries = primaries || open_primary(f, i);
    for (size_t k = n; k-- > 0;)
        if (!f->backup[order[k]]) {
            out.has_home = true;
            out.home = order[k];
        }
    uint32_t best = UINT32_MAX;
    for (int round = 0; round < 2; round++)
        for (size_t k = 0; k < n; k++) {
            uint32_t i = order[k];
            if (!f->open[i] || f->backup[i] == primaries)
                continue;
            in_question++;
            best = best == UINT32_MAX ? i : best;
            bool fits = round == 0 ? f->bars[i] == PLACEMENT_FREE : reluctant(f->bars[i]);
            if (fits && out.n < PLACEMENT_TRIES_MAX)
                out.candidates[out.n++] = i;
        }
    out.full = out.n == 0 && in_question > 0;
    out.overflow = out.n > 0 && out.candidates[0] != best;
    if (primaries && out.n > 0 && out.n == in_question / 2) /* none was left out */
        for (size_t k = 0; k < n && out.n < PLACEMENT_TRIES_MAX; k++)
            if (f->open[order[k]] && f->backup[order[k]] && f->bars[order[k]] == PLACEMENT_FREE)
                out.candidates[out.n++] = order[k];
    plainly_paused(f, order, n, &out);
    return out;
}

static void assert_same(const struct placement *a, const struct placement *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++)
        assert_int_equal(a->candidates[i], b->candidates[i]);
    assert_int_equal(a->overflow, b->overflow);
    assert_int_equal(a->full, b->full);
    assert_int_equal(a->n_paused, b->n_paused);
    assert_int_equal(a->has_home, b->has_home);
    if (a->has_home)
        assert_int_equal(a->home, b->home);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A random cluster, often a corner case: no node open, only backups, all nodes full. */
static void fleet_shake(struct fleet *f, uint64_t *random)
{
    uint64_t mood = next_random(random);
    fleet_init(f, mood % 14, 1);
    for (size_t i = 0; i < f->n; i++) {
        uint64_t r = next_random(random);
        f->nodes[i].weight = (r & 3) == 0 ? 0 : (mood & 16) ? 1 : 1 + (uint32_t)(r >> 8 & 7);
        f->open[i] = (r >> 16 & 3) >= (mood >> 8 & 3);
        f->paused[i] = !f->open[i] && (mood & 32) && (r >> 40 & 1);
        f->backup[i] = (r >> 24 & 3) < (mood >> 16 & 3);
        f->bars[i] = (mood >> 24 & 3) == 0   ? PLACEMENT_FREE
                     : (mood >> 24 & 3) == 1 ? PLACEMENT_FULL
                                             : (enum placement_availability)(r >> 32 & 3);
    }
}

static void any_cluster_is_placed_as_by_the_reference(void **state)
{
    (void)state;
    uint64_t random = 4;
    size_t kinds[3] = {0}; /* placed, full, no node */
    for (uint32_t round = 0; round < 20000; round++) {
        struct fleet f;
        fleet_shake(&f, &random);
        struct placement_view view = fleet_view(&f);
        struct span key = span_of(&round, sizeof(round));
        struct placement got, want = plainly(&f, key);
        placement_by_key(&view, key, &got);
        assert_same(&got, &want);
        kinds[got.n > 0 ? 0 : got.full ? 1 : 2]++;
    }
    print_message("%zu placed, %zu full, %zu without a node\n", kinds[0], kinds[1], kinds[2]);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        assert_true(kinds[i] > 1000);
}

static bool is_open(void *arg, uint32_t index)
{
    const struct fleet *f = arg;
    return f->open[index];
}

static void picking_among_eligible_nodes_keeps_their_order(void **state)
{
    (void)state;
    struct fleet f;
    uint64_t random = 5;
    for (uint32_t round = 0; round < 300; round++) {
        fleet_init(&f, 30, 1);
        for (size_t i = 0; i < f.n; i++) {
            f.open[i] = next_random(&random) % 3 > 0;
            f.nodes[i].weight = (uint32_t)(next_random(&random) % 4);
        }
        uint32_t all[FLEET_MAX], some[FLEET_MAX];
        struct span key = span_of(&round, sizeof(round));
        struct rendezvous_candidates field = {
            .nodes = f.nodes, .n = f.n, .is_eligible = is_open, .arg = &f};
        size_t n_all = rendezvous_pick(f.nodes, f.n, key, FLEET_MAX, all), n = 0;
        size_t n_some = rendezvous_pick_from(&field, key, FLEET_MAX, some);
        for (size_t i = 0; i < n_all; i++)
            if (f.open[all[i]])
                assert_int_equal(some[n++], all[i]);
        assert_int_equal(n_some, n);
    }
}

/* ---- laws for each device ---- */

static void only_the_devices_of_a_closed_node_move_and_they_return(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 4, 1);
    uint32_t moved = 0, at[FLEET_MAX] = {0};
    for (uint32_t i = 0; i < DEVICES; i++) {
        struct placement before = fleet_place(&f, i);
        f.open[2] = false;
        struct placement without = fleet_place(&f, i);
        f.open[2] = true;
        struct placement after = fleet_place(&f, i);
        assert_int_equal(before.candidates[0], before.home);
        assert_int_equal(without.home, before.home);
        assert_false(without.overflow);
        assert_int_equal(without.n, 3);
        if (before.home != 2)
            assert_int_equal(without.candidates[0], before.home);
        else
            assert_int_equal(without.candidates[0], before.candidates[1]);
        moved += without.candidates[0] != before.candidates[0];
        at[without.candidates[0]] += before.home == 2;
        assert_same(&before, &after);
    }
    print_message("moved %u of %u; to %u %u %u\n", moved, DEVICES, at[0], at[1], at[3]);
    assert_in_range(moved, DEVICES / 4 - 100, DEVICES / 4 + 100);
    assert_int_equal(at[2], 0);
    for (size_t i = 0; i < 4; i++) /* the others take a third each */
        assert_true(i == 2 || (at[i] > moved / 3 - 80 && at[i] < moved / 3 + 80));
}

static void backups_are_used_while_no_primary_is_open(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 5, 1);
    f.backup[1] = f.backup[3] = true;
    for (uint32_t i = 0; i < 500; i++) {
        struct placement p = fleet_place(&f, i);
        assert_int_equal(p.n, 3);
        for (size_t k = 0; k < 3; k++)
            assert_false(f.backup[p.candidates[k]]);
        f.open[0] = f.open[2] = false;
        p = fleet_place(&f, i);
        assert_true(p.n == 3 && p.candidates[0] == 4 && f.backup[p.candidates[1]]);
        f.bars[4] = PLACEMENT_FULL; /* a full primary does not make backups candidates */
        p = fleet_place(&f, i);
        assert_true(p.n == 0 && p.full);
        f.bars[4] = PLACEMENT_FREE;
        f.open[4] = false;
        p = fleet_place(&f, i);
        assert_int_equal(p.n, 2);
        assert_true(f.backup[p.candidates[0]] && f.backup[p.candidates[1]]);
        assert_true(p.has_home && !f.backup[p.home]);
        assert_int_equal(fleet_spread(&f, i).n, 2);
        f.open[0] = f.open[2] = f.open[4] = true;
    }
}

static void backups_come_after_all_open_primaries(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 5, 1);
    f.backup[1] = f.backup[3] = f.backup[4] = true;
    f.sessions[0] = f.sessions[2] = 100; /* more load is no reason to use a backup */
    f.bars[1] = PLACEMENT_BUSY;
    f.bars[3] = PLACEMENT_FULL;
    for (uint32_t i = 0; i < 500; i++) {
        for (int bar = PLACEMENT_FREE; bar <= PLACEMENT_FULL; bar++) {
            f.bars[0] = (enum placement_availability)bar;
            struct placement both[] = {fleet_place(&f, i), fleet_spread(&f, i)};
            for (size_t k = 0; k < ARRAY_LEN(both); k++) {
                assert_int_equal(both[k].n, bar == PLACEMENT_FULL ? 1 : 3);
                assert_false(f.backup[both[k].candidates[0]]);
                if (bar == PLACEMENT_FULL) /* a full primary is up, so no backup follows */
                    continue;
                assert_false(f.backup[both[k].candidates[1]]);
                assert_int_equal(both[k].candidates[2], 4);
            }
        }
        f.open[0] = false;
        struct placement p = fleet_spread(&f, i);
        assert_true(p.n == 2 && p.candidates[0] == 2 && p.candidates[1] == 4 && !p.overflow);
        f.open[0] = true;
    }
}

static void backups_are_used_if_all_primaries_have_weight_0(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 2, 1);
    f.backup[1] = true;
    f.nodes[0].weight = 0;
    struct placement p = fleet_place(&f, 1);
    assert_true(p.n == 1 && p.candidates[0] == 1 && !p.has_home && !p.full);
    p = fleet_spread(&f, 1);
    assert_true(p.n == 1 && p.candidates[0] == 1 && !p.has_home && !p.full);
}

static void a_full_node_is_skipped_and_only_its_devices_overflow(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 4, 1);
    for (uint32_t i = 0; i < 500; i++) {
        struct placement before = fleet_place(&f, i);
        f.bars[1] = PLACEMENT_FULL;
        struct placement p = fleet_place(&f, i);
        f.bars[1] = PLACEMENT_FREE;
        assert_int_equal(p.home, before.home);
        assert_int_equal(p.overflow, before.home == 1);
        assert_int_equal(p.candidates[0], before.candidates[before.home == 1]);
        assert_int_equal(p.n, 3);
    }
}

static void busy_nodes_come_after_free_ones_and_full_nodes_are_skipped(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 4, 1);
    struct placement free = fleet_place(&f, 7);
    uint32_t home = free.candidates[0], second = free.candidates[1], third = free.candidates[2];
    uint32_t last = 6 - home - second - third;
    f.bars[home] = PLACEMENT_WARMING;
    f.bars[second] = PLACEMENT_FULL;
    f.bars[third] = PLACEMENT_BUSY;
    struct placement p = fleet_place(&f, 7);
    assert_int_equal(p.n, 3);
    assert_int_equal(p.candidates[0], last);
    assert_int_equal(p.candidates[1], home);
    assert_int_equal(p.candidates[2], third);
    assert_true(p.overflow);
    f.open[last] = false; /* no node is free: the best busy one is not an overflow */
    p = fleet_place(&f, 7);
    assert_true(p.n == 2 && p.candidates[0] == home && p.candidates[1] == third && !p.overflow);
    f.bars[home] = f.bars[third] = PLACEMENT_FULL;
    p = fleet_place(&f, 7);
    assert_true(p.n == 0 && p.full && !p.overflow);
    p = fleet_spread(&f, 7);
    assert_true(p.n == 0 && p.full && !p.overflow);
}

static void without_any_open_node_the_result_is_not_full(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 2, 1);
    f.open[0] = f.open[1] = false;
    struct placement p = fleet_place(&f, 1);
    assert_true(p.n == 0 && !p.full && p.has_home);
    f.n = 0;
    p = fleet_place(&f, 1);
    assert_true(p.n == 0 && !p.full && !p.has_home);
    p = fleet_spread(&f, 1);
    assert_true(p.n == 0 && !p.full && !p.has_home);
}

static void optional_arguments_may_be_null(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 4, 1);
    struct placement_view view = {.nodes = f.nodes, .open = f.open, .n = f.n};
    struct placement with = fleet_place(&f, 5), without;
    placement_by_key(&view, span_of_str("device-000005"), &without);
    assert_same(&with, &without);
    placement_by_load(&view, f.sessions, 3, &without);
    with = fleet_spread(&f, 3);
    assert_same(&with, &without);
}

static void only_a_few_nodes_are_checked_for_availability(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, FLEET_MAX, 1);
    (void)fleet_place(&f, 1);
    assert_int_equal(f.asked, 3); /* only the candidates */
    f.bars[fleet_place(&f, 1).home] = PLACEMENT_FULL;
    f.asked = 0;
    size_t rounds = 200;
    for (uint32_t i = 0; i < rounds; i++)
        (void)fleet_place(&f, i);
    assert_true(f.asked < rounds * FLEET_MAX / 4);
}

/* ---- without a key ---- */

static void the_node_with_the_least_load_per_weight_comes_first(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 5, 1);
    static const uint32_t weights[] = {1, 2, 4, 0, 65535},
                          sessions[] = {3, 5, 8, 0, UINT32_C(1) << 31};
    for (size_t i = 0; i < 5; i++) {
        f.nodes[i].weight = weights[i];
        f.sessions[i] = sessions[i];
    }
    for (uint32_t turn = 0; turn < 20; turn++) {
        struct placement p = fleet_spread(&f, turn);
        assert_true(p.n == 3 && !p.overflow && !p.has_home);
        assert_int_equal(p.candidates[0], 2);
        assert_int_equal(p.candidates[1], 1);
        assert_int_equal(p.candidates[2], 0);
    }
    f.bars[2] = PLACEMENT_BUSY;
    f.bars[0] = PLACEMENT_FULL;
    struct placement p = fleet_spread(&f, 0);
    assert_true(p.n == 3 && p.overflow);
    assert_int_equal(p.candidates[0], 1);
    assert_int_equal(p.candidates[1], 4);
    assert_int_equal(p.candidates[2], 2);
}

/* Equally loaded nodes, with other nodes in between that must not affect their turns. */
static void fleet_with_gaps(struct fleet *f)
{
    fleet_init(f, 9, 1);
    f->nodes[0].weight = 0;
    f->open[1] = false;
    f->backup[3] = true;
    f->sessions[5] = 1;
    f->bars[7] = PLACEMENT_FULL;
}

static void equally_loaded_nodes_take_turns_evenly(void **state)
{
    (void)state;
    struct fleet f;
    fleet_with_gaps(&f);
    static const uint32_t equals[] = {2, 4, 6, 8};
    uint32_t orders[9][9][9] = {{{0}}};
    for (uint32_t turn = 0; turn < 240; turn++) {
        struct placement p = fleet_spread(&f, turn);
        assert_int_equal(p.n, 3);
        assert_false(p.overflow); /* the full node would not be better than the others */
        orders[p.candidates[0]][p.candidates[1]][p.candidates[2]]++;
    }
    /* All orders are equally frequent, so the other nodes share the load of a failed one evenly. */
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            for (size_t m = 0; m < 4; m++)
                assert_int_equal(orders[equals[i]][equals[k]][equals[m]],
                                 i == k || k == m || i == m ? 0 : 10);
    for (uint32_t turn = 0; turn < 100; turn++) /* no node is first twice in a row */
        assert_int_not_equal(fleet_spread(&f, turn).candidates[0],
                             fleet_spread(&f, turn + 1).candidates[0]);
}

static void sessions_without_a_key_are_spread_by_weight(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 3, 1);
    f.nodes[1].weight = 2;
    f.nodes[2].weight = 5;
    for (uint32_t turn = 0; turn < 8000; turn++)
        f.sessions[fleet_spread(&f, turn).candidates[0]]++;
    print_message("%u %u %u\n", f.sessions[0], f.sessions[1], f.sessions[2]);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(f.sessions[i], 1000 * f.nodes[i].weight - 2, 1000 * f.nodes[i].weight + 2);
}

/* The availability of a node changes between two checks. */
static enum placement_availability fickle_bar(void *arg, uint32_t index, struct span key)
{
    uint64_t *random = arg;
    (void)index;
    (void)key;
    return (enum placement_availability)(next_random(random) & 3);
}

static void availability_that_changes_during_the_search_gives_no_duplicates(void **state)
{
    (void)state;
    struct fleet f;
    uint64_t random = 9;
    fleet_with_gaps(&f);
    struct placement_view view = fleet_view(&f);
    view.availability = fickle_bar;
    view.arg = &random;
    for (uint32_t i = 0; i < 20000; i++) {
        struct placement p;
        if (i % 2)
            placement_by_load(&view, f.sessions, i, &p);
        else
            placement_by_key(&view, span_of(&i, sizeof(i)), &p);
        for (size_t k = 0; k < p.n; k++) {
            assert_true(open_primary(&f, p.candidates[k]) || (k > 0 && p.candidates[k] == 3));
            for (size_t j = 0; j < k; j++)
                assert_int_not_equal(p.candidates[j], p.candidates[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cluster_is_placed_as_by_the_reference),
        cmocka_unit_test(picking_among_eligible_nodes_keeps_their_order),
        cmocka_unit_test(only_the_devices_of_a_closed_node_move_and_they_return),
        cmocka_unit_test(backups_are_used_while_no_primary_is_open),
        cmocka_unit_test(backups_come_after_all_open_primaries),
        cmocka_unit_test(backups_are_used_if_all_primaries_have_weight_0),
        cmocka_unit_test(a_full_node_is_skipped_and_only_its_devices_overflow),
        cmocka_unit_test(busy_nodes_come_after_free_ones_and_full_nodes_are_skipped),
        cmocka_unit_test(without_any_open_node_the_result_is_not_full),
        cmocka_unit_test(optional_arguments_may_be_null),
        cmocka_unit_test(only_a_few_nodes_are_checked_for_availability),
        cmocka_unit_test(the_node_with_the_least_load_per_weight_comes_first),
        cmocka_unit_test(equally_loaded_nodes_take_turns_evenly),
        cmocka_unit_test(sessions_without_a_key_are_spread_by_weight),
        cmocka_unit_test(availability_that_changes_during_the_search_gives_no_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
