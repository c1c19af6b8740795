/*
 * test_session_state.c - the corridor's laws: one direction, one way back, an end from
 * everywhere, and no state that nothing leads to unless it is a room not built yet.
 *
 * Compiles session.c into itself, to see its table.
 */
#include <string.h>

/* By its path: for tests, "proxy/worker.h" is first found in src, where it is another file. */
#include "proxy/worker/workers.h"

#include "proxy/session/session.c"
#include "unit.h"

static bool leads(enum session_state from, enum session_state to)
{
    return corridor[from].next & (1u << to);
}

static bool is_built(enum session_state state)
{
    return corridor[state].stage || state == SESSION_CLOSED;
}

static void every_state_has_a_word_of_its_own(void **state)
{
    (void)state;
    for (enum session_state a = 0; a < SESSION_STATE_COUNT; a++) {
        const char *word = session_state_name(a);
        assert_true(strlen(word) > 0);
        assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz_"), strlen(word));
        for (enum session_state b = 0; b < a; b++)
            assert_string_not_equal(word, session_state_name(b));
    }
}

static void the_only_way_back_is_to_the_next_candidate(void **state)
{
    (void)state;
    for (enum session_state from = 0; from < SESSION_STATE_COUNT; from++)
        for (enum session_state to = 0; to <= from; to++)
            assert_int_equal(leads(from, to), from == SESSION_CONNACK && to == SESSION_DIAL);
}

static void every_state_can_end_and_the_end_is_final(void **state)
{
    (void)state;
    assert_int_equal(corridor[SESSION_CLOSED].next, 0);
    for (enum session_state from = 0; from < SESSION_CLOSED; from++)
        assert_int_equal(leads(from, SESSION_CLOSED), is_built(from));
    assert_int_equal(corridor[SESSION_FAREWELL].next, BIT(CLOSED));
}

static void rooms_not_built_yet_are_not_entered_and_all_others_are(void **state)
{
    (void)state;
    for (enum session_state to = SESSION_ACCEPT + 1; to < SESSION_STATE_COUNT; to++) {
        bool entered = false;
        for (enum session_state from = 0; from < SESSION_STATE_COUNT; from++)
            entered |= leads(from, to);
        assert_int_equal(entered, is_built(to));
    }
}

/* No device reaches a node before its CONNECT was read and a node was chosen. */
static void nobody_relays_without_having_been_routed(void **state)
{
    (void)state;
    for (enum session_state from = 0; from < SESSION_STATE_COUNT; from++) {
        assert_int_equal(leads(from, SESSION_ROUTE), from == SESSION_CONNECT);
        assert_int_equal(leads(from, SESSION_CONNACK), from == SESSION_DIAL);
        assert_int_equal(leads(from, SESSION_RELAY), from == SESSION_CONNACK);
        if (leads(from, SESSION_DIAL))
            assert_true(from == SESSION_ROUTE || from == SESSION_CONNACK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_has_a_word_of_its_own),
        cmocka_unit_test(the_only_way_back_is_to_the_next_candidate),
        cmocka_unit_test(every_state_can_end_and_the_end_is_final),
        cmocka_unit_test(rooms_not_built_yet_are_not_entered_and_all_others_are),
        cmocka_unit_test(nobody_relays_without_having_been_routed),
    };
    return cmocka_run_group_tests_name("session_state", tests, NULL, NULL);
}
