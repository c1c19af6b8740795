/*
 * test_placement_share.c - slow start, bounded load, pacing, and the share of keys that a change
 * moves. Shares are counted over devices with fixed keys, limits are simulated. Prints the figures.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "placement_testing.h"
#include "unit.h"

#define DEVICES 20000u

static struct span device_key(uint32_t i, char room[32])
{
    return span_of(room, (size_t)snprintf(room, 32, "device-%06u", i));
}

/* ---- slow start ---- */

static void a_slow_start_grows_evenly_over_the_keys_of_the_node(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 4, 1);
    uint64_t seed = f.nodes[2].seed;
    uint32_t at_home = 0, warm[11] = {0};
    for (uint32_t i = 0; i < DEVICES; i++) {
        char room[32];
        if (fleet_place(&f, i).home != 2)
            continue;
        at_home++;
        bool before = false;
        for (uint32_t step = 0; step <= 10; step++) {
            bool now = placement_is_warm_for(seed, device_key(i, room), step * 3000, 30000);
            assert_true(now || !before); /* a key that the node takes stays with it */
            warm[step] += now;
            before = now;
        }
    }
    assert_int_equal(warm[0], 0);
    assert_int_equal(warm[10], at_home);
    for (uint32_t step = 1; step < 10; step++) {
        double share = warm[step] / (double)at_home;
        print_message("after %u s of 30: %.3f\n", step * 3, share);
        assert_true(fabs(share - step / 10.0) < 0.02);
    }
}

static void two_nodes_warm_up_for_different_keys(void **state)
{
    (void)state;
    uint32_t both = 0;
    for (uint32_t i = 0; i < DEVICES; i++) {
        char room[32];
        struct span key = device_key(i, room);
        both += placement_is_warm_for(rendezvous_seed("emqx1"), key, 500, 1000) &&
                placement_is_warm_for(rendezvous_seed("emqx2"), key, 500, 1000);
    }
    assert_true(fabs(both / (double)DEVICES - 0.25) < 0.02);
}

static void slow_start_ends_and_can_be_off(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        struct span key = span_of(&i, sizeof(i));
        assert_true(placement_is_warm_for(i, key, 0, 0));
        assert_true(placement_is_warm_for(i, key, 1000, 1000));
        assert_true(placement_is_warm_for(i, key, UINT64_MAX, UINT32_MAX));
        assert_false(placement_is_warm_for(i, key, 0, UINT32_MAX));
    }
}

/* ---- bounded load ---- */

static void capacity_is_the_share_rounded_up(void **state)
{
    (void)state;
    static const struct {
        uint32_t permille;
        uint64_t total;
        uint32_t weight;
        uint64_t weights, capacity;
    } rows[] = {
        {1250, 0, 1, 4, 1},
        {1250, 99, 1, 4, 32},
        {1000, 99, 1, 4, 25},
        {1000, 100, 1, 4, 26},
        {2000, 99, 3, 4, 150},
        {1250, 99, 0, 4, 0},
        {1001, 999, 1, 1, 1001},
        {1250, 0, 1, 65535, 1},
        /* intermediate results exceed 64 bits */
        {4000000000u, 3999999999u, 65535, 65535, UINT64_C(16000000000000000)},
        {UINT32_MAX, UINT64_MAX - 1, 65535, 1, UINT64_MAX},
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++)
        assert_int_equal(
            placement_capacity(rows[r].permille, rows[r].total, rows[r].weight, rows[r].weights),
            rows[r].capacity);
}

/* Set the availability as the router does: a node that has reached its bounded load is busy. */
static void fleet_bound(struct fleet *f, uint32_t permille)
{
    uint64_t total = 0, weights = 0;
    for (size_t i = 0; i < f->n; i++) {
        total += f->sessions[i];
        weights += f->nodes[i].weight;
    }
    for (size_t i = 0; i < f->n; i++) {
        uint64_t most = placement_capacity(permille, total, f->nodes[i].weight, weights);
        f->bars[i] = f->sessions[i] >= most ? PLACEMENT_BUSY : PLACEMENT_FREE;
    }
}

static void no_node_exceeds_its_bounded_load(void **state)
{
    (void)state;
    struct fleet f;
    fleet_init(&f, 6, 1);
    static const uint32_t weights[] = {1, 1, 2, 3, 5, 8};
    uint32_t overflow = 0;
    for (size_t i = 0; i < f.n; i++)
        f.nodes[i].weight = weights[i];
    for (uint32_t device = 0; device < 10000; device++) {
        fleet_bound(&f, 1250);
        /* Hot keys: half of all connects use one of three keys. */
        struct placement p = fleet_place(&f, device % 2 ? device % 3 : device);
        uint32_t to = p.candidates[0];
        assert_int_equal(f.bars[to], PLACEMENT_FREE); /* there is always a node with room */
        overflow += p.overflow;
        f.sessions[to]++;
        assert_true(f.sessions[to] <= ceil(1.25 * (device + 1) * weights[to] / 20.0));
    }
    for (size_t i = 0; i < f.n; i++) {
        double due = 10000 * weights[i] / 20.0;
        print_message("%u of %.0f (%.3f)\n", f.sessions[i], due, f.sessions[i] / due);
        assert_true(f.sessions[i] <= 1.25 * due + 1);
    }
    assert_true(overflow > 100); /* else the limit was not tested */
}

/* ---- pacing ---- */

static void a_burst_passes_immediately_and_then_one_per_turn(void **state)
{
    (void)state;
    static const struct {
        uint32_t per_s;
        uint64_t burst, turn_us;
    } rows[] = {
        {1, 1, 1000000}, {10, 1, 100000}, {20, 2, 50000}, {100, 10, 10000}, {1000, 100, 1000}};
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        uint64_t next = 0, now_us = 123456789;
        for (uint64_t i = 0; i < rows[r].burst; i++)
            assert_int_equal(placement_take_turn(&next, now_us, rows[r].per_s, 0), 0);
        uint64_t before = next;
        assert_true(placement_take_turn(&next, now_us, rows[r].per_s, 0) == PLACEMENT_NO_TURN);
        assert_true(next == before);
        for (uint64_t i = 1; i <= 5; i++)
            assert_int_equal(placement_take_turn(&next, now_us, rows[r].per_s, 10000),
                             i * rows[r].turn_us);
        now_us += 3600000000; /* an idle hour does not make the burst larger */
        for (uint64_t i = 0; i < rows[r].burst; i++)
            assert_int_equal(placement_take_turn(&next, now_us, rows[r].per_s, 0), 0);
        assert_int_not_equal(placement_take_turn(&next, now_us, rows[r].per_s, 10000), 0);
    }
}

static void a_turn_is_rounded_up_to_the_next_microsecond(void **state)
{
    (void)state;
    uint64_t next = 0;
    assert_int_equal(placement_take_turn(&next, 9, 3, 1000), 0);
    assert_int_equal(placement_take_turn(&next, 9, 3, 1000), 333334);
    assert_int_equal(placement_take_turn(&next, 9, 3, 1000), 666667);
}

static void the_queue_is_limited_by_the_maximum_wait(void **state)
{
    (void)state;
    uint64_t next = 0, waited_us = 0, got;
    uint32_t n = 0;
    while ((got = placement_take_turn(&next, 5, 100, 1000)) != PLACEMENT_NO_TURN) {
        assert_true(got >= waited_us);
        waited_us = got;
        n++;
    }
    assert_int_equal(waited_us, 1000000);
    assert_int_equal(n, 10 + 100); /* the burst, and the turns of one second */
    assert_int_equal(placement_take_turn(&next, 5 + 10000, 100, 1000), 1000000);
}

static void the_pace_neither_drifts_nor_overflows(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 3, 7, 999, 30011, 100000, 999983, 9999991, 10000000};
    for (size_t r = 0; r < ARRAY_LEN(rates); r++) {
        uint64_t start_us = (UINT64_C(1) << 52) - 1 - UINT64_C(200000000000); /* end of range */
        uint64_t next = 0, now_us = start_us, waited_us = 0;
        const uint64_t turns = 200000;
        for (uint64_t i = 0; i < turns; i++) {
            now_us += waited_us;
            waited_us = placement_take_turn(&next, now_us, rates[r], UINT32_MAX);
            assert_true(waited_us != PLACEMENT_NO_TURN);
        }
        uint64_t burst = rates[r] >= 10 ? rates[r] / 10 : 1;
        if (turns <= burst) {
            assert_int_equal(now_us, start_us);
            continue;
        }
        double due_us = (double)(turns - burst) * 1e6 / rates[r];
        double took_us = (double)(now_us + waited_us - start_us);
        print_message("%u a second: %.0f us, due %.1f\n", rates[r], took_us, due_us);
        assert_true(took_us > due_us - 1.001); /* the last turn need not be over */
        assert_true(took_us < due_us * 1.0025 + 2);
    }
}

static void no_interval_exceeds_the_rate_and_the_burst(void **state)
{
    (void)state;
    enum { PER_S = 250, MAX = 4096 };
    static uint64_t went_us[MAX];
    uint64_t next = 0, now_us = 1000000;
    size_t n = 0;
    for (uint32_t i = 0; n < MAX; i++) { /* bursts of 60, then a pause */
        now_us += i % 60 ? 100 : 1 + (i * UINT32_C(2654435761) >> 12) % 900000;
        uint64_t wait_us = placement_take_turn(&next, now_us, PER_S, 300);
        if (wait_us != PLACEMENT_NO_TURN)
            went_us[n++] = now_us + wait_us;
    }
    for (size_t a = 0; a < MAX; a++)
        for (size_t b = a; b < MAX && b < a + 300; b++) {
            double s = (double)(went_us[b] - went_us[a]) / 1e6;
            assert_true(went_us[b] >= went_us[a]);
            assert_true((double)(b - a + 1) <= 25 + s * PER_S + 0.001);
        }
}

static void without_a_rate_limit_no_caller_waits(void **state)
{
    (void)state;
    uint64_t next = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(placement_take_turn(&next, 1, 0, 0), 0);
    assert_int_equal(next, 0);
}

/* ---- share of keys that a change moves ---- */

static struct placement_homes homes_of(const struct fleet *f)
{
    return (struct placement_homes){.nodes = f->nodes, .backup = f->backup, .n = f->n};
}

static uint32_t moved(const struct fleet *a, const struct fleet *b)
{
    struct placement_homes before = homes_of(a), after = homes_of(b);
    return placement_moved_permille(&before, &after);
}

static void the_moved_share_follows_the_nodes(void **state)
{
    (void)state;
    struct fleet four, five, other, none;
    fleet_init(&four, 4, 1);
    fleet_init(&five, 5, 1);
    fleet_init(&other, 4, 11);
    fleet_init(&none, 0, 1);
    print_message("a fifth node moves %u permille\n", moved(&four, &five));
    assert_in_range(moved(&four, &five), 185, 215);
    assert_int_equal(moved(&four, &five), moved(&five, &four));
    assert_int_equal(moved(&four, &four), 0);
    assert_int_equal(moved(&four, &other), 1000);
    assert_int_equal(moved(&four, &none), 1000);
    assert_int_equal(moved(&none, &four), 1000);
    assert_int_equal(moved(&none, &none), 0);
}

static void nodes_are_matched_by_name_and_backups_are_never_home(void **state)
{
    (void)state;
    struct fleet four, turned, weighted, with_backup;
    fleet_init(&four, 4, 1);
    turned = four;
    for (size_t i = 0; i < 4; i++)
        turned.nodes[i] = four.nodes[3 - i];
    assert_int_equal(moved(&four, &turned), 0);
    fleet_init(&with_backup, 5, 1);
    with_backup.backup[4] = true;
    assert_int_equal(moved(&four, &with_backup), 0);
    fleet_init(&weighted, 4, 1);
    weighted.nodes[0].weight = 0;
    print_message("weight 0 moves %u permille\n", moved(&four, &weighted));
    assert_in_range(moved(&four, &weighted), 235, 265);
    weighted.backup[0] = weighted.backup[1] = weighted.backup[2] = weighted.backup[3] = true;
    assert_int_equal(moved(&four, &weighted), 1000);
    struct placement_homes plain = {.nodes = four.nodes, .backup = NULL, .n = 4};
    struct placement_homes same = homes_of(&four);
    assert_int_equal(placement_moved_permille(&plain, &same), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_start_grows_evenly_over_the_keys_of_the_node),
        cmocka_unit_test(two_nodes_warm_up_for_different_keys),
        cmocka_unit_test(slow_start_ends_and_can_be_off),
        cmocka_unit_test(capacity_is_the_share_rounded_up),
        cmocka_unit_test(no_node_exceeds_its_bounded_load),
        cmocka_unit_test(a_burst_passes_immediately_and_then_one_per_turn),
        cmocka_unit_test(a_turn_is_rounded_up_to_the_next_microsecond),
        cmocka_unit_test(the_queue_is_limited_by_the_maximum_wait),
        cmocka_unit_test(the_pace_neither_drifts_nor_overflows),
        cmocka_unit_test(no_interval_exceeds_the_rate_and_the_burst),
        cmocka_unit_test(without_a_rate_limit_no_caller_waits),
        cmocka_unit_test(the_moved_share_follows_the_nodes),
        cmocka_unit_test(nodes_are_matched_by_name_and_backups_are_never_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
