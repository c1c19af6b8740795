/*
 * test_health.c - when a node gets new sessions: verdicts of checks, ejections, and a random walk
 * that is compared with a model that keeps the full history.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "model/health.h"
#include "unit.h"

/* The defaults of the configuration. */
static const struct passive_conf usual = {
    .failures = 5, .window_ms = 10000, .eject_ms = 10000, .max_ejected_percent = 50};

#define LONG_AGO UINT64_C(1000000)

/* ---- active checks ---- */

static enum check_result result_of(char letter)
{
    return letter == '+'   ? CHECK_GOOD
           : letter == 'o' ? CHECK_NO_NEW
           : letter == 't' ? CHECK_TIMEOUT
                           : CHECK_BAD;
}

/*
 * Results on the left, verdicts after each on the right: + good, o no new sessions, t timed out,
 * - bad.
 */
static const struct {
    uint32_t fall, rise;
    const char *results, *verdicts;
} verdict_rows[] = {
    /* the first result becomes the verdict immediately */
    {3, 3, "+", "+"},
    {3, 3, "o", "o"},
    {3, 3, "-", "-"},
    /* later results must be consecutive */
    {2, 2, "+-+-+-+", "+++++++"},
    {2, 2, "+--", "++-"},
    {3, 2, "+--+---", "++++++-"},
    {2, 3, "-++-+++", "------+"},
    {1, 1, "+-+o+-o", "+-+o+-o"},
    /* no new sessions is worse than good ... */
    {2, 2, "+o+oo", "++++o"},
    {2, 2, "oo+o++", "ooooo+"},
    /* ... and better than bad */
    {2, 2, "--o-oo", "-----o"},
    {2, 2, "oo-o--", "ooooo-"},
    /* in a mixed row the mildest result becomes the verdict */
    {2, 2, "+-o", "++o"},
    {2, 2, "+o-", "++o"},
    {2, 2, "+o--", "++o-"},
    {3, 3, "+-o---", "+++oo-"},
    {3, 3, "+o---", "+++o-"},
    {2, 2, "-+o", "--o"},
    {2, 2, "-o+", "--o"},
    {2, 2, "-o++", "--o+"},
    {3, 3, "-+o+++", "---oo+"},
    /* a timeout is better than bad, and worse than any other result */
    {2, 2, "t", "t"},
    {2, 2, "+tt", "++t"},
    {2, 2, "+t-", "++t"},
    {2, 2, "+-t", "++t"},
    {2, 2, "+ttt--", "++ttt-"},
    {2, 2, "+--tt", "++--t"},
    {2, 2, "tt+o", "ttto"},
    {2, 2, "t++", "tt+"},
    /* 0 counts as 1 */
    {0, 0, "+-o+t-t", "+-o+t-t"},
};

static void verdicts_follow_the_results(void **state)
{
    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(verdict_rows); r++) {
        struct health_check_conf conf = {.fall = verdict_rows[r].fall,
                                         .rise = verdict_rows[r].rise};
        struct health h = {.admin_state = NODE_STATE_UP};
        enum check_result before = CHECK_GOOD;
        char got[32];
        size_t n = strlen(verdict_rows[r].results);
        for (size_t i = 0; i < n; i++) {
            bool changed = health_check_done(&h, &conf, result_of(verdict_rows[r].results[i]));
            assert_int_equal(changed, h.verdict != before);
            before = h.verdict;
            got[i] = "+ot-"[h.verdict];
        }
        got[n] = '\0';
        print_message("fall %u rise %u %s\n", conf.fall, conf.rise, verdict_rows[r].results);
        assert_string_equal(got, verdict_rows[r].verdicts);
    }
}

static void a_node_is_changing_while_results_contradict_its_verdict(void **state)
{
    (void)state;
    const struct health_check_conf conf = {.fall = 2, .rise = 2};
    static const struct {
        enum check_result result;
        bool changing;
    } steps[] = {{CHECK_BAD, false},  {CHECK_GOOD, true}, {CHECK_BAD, false},   {CHECK_GOOD, true},
                 {CHECK_GOOD, false}, {CHECK_BAD, true},  {CHECK_NO_NEW, false}};
    struct health h = {.admin_state = NODE_STATE_UP};
    assert_false(health_is_changing(&h));
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        (void)health_check_done(&h, &conf, steps[i].result);
        assert_int_equal(health_is_changing(&h), steps[i].changing);
    }
}

static void forgetting_checks_resets_the_verdict(void **state)
{
    (void)state;
    const struct health_check_conf conf = {.fall = 3, .rise = 3};
    struct health h = {.admin_state = NODE_STATE_UP};
    assert_true(health_check_done(&h, &conf, CHECK_BAD));
    health_forget_checks(&h);
    assert_int_equal(health_status(&h, 0), NODE_UP);
    assert_false(health_is_changing(&h));
    assert_true(health_check_done(&h, &conf, CHECK_NO_NEW)); /* immediately, as a first result */
}

/* ---- failures of real sessions ---- */

static bool sessions_fail(struct health *h, uint32_t n, uint64_t now_ms)
{
    return health_sessions_failed(h, &usual, n, now_ms, true);
}

static void five_failures_within_the_window_eject_the_node(void **state)
{
    (void)state;
    struct health h = {.admin_state = NODE_STATE_UP};
    for (uint64_t i = 0; i < 4; i++)
        assert_false(sessions_fail(&h, 1, LONG_AGO + i * 2000));
    assert_int_equal(health_status(&h, LONG_AGO + 7999), NODE_UP);
    assert_true(sessions_fail(&h, 1, LONG_AGO + 8000));
    assert_int_equal(health_status(&h, LONG_AGO + 8000), NODE_EJECTED);
    assert_int_equal(health_status(&h, LONG_AGO + 17999), NODE_EJECTED);
    assert_int_equal(health_status(&h, LONG_AGO + 18000), NODE_UP);
}

static void failures_further_apart_never_eject_the_node(void **state)
{
    (void)state;
    struct health h = {.admin_state = NODE_STATE_UP};
    for (uint64_t i = 0; i < 1000; i++) /* five of these take more than 10 s */
        assert_false(sessions_fail(&h, 1, LONG_AGO + i * 2501));
}

static void one_failure_after_a_quiet_period_does_not_eject(void **state)
{
    (void)state;
    struct health h = {.admin_state = NODE_STATE_UP};
    assert_false(sessions_fail(&h, 4, LONG_AGO));
    assert_false(sessions_fail(&h, 1, LONG_AGO + 10000));
    assert_false(sessions_fail(&h, 3, LONG_AGO + 10000));
    assert_true(sessions_fail(&h, 1, LONG_AGO + 10001));
}

static void an_ejected_node_returns_with_an_empty_window(void **state)
{
    (void)state;
    struct health h = {.admin_state = NODE_STATE_UP};
    assert_true(sessions_fail(&h, 9, LONG_AGO));
    assert_false(
        sessions_fail(&h, 100, LONG_AGO + 9999)); /* sessions placed earlier do not count */
    assert_false(sessions_fail(&h, 4, LONG_AGO + 10000));
    assert_int_equal(health_status(&h, LONG_AGO + 10000), NODE_UP);
    assert_true(sessions_fail(&h, 1, LONG_AGO + 10000));

    struct passive_conf brief = usual; /* also if the window is longer than the ejection */
    brief.eject_ms = 1000;
    memset(&h, 0, sizeof(h));
    assert_true(health_sessions_failed(&h, &brief, 9, LONG_AGO, true));
    assert_false(health_sessions_failed(&h, &brief, 4, LONG_AGO + 1000, true));
    assert_true(health_sessions_failed(&h, &brief, 1, LONG_AGO + 1000, true));
}

/* Eject the node and return the duration, checked at its last millisecond and the next one. */
static uint64_t eject_at(struct health *h, uint64_t now_ms)
{
    assert_true(sessions_fail(h, usual.failures, now_ms));
    uint64_t lasts_ms = h->ejected_until_ms - now_ms;
    assert_int_equal(health_status(h, now_ms + lasts_ms - 1), NODE_EJECTED);
    assert_int_equal(health_status(h, now_ms + lasts_ms), NODE_UP);
    return lasts_ms;
}

static void repeated_ejections_grow_up_to_32_times(void **state)
{
    (void)state;
    static const uint64_t s[] = {10, 20, 40, 80, 160, 320, 320, 320};
    struct health h = {.admin_state = NODE_STATE_UP};
    uint64_t now_ms = LONG_AGO;
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        assert_int_equal(eject_at(&h, now_ms), s[i] * 1000);
        now_ms += s[i] * 1000;
    }
    /* good for 1 ms less than the last ejection plus a window: the next one does not get shorter */
    now_ms += 320000 + 10000 - 1;
    assert_int_equal(eject_at(&h, now_ms), 320000);
    now_ms += 320000 + 320000 + 10000;
    assert_int_equal(eject_at(&h, now_ms), 10000);
}

static void a_disallowed_ejection_is_done_once_allowed(void **state)
{
    (void)state;
    struct health h = {.admin_state = NODE_STATE_UP};
    assert_false(health_sessions_failed(&h, &usual, 5, LONG_AGO, false));
    assert_int_equal(health_status(&h, LONG_AGO), NODE_UP);
    assert_true(health_sessions_failed(&h, &usual, 0, LONG_AGO + 1000, true));
    memset(&h, 0, sizeof(h));
    assert_false(health_sessions_failed(&h, &usual, 5, LONG_AGO, false));
    assert_false(health_sessions_failed(&h, &usual, 0, LONG_AGO + 10000, true));
}

static void switching_passive_off_resets_its_state(void **state)
{
    (void)state;
    struct passive_conf off = usual;
    off.off = true;
    struct health h = {.admin_state = NODE_STATE_UP};
    assert_true(sessions_fail(&h, 5, LONG_AGO));
    assert_false(health_sessions_failed(&h, &off, 5, LONG_AGO + 1, true));
    assert_int_equal(health_status(&h, LONG_AGO + 1), NODE_UP);
    assert_false(sessions_fail(&h, 4, LONG_AGO + 2));
    assert_int_equal(eject_at(&h, LONG_AGO + 20000), 10000); /* not longer than the first */
}

static void a_clock_that_goes_back_does_not_keep_a_node_ejected(void **state)
{
    (void)state;
    struct health h = {.admin_state = NODE_STATE_UP};
    assert_false(sessions_fail(&h, 4, LONG_AGO));
    assert_false(sessions_fail(&h, 4, 1000)); /* the time of the previous four is unknown */
    assert_true(sessions_fail(&h, 1, 1000));
    memset(&h, 0, sizeof(h));
    assert_true(sessions_fail(&h, 5, LONG_AGO));
    assert_int_equal(health_status(&h, LONG_AGO - 1), NODE_UP);
    assert_false(sessions_fail(&h, 4, LONG_AGO - 1));
    assert_true(sessions_fail(&h, 1, LONG_AGO - 1));
}

static void numbers_at_their_limits_do_not_wrap(void **state)
{
    (void)state;
    struct passive_conf conf = {.failures = UINT32_MAX,
                                .window_ms = 9, /* less than 1 ms per tenth */
                                .eject_ms = UINT32_MAX,
                                .max_ejected_percent = 100};
    struct health h = {.admin_state = NODE_STATE_UP};
    assert_false(health_sessions_failed(&h, &conf, UINT32_MAX - 1, LONG_AGO, true));
    assert_false(health_sessions_failed(&h, &conf, UINT32_MAX, LONG_AGO, false));
    assert_true(health_sessions_failed(&h, &conf, 0, LONG_AGO, true));
    uint64_t back_ms = LONG_AGO + UINT32_MAX;
    assert_int_equal(health_status(&h, back_ms - 1), NODE_EJECTED);
    assert_int_equal(health_status(&h, back_ms), NODE_UP);
    assert_true(health_sessions_failed(&h, &conf, UINT32_MAX, back_ms, true));
    assert_int_equal(health_status(&h, back_ms + UINT64_C(2) * UINT32_MAX - 1), NODE_EJECTED);
}

static void without_failures_no_node_is_ejected(void **state)
{
    (void)state;
    struct passive_conf conf = usual;
    conf.failures = 0; /* not possible in a configuration */
    struct health h = {.admin_state = NODE_STATE_UP};
    assert_false(health_sessions_failed(&h, &conf, 0, LONG_AGO, true));
    assert_true(health_sessions_failed(&h, &conf, 1, LONG_AGO, true));
}

/* ---- limit of ejections ---- */

static void ejections_leave_enough_nodes_open(void **state)
{
    (void)state;
    static const struct {
        uint32_t percent;
        size_t nodes, most; /* ejected at the same time */
    } rows[] = {{50, 0, 0},  {100, 1, 0}, {50, 2, 1}, {50, 3, 1},  {50, 4, 2},     {50, 5, 2},
                {100, 2, 1}, {100, 4, 3}, {10, 2, 1}, {10, 19, 1}, {10, 20, 2},    {0, 2, 0},
                {0, 100, 0}, {1, 99, 1},  {67, 3, 2}, {66, 3, 1},  {34, 1000, 340}};
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct passive_conf conf = usual;
        conf.max_ejected_percent = rows[r].percent;
        size_t ejected = 0;
        while (health_may_eject(&conf, rows[r].nodes, ejected))
            ejected++;
        print_message("%u %% of %zu nodes: %zu\n", rows[r].percent, rows[r].nodes, ejected);
        assert_int_equal(ejected, rows[r].most);
        conf.off = true;
        assert_false(health_may_eject(&conf, rows[r].nodes, 0));
    }
}

/* ---- status ---- */

static void the_status_combines_state_checks_and_ejection(void **state)
{
    (void)state;
    const struct health_check_conf conf = {.fall = 1, .rise = 1};
    static const struct {
        enum node_state admin_state;
        enum check_result check;
        bool ejected;
        enum node_status status;
    } rows[] = {
        {NODE_STATE_UP, CHECK_GOOD, false, NODE_UP},
        {NODE_STATE_UP, CHECK_NO_NEW, false, NODE_PAUSED},
        {NODE_STATE_UP, CHECK_BAD, false, NODE_DOWN},
        {NODE_STATE_UP, CHECK_TIMEOUT, false, NODE_DOWN},
        {NODE_STATE_UP, CHECK_TIMEOUT, true, NODE_DOWN},
        {NODE_STATE_UP, CHECK_GOOD, true, NODE_EJECTED},
        {NODE_STATE_UP, CHECK_NO_NEW, true, NODE_EJECTED},
        {NODE_STATE_UP, CHECK_BAD, true, NODE_DOWN},
        {NODE_STATE_DRAINING, CHECK_GOOD, false, NODE_DRAINING},
        {NODE_STATE_DRAINING, CHECK_BAD, true, NODE_DRAINING},
        {NODE_STATE_DOWN, CHECK_GOOD, false, NODE_OFF},
        {NODE_STATE_DOWN, CHECK_BAD, true, NODE_OFF},
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct health h = {.admin_state = rows[r].admin_state};
        (void)health_check_done(&h, &conf, rows[r].check);
        if (rows[r].ejected)
            assert_true(sessions_fail(&h, 5, LONG_AGO));
        print_message("%zu: %s\n", r, node_status_name(health_status(&h, LONG_AGO)));
        assert_int_equal(health_status(&h, LONG_AGO), rows[r].status);
    }
}

/* ---- a random walk ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#define WALK_NODES 7u
#define WALK_STEPS 200000u
#define LOG_MAX    64u

/* One node of the walk, with its full history. */
struct walker {
    struct health h;
    uint64_t failed_ms[LOG_MAX]; /* the latest failures, one entry per failure */
    size_t n_failed;
    uint64_t back_ms; /* end of its last ejection */
};

static size_t count_failed(const struct walker *w, uint64_t since_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_failed && i < LOG_MAX; i++)
        n += w->failed_ms[i] >= since_ms;
    return n;
}

static size_t count_ejected(const struct walker *w, uint64_t now_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < WALK_NODES; i++)
        n += health_status(&w[i].h, now_ms) == NODE_EJECTED;
    return n;
}

/* Let one node fail n times, and compare the result with its history. Returns 1 if ejected. */
static size_t walk_fail(struct walker *w, uint32_t n, uint64_t now_ms, bool may)
{
    bool was_out = health_status(&w->h, now_ms) == NODE_EJECTED;
    bool ejected = health_sessions_failed(&w->h, &usual, n, now_ms, may);
    for (uint32_t i = 0; i < n && !was_out; i++)
        w->failed_ms[w->n_failed++ % LOG_MAX] = now_ms;
    if (was_out || !may)
        assert_false(ejected);
    else if (ejected) /* only for failures within the window */
        assert_true(count_failed(w, now_ms < 10000 ? 0 : now_ms - 9999) >= usual.failures);
    else /* and always for failures within nine tenths of it */
        assert_true(count_failed(w, now_ms < 9000 ? 0 : now_ms - 9000) < usual.failures);
    if (!ejected)
        return 0;
    w->n_failed = 0;
    w->back_ms = w->h.ejected_until_ms;
    assert_in_range(w->back_ms - now_ms, usual.eject_ms, 32 * usual.eject_ms);
    return 1;
}

static void a_random_walk_agrees_with_the_model(void **state)
{
    (void)state;
    struct walker walkers[WALK_NODES];
    memset(walkers, 0, sizeof(walkers));
    uint64_t random = 1, now_ms = LONG_AGO;
    size_t ejections = 0, most = 0;
    for (uint32_t step = 0; step < WALK_STEPS; step++) {
        uint64_t r = next_random(&random);
        struct walker *w = &walkers[r % WALK_NODES];
        now_ms += r >> 8 & 1023;
        if ((r >> 20 & 2047) == 0) /* the machine was suspended, for up to a day */
            now_ms += (r >> 32) % 86400000u;
        bool may = health_may_eject(&usual, WALK_NODES, count_ejected(walkers, now_ms));
        ejections += walk_fail(w, (r >> 48 & 7) < 2 ? 1 + (r >> 52 & 1) : 0, now_ms, may);
        size_t out = count_ejected(walkers, now_ms);
        most = size_max(most, out);
        assert_true(out * 100 <= WALK_NODES * usual.max_ejected_percent);
        assert_int_equal(health_status(&w->h, now_ms) == NODE_EJECTED, now_ms < w->back_ms);
    }
    print_message("%zu ejections, at most %zu of %u at a time\n", ejections, most, WALK_NODES);
    assert_true(ejections > 1000); /* else the walk tests nothing */
    assert_int_equal(most, 3);
}

static void checks_that_bring_a_node_up_end_its_ejection(void **state)
{
    (void)state;
    const struct passive_conf passive = {
        .failures = 1, .window_ms = 10000, .eject_ms = 60000, .max_ejected_percent = 50};
    const struct health_check_conf check = {.fall = 1, .rise = 2};
    struct health h = {0};
    assert_false(health_check_done(&h, &check, CHECK_GOOD));
    assert_true(health_sessions_failed(&h, &passive, 1, 1000, true));
    assert_int_equal(health_status(&h, 1000), NODE_EJECTED);
    /* good checks do not end an ejection if the verdict was good before */
    assert_false(health_check_done(&h, &check, CHECK_GOOD));
    assert_int_equal(health_status(&h, 1500), NODE_EJECTED);
    assert_true(health_check_done(&h, &check, CHECK_BAD));
    assert_int_equal(health_status(&h, 2000), NODE_DOWN);
    assert_false(health_check_done(&h, &check, CHECK_GOOD));
    assert_true(health_check_done(&h, &check, CHECK_GOOD));
    assert_int_equal(health_status(&h, 3000), NODE_UP);
    assert_false(health_sessions_failed(&h, &passive, 0, 3000, true));
}

static void good_checks_keep_an_ejection_from_growing(void **state)
{
    (void)state;
    const struct passive_conf passive = {
        .failures = 1, .window_ms = 10000, .eject_ms = 1000, .max_ejected_percent = 50};
    const struct health_check_conf check = {.fall = 2, .rise = 2};
    struct health alone = {0}, vouched = {0};
    assert_false(health_check_done(&vouched, &check, CHECK_GOOD));
    for (uint64_t now = 1000; now < 60000; now += 100) {
        (void)health_sessions_failed(&alone, &passive, 1, now, true);
        (void)health_sessions_failed(&vouched, &passive, 1, now, true);
        assert_false(health_check_done(&vouched, &check, CHECK_GOOD));
        assert_in_range(vouched.ejected_until_ms, vouched.ejected_at_ms + 1, /* never 0 ms */
                        vouched.ejected_at_ms + passive.eject_ms);
    }
    assert_true(alone.ejected_until_ms - alone.ejected_at_ms > 10 * passive.eject_ms);
    /* a bad check does not shorten the ejection */
    struct health doubted = vouched;
    doubted.ejected_until_ms = doubted.ejected_at_ms + 5 * passive.eject_ms;
    assert_false(health_check_done(&doubted, &check, CHECK_BAD));
    assert_int_equal(doubted.ejected_until_ms - doubted.ejected_at_ms, 5 * passive.eject_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_checks_keep_an_ejection_from_growing),
        cmocka_unit_test(checks_that_bring_a_node_up_end_its_ejection),
        cmocka_unit_test(verdicts_follow_the_results),
        cmocka_unit_test(a_node_is_changing_while_results_contradict_its_verdict),
        cmocka_unit_test(forgetting_checks_resets_the_verdict),
        cmocka_unit_test(five_failures_within_the_window_eject_the_node),
        cmocka_unit_test(failures_further_apart_never_eject_the_node),
        cmocka_unit_test(one_failure_after_a_quiet_period_does_not_eject),
        cmocka_unit_test(an_ejected_node_returns_with_an_empty_window),
        cmocka_unit_test(repeated_ejections_grow_up_to_32_times),
        cmocka_unit_test(a_disallowed_ejection_is_done_once_allowed),
        cmocka_unit_test(switching_passive_off_resets_its_state),
        cmocka_unit_test(a_clock_that_goes_back_does_not_keep_a_node_ejected),
        cmocka_unit_test(numbers_at_their_limits_do_not_wrap),
        cmocka_unit_test(without_failures_no_node_is_ejected),
        cmocka_unit_test(ejections_leave_enough_nodes_open),
        cmocka_unit_test(the_status_combines_state_checks_and_ejection),
        cmocka_unit_test(a_random_walk_agrees_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
