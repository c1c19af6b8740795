/*
 * test_bucket.c - a token bucket never lets more events pass than configured.
 */
#include "base/bucket.h"

#include <stdlib.h>

#include "unit.h"

#define S_US 1000000u

static void a_burst_is_accepted_and_the_next_event_is_not(void **state)
{
    (void)state;
    const struct bucket_rate rate = {.window_us = S_US, .events = 2, .burst = 5};
    uint64_t next = 0, now_us = 100 * (uint64_t)S_US;
    for (int i = 0; i < 5; i++)
        assert_true(bucket_take(&next, now_us, rate));
    assert_false(bucket_take(&next, now_us, rate));
    /* rejected events cause no delay: half a second later, one more event passes */
    assert_false(bucket_take(&next, now_us + S_US / 2 - 1, rate));
    assert_true(bucket_take(&next, now_us + S_US / 2, rate));
}

/* At any time, no more events have passed than the burst plus the rate since the first event. */
static void no_random_sequence_exceeds_its_rate(void **state)
{
    (void)state;
    srand(7);
    for (int walk = 0; walk < 300; walk++) {
        const struct bucket_rate rate = {.window_us = 1 + (uint64_t)rand() % (10 * S_US),
                                         .events = 1 + (uint32_t)rand() % 1000,
                                         .burst = 1 + (uint32_t)rand() % 100};
        uint64_t next = 0, start_us = (uint64_t)rand(), now_us = start_us, passed = 0;
        for (int step = 0; step < 500; step++) {
            now_us += (uint64_t)rand() % (2 * rate.window_us / rate.events + 2);
            passed += bucket_take(&next, now_us, rate);
            double earned = (double)(now_us - start_us) * rate.events / (double)rate.window_us;
            assert_true((double)passed <= rate.burst + earned + 1e-6);
        }
    }
}

static void a_caller_that_can_wait_gets_a_later_turn(void **state)
{
    (void)state;
    const struct bucket_rate rate = {.window_us = S_US, .events = 10, .burst = 1};
    uint64_t next = 0, wait_us;
    assert_true(bucket_take_within(&next, S_US, rate, 0, &wait_us));
    assert_int_equal(wait_us, 0);
    assert_true(bucket_take_within(&next, S_US, rate, 100000, &wait_us));
    assert_int_equal(wait_us, 100000);
    assert_false(bucket_take_within(&next, S_US, rate, 199999, &wait_us));
    assert_true(bucket_take_within(&next, S_US, rate, 200000, &wait_us));
    assert_int_equal(wait_us, 200000);
}

/* A caller that tries all the time gets the full rate. */
static void rejected_attempts_do_not_delay_the_next_turn(void **state)
{
    (void)state;
    const struct bucket_rate rate = {.window_us = S_US, .events = 10, .burst = 1};
    uint64_t next = 0, passed = 0;
    for (uint64_t now_us = S_US; now_us < 11 * S_US; now_us += 1000)
        passed += bucket_take(&next, now_us, rate);
    assert_int_equal(passed, 100);
}

static void extreme_settings_do_not_overflow(void **state)
{
    (void)state;
    const uint64_t late_us = UINT64_C(1) << 50; /* 35 years */
    const struct bucket_rate rates[] = {
        {.window_us = UINT64_C(3600000000), .events = 2, .burst = 2},
        {.window_us = S_US, .events = 1, .burst = 1000000},
        {.window_us = S_US, .events = 1000000, .burst = 1000000},
        {.window_us = UINT64_C(3600000000), .events = 200000, .burst = 200000},
    };
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        uint64_t next = 0;
        for (uint32_t n = 0; n < rates[i].burst; n++)
            assert_true(bucket_take(&next, late_us, rates[i]));
    }
}

/* As after a reload: delays under the old rate do not apply to the new one. */
static void a_faster_rate_takes_effect_immediately(void **state)
{
    (void)state;
    const struct bucket_rate slow = {.window_us = S_US, .events = 1, .burst = 1000};
    const struct bucket_rate fast = {.window_us = S_US, .events = 1000, .burst = 10};
    uint64_t next = 0;
    for (int i = 0; i < 1000; i++)
        assert_true(bucket_take(&next, S_US, slow));
    assert_false(bucket_take(&next, S_US, fast));
    assert_true(bucket_take(&next, S_US + 1000, fast));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_accepted_and_the_next_event_is_not),
        cmocka_unit_test(no_random_sequence_exceeds_its_rate),
        cmocka_unit_test(a_caller_that_can_wait_gets_a_later_turn),
        cmocka_unit_test(rejected_attempts_do_not_delay_the_next_turn),
        cmocka_unit_test(a_faster_rate_takes_effect_immediately),
        cmocka_unit_test(extreme_settings_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
