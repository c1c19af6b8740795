/*
 * test_session_state.c - the table of transitions: one direction, one way back, a close from every
 * state.
 *
 * Includes session.c for its static table.
 */
#include <string.h>

#include "proxy/session/session.c"
#include "unit.h"

static bool leads(enum session_state from, enum session_state to)
{
    return transitions[from] & (1u << to);
}

static void every_state_has_a_distinct_name(void **state)
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

static void the_only_way_back_is_from_connack_to_dial(void **state)
{
    (void)state;
    for (enum session_state from = 0; from < SESSION_STATE_COUNT; from++)
        for (enum session_state to = 0; to <= from; to++)
            assert_int_equal(leads(from, to), from == SESSION_CONNACK && to == SESSION_DIAL);
}

static void every_state_can_close_and_closed_is_final(void **state)
{
    (void)state;
    assert_int_equal(transitions[SESSION_CLOSED], 0);
    for (enum session_state from = 0; from < SESSION_CLOSED; from++)
        assert_true(leads(from, SESSION_CLOSED));
    assert_int_equal(transitions[SESSION_CLOSING], BIT(CLOSED));
}

static void every_state_can_be_entered(void **state)
{
    (void)state;
    for (enum session_state to = SESSION_ACCEPT + 1; to < SESSION_STATE_COUNT; to++) {
        bool entered = false;
        for (enum session_state from = 0; from < SESSION_STATE_COUNT; from++)
            entered |= leads(from, to);
        assert_true(entered);
    }
}

/* No bytes reach a node before the CONNECT was read and a node was chosen. */
static void a_session_is_relayed_only_after_connect_route_dial_and_connack(void **state)
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
        cmocka_unit_test(every_state_has_a_distinct_name),
        cmocka_unit_test(the_only_way_back_is_from_connack_to_dial),
        cmocka_unit_test(every_state_can_close_and_closed_is_final),
        cmocka_unit_test(every_state_can_be_entered),
        cmocka_unit_test(a_session_is_relayed_only_after_connect_route_dial_and_connack),
    };
    return cmocka_run_group_tests_name("session_state", tests, NULL, NULL);
}
