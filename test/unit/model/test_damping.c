/*
 * test_damping.c - penalties that grow, and that are reset after a quiet period.
 */
#include "model/damping.h"

#include "unit.h"

#define S_US 1000000u

static const struct flapping_conf conf = {
    .max_connects = 4, .window_ms = 4000, .penalty_ms = 1000, .penalty_max_ms = 8000};

/* Send an event every 10 ms until a penalty begins. Return its length. Advances now_us. */
static uint32_t flap(struct damping *d, uint64_t *now_us, int *free_events)
{
    uint32_t left_ms;
    for (*free_events = 0;; ++*free_events, *now_us += 10000) {
        enum damping_verdict verdict = damping_step(d, &conf, *now_us, &left_ms);
        if (verdict == DAMPING_BEGINS)
            return left_ms;
        assert_int_equal(verdict, DAMPING_FREE);
        assert_int_equal(left_ms, 0);
    }
}

static void penalties_double_up_to_their_maximum(void **state)
{
    (void)state;
    static const uint32_t wanted[] = {1000, 2000, 4000, 8000, 8000, 8000};
    struct damping d = {0};
    uint64_t now_us = 5 * S_US;
    int free_events;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_int_equal(flap(&d, &now_us, &free_events), wanted[i]);
        assert_int_equal(free_events, i == 0 ? 4 : 2); /* then the bucket is half full */
        now_us += wanted[i] * UINT64_C(1000);
    }
}

static void events_during_a_penalty_do_not_extend_it(void **state)
{
    (void)state;
    struct damping d = {0};
    uint64_t now_us = S_US;
    int free_events;
    uint32_t left_ms, ms = flap(&d, &now_us, &free_events);
    for (uint32_t at = 1; at < ms; at++) {
        assert_int_equal(damping_step(&d, &conf, now_us + at * UINT64_C(1000), &left_ms),
                         DAMPING_PENALTY);
        assert_int_equal(left_ms, ms - at);
    }
    assert_int_equal(damping_step(&d, &conf, now_us + ms * UINT64_C(1000), &left_ms), DAMPING_FREE);
}

static void a_quiet_period_resets_the_penalty(void **state)
{
    (void)state;
    struct damping d = {0};
    uint64_t now_us = S_US;
    int free_events;
    (void)flap(&d, &now_us, &free_events);
    now_us += 1000 * 1000;
    assert_int_equal(flap(&d, &now_us, &free_events), 2000);
    now_us += (2000 + 8001) * 1000;
    assert_int_equal(flap(&d, &now_us, &free_events), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(penalties_double_up_to_their_maximum),
        cmocka_unit_test(events_during_a_penalty_do_not_extend_it),
        cmocka_unit_test(a_quiet_period_resets_the_penalty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
