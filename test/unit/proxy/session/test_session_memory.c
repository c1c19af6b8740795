/*
 * test_session_memory.c - each allocation of a session fails: it ends with a matching reason,
 * leaves nothing behind, and the next one is served.
 */
#include <stdio.h>
#include <stdlib.h>

#include "session_kinds.h"
#include "unit.h"

static void assert_served(struct rig *rig, enum kind kind)
{
    struct play play = play_good(kind);
    assert_true(play_on(rig, &play));
    assert_int_equal(rig_reason(rig), CLOSE_CLIENT_CLOSED);
    const struct rig_peer *node = &play.nodes[kind == KIND_REPLAY];
    const struct span hears = node_hears[kind];
    assert_true(node->got_n > hears.n);
    assert_memory_equal(node->got + node->got_n - hears.n, hears.p, hears.n);
    assert_true(play.client.got_n >= node_says.n);
    if (kind != KIND_WEBSOCKET) {
        assert_int_equal(play.client.got_n, node_says.n);
        assert_memory_equal(play.client.got, node_says.p, node_says.n);
    }
    if (rig_residue(rig))
        fail_msg("%s: left behind: %s", kind_words[kind], rig_residue(rig));
    play_fini(&play);
}

static void a_successful_session_of_each_kind_leaves_nothing_behind(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++)
        assert_served(*state, (enum kind)kind);
}

/* The reasons for a lack of memory; LOCAL_LIMIT: for the stream to a node. */
static bool speaks_of_memory(enum kind kind, enum close_reason reason)
{
    return reason == CLOSE_OUT_OF_MEMORY || reason == CLOSE_LOCAL_LIMIT ||
           (kind == KIND_WEBSOCKET && reason == CLOSE_WEBSOCKET_REFUSED);
}

/*
 * Fail each allocation in turn, alone or with all that follow. Returns their number; `unharmed`:
 * sessions that succeeded anyway.
 */
static size_t sweep(struct rig *rig, enum kind kind, bool on, size_t *unharmed)
{
    *unharmed = 0;
    for (size_t at = 0; at < 1000; at++) {
        struct play play = play_good(kind);
        (void)rig_fail_allocation(at, on);
        assert_true(play_on(rig, &play));
        size_t asked = rig_fail_allocation(RIG_NEVER, false);
        enum close_reason reason = rig_reason(rig);
        const char *residue = rig_residue(rig);
        if (residue)
            fail_msg("%s, allocation %zu: left behind: %s", kind_words[kind], at, residue);
        play_fini(&play);
        if (asked <= at) {
            assert_int_equal(reason, CLOSE_CLIENT_CLOSED);
            return at;
        }
        if (reason == CLOSE_CLIENT_CLOSED)
            ++*unharmed;
        else if (!speaks_of_memory(kind, reason))
            fail_msg("%s, allocation %zu: %s", kind_words[kind], at,
                     close_reason_row(reason)->name);
        assert_served(rig, kind);
    }
    fail();
    return 0;
}

/* The record of a session off home, here a replayed one, is optional. */
static size_t for_home(int kind)
{
    return kind == KIND_REPLAY ? 1 : 0;
}

/* One is for the log only, client identifier and user name: optional. */
static void one_failed_allocation_closes_the_session_with_its_reason(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        size_t unharmed, n = sweep(*state, (enum kind)kind, false, &unharmed);
        assert_in_range(n, 7, 30);
        assert_int_equal(unharmed, 1 + for_home(kind));
    }
}

static void failing_allocations_close_the_session_with_their_reason(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        size_t unharmed, n = sweep(*state, (enum kind)kind, true, &unharmed);
        assert_in_range(n, 7, 30);
        assert_int_equal(unharmed, for_home(kind)); /* it is the last */
    }
}

/* Allocations of one successful session, in a rig of its own with this log level. */
static size_t allocations_of(enum kind kind, const char *level)
{
    char config[sizeof(config_json) + 64];
    (void)snprintf(config, sizeof(config), "%.*s,\"log\":{\"level\":\"%s\"}}",
                   (int)sizeof(config_json) - 2, config_json, level);
    struct rig *rig = rig_new(config);
    assert_non_null(rig);
    assert_served(rig, kind); /* what is kept for the next one is there */
    (void)rig_fail_allocation(RIG_NEVER, false);
    assert_served(rig, kind);
    size_t n = rig_fail_allocation(RIG_NEVER, false);
    rig_free(rig);
    return n;
}

static void the_log_line_of_a_session_allocates_nothing(void **state)
{
    (void)state;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        size_t silent = allocations_of((enum kind)kind, "error");
        assert_in_range(silent, 7, 30);
        assert_int_equal(allocations_of((enum kind)kind, "debug"), silent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_successful_session_of_each_kind_leaves_nothing_behind),
        cmocka_unit_test(one_failed_allocation_closes_the_session_with_its_reason),
        cmocka_unit_test(failing_allocations_close_the_session_with_their_reason),
    };
    const struct CMUnitTest with_own_rigs[] = {
        cmocka_unit_test(the_log_line_of_a_session_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down) +
           cmocka_run_group_tests(with_own_rigs, NULL, NULL);
}
