/*
 * test_evictor.c - sessions of draining and down nodes, and off-home sessions, are closed at a
 * limited rate, completely, and only if another node takes them.
 *
 * The workers are simulated by a step that takes all credit as soon as it is woken.
 *
 * Includes evictor.c with an allocator that fails on demand.
 */
#include <stdint.h>
#include <stdlib.h>

static size_t allowed = SIZE_MAX; /* allocations until one fails */

static void *failing_calloc(size_t n, size_t size)
{
    if (allowed == 0)
        return NULL;
    allowed--;
    return calloc(n, size);
}

#define calloc failing_calloc
#include "control/health/evictor.c"
#undef calloc

#include "control/ground.h"

#define HISTORY 200000u

struct play {
    struct ground g;
    struct evictor *evictor;
    unsigned wakes;
    bool woken;
    bool workers_stuck;
    uint64_t closed_us[HISTORY]; /* when each session was closed */
    uint32_t closed, closed_clean, closed_away;
};

static void note_wake(void *arg)
{
    struct play *p = arg;
    p->wakes++;
    p->woken = true;
}

static struct play *play_new(const char *more, size_t n_nodes)
{
    struct play *p = calloc(1, sizeof(*p));
    char *nodes = ground_nodes(n_nodes);
    assert_non_null(p);
    ground_init(&p->g);
    p->g.snapshot = ground_snapshot(&p->g, more, nodes);
    p->evictor = evictor_new(p->g.loop, p->g.log, &p->g.registry, note_wake, p);
    assert_non_null(p->evictor);
    assert_true(evictor_take(p->evictor, p->g.snapshot));
    free(nodes);
    return p;
}

static void play_free(struct play *p)
{
    evictor_free(p->evictor);
    ground_fini(&p->g);
    free(p);
}

static void set_status(struct play *p, size_t node, enum node_status status)
{
    struct node_live *live = ground_live(&p->g, node);
    if (status == NODE_UP)
        atomic_store(&live->up_since_us, ground_now_us);
    node_live_set_status(&p->g.registry, live, status);
    evictor_check(p->evictor);
}

static void seat(struct play *p, size_t node, uint32_t clean, uint32_t kept)
{
    struct node_live *live = ground_live(&p->g, node);
    atomic_store(&live->clean, clean);
    atomic_store(&live->kept, kept);
    atomic_store(&live->sessions, clean + kept);
}

/* Close one session if there is credit and a session. */
static bool close_one(struct play *p, struct node_live *live, _Atomic uint32_t *credit,
                      _Atomic uint32_t *seats)
{
    if (atomic_load(credit) == 0 || atomic_load(seats) == 0)
        return false;
    atomic_fetch_sub(credit, 1);
    atomic_fetch_sub(seats, 1);
    const bool is_away = seats >= live->off_home && seats < live->off_home + OFF_HOME_CAUSE_COUNT;
    if (!is_away)
        atomic_fetch_sub(&live->sessions, 1);
    p->closed_clean += seats == &live->clean;
    p->closed_away += is_away;
    assert_true(p->closed < HISTORY);
    p->closed_us[p->closed++] = ground_now_us;
    return true;
}

/* Kept sessions take credit for any session first. */
static void work(void *arg)
{
    struct play *p = arg;
    if (p->workers_stuck || !p->woken)
        return;
    p->woken = false;
    for (size_t i = 0; i < p->g.snapshot->clusters[0].n; i++) {
        struct node_live *live = ground_live(&p->g, i);
        while (close_one(p, live, &live->evictions[EVICT_DRAIN_CLEAN], &live->clean))
            continue;
        for (int why = EVICT_DRAIN; why <= EVICT_DOWN; why++)
            while (close_one(p, live, &live->evictions[why], &live->kept) ||
                   close_one(p, live, &live->evictions[why], &live->clean))
                continue;
        for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
            while (close_one(p, live, &live->evictions[EVICT_OFF_HOME + cause],
                             &live->off_home[cause]))
                continue;
    }
}

static void pass(struct play *p, uint64_t ms)
{
    ground_pass(&p->g, ms, work, p);
}

static uint32_t busiest_second(const struct play *p)
{
    uint32_t most = 0;
    for (uint32_t i = 0, from = 0; i < p->closed; i++) {
        while (p->closed_us[i] - p->closed_us[from] >= 1000000u)
            from++;
        if (i - from + 1 > most)
            most = i - from + 1;
    }
    return most;
}

static uint32_t handed_out(const struct node_live *live)
{
    uint32_t n = 0;
    for (int why = 0; why < EVICTION_COUNT; why++)
        n += NODE_LIVE_READ(live->evictions[why]);
    return n;
}

/* ---- draining ---- */

static void a_drain_keeps_its_rate_in_every_second(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 3, 7, 10, 19, 200, 5000};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        char more[64];
        (void)snprintf(more, sizeof(more), "\"drain_rate_per_s\":%u,", rates[i]);
        struct play *p = play_new(more, 2);
        seat(p, 0, 5 * rates[i], 5 * rates[i]);
        set_status(p, 0, NODE_DRAINING);
        pass(p, 10000); /* less than 80 % of the rate is too slow */
        assert_true(p->closed * 10u >= rates[i] * 80u);
        pass(p, 2500);
        assert_int_equal(p->closed, 10 * rates[i]); /* all are closed */
        assert_true(busiest_second(p) * 10u <= rates[i] * 11u);
        assert_int_equal(ground_logged(&p->g, "node.draining", "node=\"n0\"", NULL), 1);
        assert_int_equal(ground_logged(&p->g, "node.drained", "node=\"n0\"", "took_ms="), 1);
        play_free(p);
    }
}

static void clean_sessions_are_closed_first(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":100,", 2);
    seat(p, 0, 55, 200);
    set_status(p, 0, NODE_DRAINING);
    while (p->closed < 50)
        pass(p, 10);
    assert_int_equal(p->closed_clean, p->closed);
    pass(p, 4000);
    assert_int_equal(p->closed, 255);
    play_free(p);
}

static void at_the_deadline_all_remaining_sessions_are_closed(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":1,\"drain_deadline_ms\":5000,", 2);
    seat(p, 0, 300, 300);
    atomic_store(&ground_live(&p->g, 0)->sessions, 601); /* one session waits for its CONNACK */
    set_status(p, 0, NODE_DRAINING);
    pass(p, 4900);
    assert_in_range(p->closed, 3, 5);
    pass(p, 300);
    assert_int_equal(p->closed, 600);
    seat(p, 0, 0, 1);
    pass(p, 300);
    assert_int_equal(p->closed, 601);
    play_free(p);
}

static void a_session_that_was_waiting_when_the_drain_began_is_closed_too(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":50,", 2);
    atomic_store(&ground_live(&p->g, 0)->sessions, 1);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 500);
    assert_int_equal(ground_logged(&p->g, "node.drained", NULL, NULL), 0);
    seat(p, 0, 0, 1);
    pass(p, 1300);
    assert_int_equal(p->closed, 1);
    assert_int_equal(ground_logged(&p->g, "node.drained", NULL, NULL), 1);
    assert_int_equal(ground_logged(&p->g, "node.draining", NULL, NULL), 1);
    play_free(p);
}

/* A replay can use candidates that were picked before the drain. */
static void a_session_that_reaches_a_drained_node_is_closed_too(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":50,", 2);
    seat(p, 0, 5, 5);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 1000);
    assert_int_equal(p->closed, 10);
    assert_int_equal(ground_logged(&p->g, "node.drained", NULL, NULL), 1);
    pass(p, 60000);
    seat(p, 0, 1, 2);
    evictor_check(p->evictor);
    pass(p, 1000);
    assert_int_equal(p->closed, 13);
    assert_int_equal(ground_logged(&p->g, "node.draining", NULL, NULL), 1);
    assert_int_equal(ground_logged(&p->g, "node.drained", NULL, NULL), 2);
    play_free(p);
}

static void a_cancelled_drain_is_not_reported_as_drained(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":50,", 2);
    atomic_store(&ground_live(&p->g, 0)->sessions, 1);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 500);
    set_status(p, 0, NODE_UP);
    pass(p, 500);
    assert_int_equal(ground_logged(&p->g, "node.draining", NULL, NULL), 1);
    assert_int_equal(ground_logged(&p->g, "node.drained", NULL, NULL), 0);
    play_free(p);
}

static void an_empty_node_is_drained_immediately(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 100);
    assert_int_equal(ground_logged(&p->g, "node.draining", "sessions=0", "rate_per_s=100"), 1);
    assert_int_equal(ground_logged(&p->g, "node.drained", NULL, NULL), 1);
    play_free(p);
}

static void the_end_of_a_drain_is_logged_once(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":50,", 2);
    seat(p, 0, 5, 5);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 1000);
    set_status(p, 0, NODE_UP);
    pass(p, 1000);
    assert_int_equal(ground_logged(&p->g, "node.drained", NULL, NULL), 1);
    play_free(p);
}

static void frequent_checks_do_not_change_the_rate(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":100,", 2);
    seat(p, 0, 0, 300);
    set_status(p, 0, NODE_DRAINING);
    for (int i = 0; i < 400; i++) {
        evictor_check(p->evictor);
        pass(p, 10);
    }
    assert_int_equal(p->closed, 300);
    assert_true(busiest_second(p) <= 110);
    play_free(p);
}

static void closing_times_are_randomized(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":1000,", 2);
    uint64_t shortest_us = UINT64_MAX, longest_us = 0;
    seat(p, 0, 0, 3000);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 2000);
    for (uint32_t i = 1; i < p->closed; i++) {
        uint64_t us = p->closed_us[i] - p->closed_us[i - 1];
        if (us == 0)
            continue; /* in the same tick */
        shortest_us = us < shortest_us ? us : shortest_us;
        longest_us = us > longest_us ? us : longest_us;
    }
    assert_in_range(shortest_us, 38000, 47000);
    assert_in_range(longest_us, 53000, 64000);
    play_free(p);
}

static void a_cancelled_drain_revokes_its_credit(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":1000,", 2);
    seat(p, 0, 500, 0);
    set_status(p, 0, NODE_DRAINING);
    p->workers_stuck = true;
    pass(p, 200);
    assert_in_range(handed_out(ground_live(&p->g, 0)), 1, 60);
    set_status(p, 0, NODE_UP);
    pass(p, 100);
    assert_int_equal(handed_out(ground_live(&p->g, 0)), 0);
    p->workers_stuck = false;
    pass(p, 1000);
    assert_int_equal(p->closed, 0);
    assert_int_equal(ground_logged(&p->g, "node.drained", NULL, NULL), 0);
    play_free(p);
}

static void unused_credit_does_not_accumulate(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":100,", 2);
    seat(p, 0, 0, 2000);
    set_status(p, 0, NODE_DRAINING);
    p->workers_stuck = true;
    pass(p, 5000);
    assert_in_range(handed_out(ground_live(&p->g, 0)), 1, 7);
    p->workers_stuck = false;
    pass(p, 5000);
    assert_true(busiest_second(p) <= 110);
    play_free(p);
}

static void a_delayed_main_thread_does_not_catch_up(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":100,", 2);
    seat(p, 0, 0, 3000);
    set_status(p, 0, NODE_DRAINING);
    for (int i = 0; i < 50; i++) {
        pass(p, 20 + (uint64_t)i * 4);
        ground_now_us += 10000u * (uint64_t)i; /* the thread is busy for up to half a second */
    }
    assert_true(p->closed > 300);
    assert_true(busiest_second(p) <= 110);
    play_free(p);
}

/* The workers take their credit as late as possible, after a delay of the main thread. */
static void late_workers_and_a_late_main_thread_cause_no_burst(void **state)
{
    (void)state;
    static const uint32_t rates[] = {5, 50, 200, 2000};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        char more[64];
        (void)snprintf(more, sizeof(more), "\"drain_rate_per_s\":%u,", rates[i]);
        struct play *p = play_new(more, 2);
        seat(p, 0, 0, 60 * rates[i]);
        set_status(p, 0, NODE_DRAINING);
        for (unsigned k = 0; k < 20; k++) {
            p->workers_stuck = true;
            pass(p, 40 + k);
            ground_now_us += 500000; /* the main thread is busy */
            p->workers_stuck = false;
            work(p);
            pass(p, 1100);
        }
        assert_in_range(p->closed, 10 * rates[i], 30 * rates[i]);
        if (busiest_second(p) * 10u > rates[i] * 11u)
            fail_msg("%u in a second at %u/s", busiest_second(p), rates[i]);
        play_free(p);
    }
}

static void a_rate_override_applies_to_one_drain(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":10,", 2);
    seat(p, 0, 0, 1000);
    /* set before the drain starts */
    evictor_set_drain(p->evictor, ground_live(&p->g, 0), 100, 3000);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 2000);
    assert_in_range(p->closed, 170, 210);
    assert_int_equal(ground_logged(&p->g, "node.draining", NULL, "rate_per_s=100"), 1);
    pass(p, 1200);
    assert_int_equal(p->closed, 1000);
    set_status(p, 0, NODE_UP);
    pass(p, 200);
    seat(p, 0, 0, 1000);
    p->closed = 0;
    set_status(p, 0, NODE_DRAINING);
    pass(p, 4000);
    assert_in_range(p->closed, 35, 42);
    play_free(p);
}

static void a_rate_for_the_next_drain_survives_the_end_of_the_last(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":10,", 2);
    seat(p, 0, 0, 1000);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 500);
    set_status(p, 0, NODE_UP);
    evictor_set_drain(p->evictor, ground_live(&p->g, 0), 100, 0); /* before the next tick */
    pass(p, 500);
    p->closed = 0;
    set_status(p, 0, NODE_DRAINING);
    pass(p, 2000);
    assert_in_range(p->closed, 170, 210);
    play_free(p);
}

/* ---- down ---- */

static void sessions_of_a_down_node_are_closed_at_the_rate(void **state)
{
    (void)state;
    static const enum node_status lost[] = {NODE_DOWN, NODE_OFF};
    for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
        struct play *p = play_new("\"close_rate_per_s\":50,", 2);
        seat(p, 0, 50, 50);
        set_status(p, 0, lost[i]);
        pass(p, 1000);
        assert_in_range(p->closed, 40, 55);
        pass(p, 2000);
        assert_int_equal(p->closed, 100);
        assert_int_equal(ground_logged(&p->g, "node.closing", "sessions=100", NULL), 1);
        assert_int_equal(ground_logged(&p->g, "node.closed", "took_ms=", NULL), 1);
        play_free(p);
    }
}

static void no_session_is_closed_while_no_other_node_is_up(void **state)
{
    (void)state;
    struct play *p = play_new("\"close_rate_per_s\":50,", 2);
    seat(p, 0, 50, 0);
    set_status(p, 1, NODE_EJECTED);
    set_status(p, 0, NODE_DOWN);
    pass(p, 3000);
    assert_int_equal(p->closed, 0);
    assert_int_equal(ground_logged(&p->g, "node.closing", NULL, NULL), 0);
    set_status(p, 1, NODE_UP);
    pass(p, 2000);
    assert_int_equal(p->closed, 50);
    play_free(p);
}

/* Other nodes that accept no sessions: keys in JSON, status, number of sessions. */
static const struct {
    const char *keys;
    enum node_status status;
    uint32_t sessions;
} useless[] = {
    {",\"weight\":0", NODE_UP, 0},
    {",\"max_connections\":5", NODE_UP, 5},
    {"", NODE_PAUSED, 0},
    {"", NODE_EJECTED, 0},
    {"", NODE_DRAINING, 0},
    {"", NODE_DOWN, 0},
    {"", NODE_OFF, 0},
};

static struct play *play_with_useless(size_t i, const char *more)
{
    struct play *p = play_new(more, 2);
    char nodes[256];
    (void)snprintf(nodes, sizeof(nodes),
                   "{\"name\":\"n0\",\"address\":\"192.0.2.1:1883\"},"
                   "{\"name\":\"n1\",\"address\":\"192.0.2.2:1883\"%s}",
                   useless[i].keys);
    struct snapshot *next = ground_snapshot(&p->g, more, nodes);
    assert_true(evictor_take(p->evictor, next));
    snapshot_unref(p->g.snapshot);
    p->g.snapshot = next;
    seat(p, 1, useless[i].sessions, 0);
    set_status(p, 1, useless[i].status);
    return p;
}

static void set_taking(struct play *p)
{
    char *nodes = ground_nodes(2);
    struct snapshot *next = ground_snapshot(&p->g, "", nodes);
    assert_true(evictor_take(p->evictor, next));
    snapshot_unref(p->g.snapshot);
    p->g.snapshot = next;
    seat(p, 1, 0, 0);
    set_status(p, 1, NODE_UP);
    free(nodes);
}

static void a_down_node_keeps_its_sessions_while_no_other_node_takes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(useless); i++) {
        struct play *p = play_with_useless(i, "");
        seat(p, 0, 5, 5);
        set_status(p, 0, NODE_DOWN);
        pass(p, 3000);
        assert_int_equal(p->closed, 0);
        set_taking(p);
        pass(p, 2000);
        assert_int_equal(p->closed, 10);
        play_free(p);
    }
}

static void a_drain_is_held_while_no_other_node_takes_its_sessions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(useless); i++) {
        struct play *p = play_with_useless(i, "");
        struct evictor_drain drain;
        seat(p, 0, 5, 5);
        set_status(p, 0, NODE_DRAINING);
        pass(p, 3000);
        assert_int_equal(p->closed, 0);
        assert_true(evictor_read_drain(p->evictor, ground_live(&p->g, 0), &drain));
        assert_true(drain.held);
        assert_int_equal(ground_logged(&p->g, "node.held", "node=\"n0\"", "sessions=10"), 1);
        set_taking(p);
        pass(p, 2000);
        assert_int_equal(p->closed, 10);
        assert_int_equal(ground_logged(&p->g, "node.drained", "node=\"n0\"", NULL), 1);
        play_free(p);
    }
}

static void a_drain_continues_as_soon_as_another_node_has_room(void **state)
{
    (void)state;
    struct play *p = play_with_useless(1, "");
    seat(p, 0, 0, 10);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 3000);
    assert_int_equal(p->closed, 0);
    seat(p, 1, 4, 0); /* without a notification */
    pass(p, 3000);
    assert_int_equal(p->closed, 10);
    play_free(p);
}

static void the_drain_deadline_closes_sessions_without_another_node_too(void **state)
{
    (void)state;
    struct play *p = play_with_useless(0, "\"drain_deadline_ms\":5000,");
    seat(p, 0, 5, 5);
    set_status(p, 0, NODE_DRAINING);
    pass(p, 4500);
    assert_int_equal(p->closed, 0);
    pass(p, 2000);
    assert_int_equal(p->closed, 10);
    play_free(p);
}

/* A removed node with sessions is up, but gets no new sessions. */
static void a_removed_node_takes_no_sessions(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    static const char one[] =
        "{\"listeners\":[{\"name\":\"l\",\"address\":\"127.0.0.1:1883\",\"cluster\":\"c\"}],"
        "\"clusters\":[{\"name\":\"c\",\"nodes\":["
        "{\"name\":\"n0\",\"address\":\"192.0.2.1:1883\"}]}]}";
    struct config_messages messages;
    struct config *config = config_parse(one, sizeof(one) - 1, "config.json", &messages);
    config_messages_fini(&messages);
    seat(p, 1, 0, 1);
    assert_non_null(config);
    struct snapshot *next = snapshot_new(config, &p->g.registry, NULL, p->g.snapshot);
    assert_non_null(next);
    assert_int_equal(next->clusters[0].n_all, 2);
    assert_true(evictor_take(p->evictor, next));
    snapshot_unref(p->g.snapshot);
    p->g.snapshot = next;
    seat(p, 0, 5, 5);
    set_status(p, 0, NODE_DOWN);
    pass(p, 3000);
    assert_int_equal(p->closed, 0);
    play_free(p);
}

static void no_session_returns_while_its_home_is_full(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    struct snapshot *next =
        ground_snapshot(&p->g, "\"homecoming\":{\"after_ms\":1000,\"rate_per_s\":20},",
                        "{\"name\":\"n0\",\"address\":\"192.0.2.1:1883\",\"max_connections\":50},"
                        "{\"name\":\"n1\",\"address\":\"192.0.2.2:1883\"}");
    assert_true(evictor_take(p->evictor, next));
    snapshot_unref(p->g.snapshot);
    p->g.snapshot = next;
    seat(p, 0, 0, 50);
    atomic_store(&ground_live(&p->g, 0)->off_home[OFF_HOME_DOWN], 10);
    pass(p, 5000);
    assert_int_equal(p->closed, 0);
    seat(p, 0, 0, 40);
    pass(p, 3000);
    assert_int_equal(p->closed_away, 10);
    play_free(p);
}

static void nodes_of_another_cluster_take_no_sessions(void **state)
{
    (void)state;
    struct play *p = play_new("", 1);
    struct snapshot *next = ground_parse(
        &p->g, "{\"listeners\":[{\"name\":\"l\",\"address\":\"127.0.0.1:1883\",\"cluster\":\"c\"},"
               "{\"name\":\"m\",\"address\":\"127.0.0.1:1884\",\"cluster\":\"d\"}],\"clusters\":["
               "{\"name\":\"c\",\"nodes\":[{\"name\":\"n0\",\"address\":\"192.0.2.1:1883\"}]},"
               "{\"name\":\"d\",\"nodes\":[{\"name\":\"n1\",\"address\":\"192.0.2.2:1883\"}]}]}");
    assert_true(evictor_take(p->evictor, next));
    snapshot_unref(p->g.snapshot);
    p->g.snapshot = next;
    seat(p, 0, 0, 10);
    set_status(p, 0, NODE_DOWN);
    pass(p, 3000);
    assert_int_equal(p->closed, 0);
    play_free(p);
}

static void on_node_down_keep_closes_no_session(void **state)
{
    (void)state;
    struct play *p = play_new("\"on_node_down\":\"keep\",", 2);
    seat(p, 0, 10, 10);
    set_status(p, 0, NODE_DOWN);
    pass(p, 5000);
    assert_int_equal(p->closed, 0);
    play_free(p);
}

static void paused_and_ejected_nodes_keep_their_sessions(void **state)
{
    (void)state;
    struct play *p = play_new("", 3);
    seat(p, 0, 10, 10);
    set_status(p, 0, NODE_PAUSED);
    pass(p, 2000);
    set_status(p, 0, NODE_EJECTED);
    pass(p, 2000);
    assert_int_equal(p->closed, 0);
    assert_false(ground_logged(&p->g, "node.", NULL, NULL));
    play_free(p);
}

static void a_down_node_without_sessions_logs_nothing(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    set_status(p, 0, NODE_DOWN);
    pass(p, 1000);
    set_status(p, 0, NODE_UP);
    pass(p, 1000);
    assert_false(ground_logged(&p->g, "node.", NULL, NULL));
    assert_int_equal(p->wakes, 0);
    play_free(p);
}

/* ---- homecoming ---- */

#define HOMECOMING "\"homecoming\":{\"after_ms\":10000,\"rate_per_s\":20},"

static void sessions_return_when_their_home_has_been_up_long_enough(void **state)
{
    (void)state;
    struct play *p = play_new(HOMECOMING, 2);
    set_status(p, 0, NODE_DOWN);
    pass(p, 500);
    atomic_store(&ground_live(&p->g, 0)->off_home[OFF_HOME_DOWN], 100);
    pass(p, 20000);
    set_status(p, 0, NODE_UP);
    pass(p, 9500);
    assert_int_equal(p->closed, 0);
    pass(p, 4500);
    assert_in_range(p->closed, 45, 85);
    pass(p, 6000);
    assert_int_equal(p->closed_away, 100);
    assert_true(busiest_second(p) <= 22);
    assert_int_equal(ground_logged(&p->g, "node.homecoming", "sessions=100", NULL), 1);
    assert_int_equal(ground_logged(&p->g, "node.home ", "took_ms=", NULL), 1);
    play_free(p);
}

static void without_homecoming_sessions_stay_where_they_are(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    set_status(p, 0, NODE_DOWN);
    atomic_store(&ground_live(&p->g, 0)->off_home[OFF_HOME_DOWN], 100);
    pass(p, 1000);
    set_status(p, 0, NODE_UP);
    pass(p, 600000);
    assert_int_equal(p->closed, 0);
    evictor_bring_home(p->evictor, ground_live(&p->g, 0), 50);
    pass(p, 3000);
    assert_int_equal(p->closed_away, 100); /* requested once */
    atomic_store(&ground_live(&p->g, 0)->off_home[OFF_HOME_DOWN], 100);
    evictor_check(p->evictor);
    pass(p, 3000);
    assert_int_equal(p->closed_away, 100);
    evictor_bring_home(p->evictor, ground_live(&p->g, 0), 50);
    set_status(p, 0, NODE_DOWN);
    pass(p, 100);
    set_status(p, 0, NODE_UP);
    pass(p, 3000);
    assert_int_equal(p->closed_away, 100);
    play_free(p);
}

static void a_requested_homecoming_does_not_affect_later_sessions(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    pass(p, 100);
    evictor_bring_home(p->evictor, ground_live(&p->g, 0), 50); /* no session is off-home */
    pass(p, 1000);
    atomic_store(&ground_live(&p->g, 0)->off_home[OFF_HOME_DOWN], 100);
    evictor_check(p->evictor);
    pass(p, 3000);
    assert_int_equal(p->closed, 0);
    assert_int_equal(ground_logged(&p->g, "node.home", NULL, NULL), 0);
    play_free(p);
}

static void homecoming_can_be_requested_as_soon_as_the_home_is_up(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    set_status(p, 0, NODE_DOWN);
    pass(p, 1000);
    atomic_store(&ground_live(&p->g, 0)->off_home[OFF_HOME_DOWN], 100);
    set_status(p, 0, NODE_UP);
    evictor_bring_home(p->evictor, ground_live(&p->g, 0), 50); /* before the next tick */
    pass(p, 3000);
    assert_int_equal(p->closed_away, 100);
    play_free(p);
}

static void a_failed_session_restarts_the_homecoming_delay(void **state)
{
    (void)state;
    struct play *p = play_new(HOMECOMING, 2);
    set_status(p, 0, NODE_DOWN);
    atomic_store(&ground_live(&p->g, 0)->off_home[OFF_HOME_DOWN], 100);
    pass(p, 1000);
    set_status(p, 0, NODE_UP);
    pass(p, 9000);
    atomic_fetch_add(&ground_live(&p->g, 0)->failures, 1);
    pass(p, 9000);
    assert_int_equal(p->closed, 0);
    pass(p, 9000); /* two checks, each within 1.2 s; 10 s; 100 sessions at 20 per second */
    assert_int_equal(p->closed, 100);
    play_free(p);
}

static void a_home_that_goes_down_again_restarts_the_homecoming_delay(void **state)
{
    (void)state;
    struct play *p = play_new(HOMECOMING, 2);
    set_status(p, 0, NODE_DOWN);
    atomic_store(&ground_live(&p->g, 0)->off_home[OFF_HOME_DOWN], 100);
    pass(p, 1000);
    set_status(p, 0, NODE_UP);
    pass(p, 9000);
    set_status(p, 0, NODE_DOWN);
    pass(p, 1000);
    set_status(p, 0, NODE_UP);
    pass(p, 9000);
    assert_int_equal(p->closed, 0);
    play_free(p);
}

static void homecoming_waits_for_the_end_of_slow_start(void **state)
{
    (void)state;
    struct play *p = play_new(HOMECOMING "\"node_defaults\":{\"slow_start_ms\":30000},", 2);
    set_status(p, 0, NODE_DOWN);
    pass(p, 1000);
    set_status(p, 0, NODE_UP);
    pass(p, 15000); /* no session is off-home yet */
    atomic_store(&ground_live(&p->g, 0)->off_home[OFF_HOME_DOWN],
                 40); /* their home is still in slow start */
    pass(p, 14000);
    assert_int_equal(p->closed, 0); /* the home would not take them yet */
    pass(p, 10000);
    assert_int_equal(p->closed_away, 40);
    play_free(p);
}

static void set_away(struct play *p, enum off_home_cause cause, uint32_t n)
{
    atomic_store(&ground_live(&p->g, 0)->off_home[cause], n);
    evictor_check(p->evictor);
}

static void homecoming_includes_only_sessions_whose_home_was_not_up(void **state)
{
    (void)state;
    static const enum off_home_cause others[] = {OFF_HOME_MOVED, OFF_HOME_REFUSED,
                                                 OFF_HOME_OVERFLOW};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct play *p = play_new(HOMECOMING, 2);
        set_status(p, 0, NODE_UP);
        set_away(p, others[i], 100);
        pass(p, 30000);
        assert_int_equal(p->closed, 0);
        set_away(p, OFF_HOME_DOWN, 10);
        pass(p, 5000);
        assert_int_equal(p->closed_away, 10);
        assert_int_equal(NODE_LIVE_READ(ground_live(&p->g, 0)->off_home[others[i]]), 100);
        play_free(p);
    }
}

static void sessions_return_after_a_scale_out_if_configured(void **state)
{
    (void)state;
    struct play *p = play_new("\"homecoming\":{\"after_ms\":10000,\"rate_per_s\":20,"
                              "\"after_scale_out\":true},",
                              2);
    set_status(p, 0, NODE_UP);
    set_away(p, OFF_HOME_MOVED, 50);
    set_away(p, OFF_HOME_OVERFLOW, 50);
    pass(p, 9000);
    assert_int_equal(p->closed, 0);
    pass(p, 9000);
    assert_int_equal(p->closed_away, 50);
    assert_true(busiest_second(p) <= 22);
    play_free(p);
}

static void a_requested_homecoming_includes_all_off_home_sessions(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
        set_away(p, (enum off_home_cause)cause, 20);
    evictor_bring_home(p->evictor, ground_live(&p->g, 0), 50);
    pass(p, 4000);
    assert_int_equal(p->closed_away, 20 * OFF_HOME_CAUSE_COUNT);
    assert_true(busiest_second(p) <= 55);
    play_free(p);
}

/* The home has no room, so each session becomes off-home again. */
static void a_requested_homecoming_closes_no_more_than_were_off_home(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    set_away(p, OFF_HOME_OVERFLOW, 30);
    evictor_bring_home(p->evictor, ground_live(&p->g, 0), 50);
    for (int i = 0; i < 100; i++) {
        pass(p, 100);
        set_away(p, OFF_HOME_OVERFLOW, 30);
    }
    assert_int_equal(p->closed_away, 30);
    assert_int_equal(ground_logged(&p->g, "node.homecoming", NULL, NULL), 1);
    play_free(p);
}

static void a_requested_homecoming_waits_for_the_workers_to_recount(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    atomic_store(&p->g.registry.recounts, 2); /* the nodes have just been changed */
    evictor_bring_home(p->evictor, ground_live(&p->g, 0), 50);
    pass(p, 3000);
    set_away(p, OFF_HOME_MOVED, 10);
    atomic_store(&p->g.registry.recounts, 1);
    pass(p, 3000);
    set_away(p, OFF_HOME_MOVED,
             NODE_LIVE_READ(ground_live(&p->g, 0)->off_home[OFF_HOME_MOVED]) + 10);
    atomic_store(&p->g.registry.recounts, 0);
    pass(p, 3000);
    assert_int_equal(p->closed_away, 20);
    set_away(p, OFF_HOME_MOVED, 10);
    pass(p, 3000);
    assert_int_equal(p->closed_away, 20);
    play_free(p);
}

/* ---- snapshots ---- */

static void a_drain_continues_after_a_reload(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":100,", 2);
    char *nodes = ground_nodes(3);
    seat(p, 0, 0, 400);
    set_status(p, 0, NODE_DRAINING);
    for (int i = 0; i < 20; i++) {
        pass(p, 100);
        struct snapshot *next = ground_snapshot(&p->g, "\"drain_rate_per_s\":100,", nodes);
        assert_true(evictor_take(p->evictor, next));
        snapshot_unref(p->g.snapshot);
        p->g.snapshot = next;
        node_registry_sweep(&p->g.registry);
    }
    assert_in_range(p->closed, 150, 210);
    pass(p, 4000);
    assert_int_equal(p->closed, 400);
    assert_true(busiest_second(p) <= 110);
    assert_int_equal(ground_logged(&p->g, "node.draining", NULL, NULL), 1);
    assert_int_equal(ground_logged(&p->g, "node.drained", NULL, NULL), 1);
    free(nodes);
    play_free(p);
}

static void a_removed_node_has_no_credit_left(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":1000,", 2);
    struct node_live *live = ground_live(&p->g, 1);
    node_live_ref(live); /* held by its relayed sessions */
    seat(p, 1, 0, 400);
    p->workers_stuck = true;
    set_status(p, 1, NODE_DRAINING);
    pass(p, 200);
    assert_true(handed_out(live) > 0);
    atomic_store(&live->sessions, 0); /* else the removed node would be kept */
    char *nodes = ground_nodes(1);
    struct snapshot *next = ground_snapshot(&p->g, "", nodes);
    assert_true(evictor_take(p->evictor, next));
    snapshot_unref(p->g.snapshot);
    p->g.snapshot = next;
    pass(p, 200);
    assert_int_equal(handed_out(live), 0);
    node_live_unref(live);
    free(nodes);
    play_free(p);
}

static void a_snapshot_that_fails_for_lack_of_memory_changes_nothing(void **state)
{
    (void)state;
    struct play *p = play_new("\"drain_rate_per_s\":100,", 2);
    char *nodes = ground_nodes(1);
    seat(p, 1, 0, 300);
    set_status(p, 1, NODE_DRAINING);
    pass(p, 1000);
    struct snapshot *next = ground_snapshot(&p->g, "", nodes); /* without the draining node */
    allowed = 0;
    assert_false(evictor_take(p->evictor, next));
    assert_null(evictor_new(p->g.loop, p->g.log, &p->g.registry, note_wake, p));
    allowed = SIZE_MAX;
    snapshot_unref(next);
    evictor_free(NULL);
    pass(p, 3000);
    assert_int_equal(p->closed, 300);
    assert_int_equal(ground_logged(&p->g, "node.draining", NULL, NULL), 1);
    free(nodes);
    play_free(p);
}

static void without_work_no_timer_is_active(void **state)
{
    (void)state;
    struct play *p = play_new("", 2);
    seat(p, 0, 10, 10);
    pass(p, 1000);
    assert_int_equal(ev_pending_count(p->g.loop), 0);
    ev_run(p->g.loop, 0); /* returns: no timer is active */
    play_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drain_keeps_its_rate_in_every_second),
        cmocka_unit_test(clean_sessions_are_closed_first),
        cmocka_unit_test(at_the_deadline_all_remaining_sessions_are_closed),
        cmocka_unit_test(a_session_that_was_waiting_when_the_drain_began_is_closed_too),
        cmocka_unit_test(a_session_that_reaches_a_drained_node_is_closed_too),
        cmocka_unit_test(a_cancelled_drain_is_not_reported_as_drained),
        cmocka_unit_test(an_empty_node_is_drained_immediately),
        cmocka_unit_test(the_end_of_a_drain_is_logged_once),
        cmocka_unit_test(frequent_checks_do_not_change_the_rate),
        cmocka_unit_test(closing_times_are_randomized),
        cmocka_unit_test(a_cancelled_drain_revokes_its_credit),
        cmocka_unit_test(unused_credit_does_not_accumulate),
        cmocka_unit_test(a_delayed_main_thread_does_not_catch_up),
        cmocka_unit_test(late_workers_and_a_late_main_thread_cause_no_burst),
        cmocka_unit_test(a_rate_override_applies_to_one_drain),
        cmocka_unit_test(a_rate_for_the_next_drain_survives_the_end_of_the_last),
        cmocka_unit_test(sessions_of_a_down_node_are_closed_at_the_rate),
        cmocka_unit_test(no_session_is_closed_while_no_other_node_is_up),
        cmocka_unit_test(nodes_of_another_cluster_take_no_sessions),
        cmocka_unit_test(a_down_node_keeps_its_sessions_while_no_other_node_takes_them),
        cmocka_unit_test(a_drain_is_held_while_no_other_node_takes_its_sessions),
        cmocka_unit_test(a_drain_continues_as_soon_as_another_node_has_room),
        cmocka_unit_test(the_drain_deadline_closes_sessions_without_another_node_too),
        cmocka_unit_test(a_removed_node_takes_no_sessions),
        cmocka_unit_test(no_session_returns_while_its_home_is_full),
        cmocka_unit_test(on_node_down_keep_closes_no_session),
        cmocka_unit_test(paused_and_ejected_nodes_keep_their_sessions),
        cmocka_unit_test(a_down_node_without_sessions_logs_nothing),
        cmocka_unit_test(sessions_return_when_their_home_has_been_up_long_enough),
        cmocka_unit_test(without_homecoming_sessions_stay_where_they_are),
        cmocka_unit_test(a_requested_homecoming_does_not_affect_later_sessions),
        cmocka_unit_test(homecoming_can_be_requested_as_soon_as_the_home_is_up),
        cmocka_unit_test(a_failed_session_restarts_the_homecoming_delay),
        cmocka_unit_test(a_home_that_goes_down_again_restarts_the_homecoming_delay),
        cmocka_unit_test(homecoming_waits_for_the_end_of_slow_start),
        cmocka_unit_test(homecoming_includes_only_sessions_whose_home_was_not_up),
        cmocka_unit_test(sessions_return_after_a_scale_out_if_configured),
        cmocka_unit_test(a_requested_homecoming_includes_all_off_home_sessions),
        cmocka_unit_test(a_requested_homecoming_closes_no_more_than_were_off_home),
        cmocka_unit_test(a_requested_homecoming_waits_for_the_workers_to_recount),
        cmocka_unit_test(a_drain_continues_after_a_reload),
        cmocka_unit_test(a_removed_node_has_no_credit_left),
        cmocka_unit_test(a_snapshot_that_fails_for_lack_of_memory_changes_nothing),
        cmocka_unit_test(without_work_no_timer_is_active),
    };
    return cmocka_run_group_tests_name("evictor", tests, NULL, NULL);
}
