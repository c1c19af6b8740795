/*
 * test_prober.c - the status of a node depends on configured states, overrides, checks and failed
 * sessions only; and checks start when they are due.
 *
 * Checks are simulated: the test sets their result, their duration, and whether they can start.
 */
#include "control/ground.h"

#include <sys/stat.h>

#include "control/health/check.h"
#include "control/health/prober.h"

#define NODES_MAX  100u
#define BEGUN_MAX  400u
#define BOOT_ID    UINT64_C(0x0123456789abcdef)
#define CHECK_TCP  "\"health_check\":{\"type\":\"tcp\",\"interval_ms\":5000},"
#define CHECK_MQTT "\"health_check\":{\"type\":\"mqtt\",\"interval_ms\":5000}"

/* ---- simulated checks ---- */

struct played {
    enum check_result result;
    const char *why;
    uint32_t takes_ms;
    enum check_contact contact;
    bool cannot_begin;

    unsigned begun, done, cancelled;
    uint64_t begun_us[BEGUN_MAX];
    char client_id[64], address[ADDRESS_TEXT_MAX], password[128], source[ADDRESS_TEXT_MAX];
    bool tls;
};

static struct played played[NODES_MAX]; /* by the last byte of 192.0.2.x, less 1 */

struct check {
    struct ev_loop *loop;
    struct ev_timer over;
    struct check_target target;
    struct played *play;
    check_done *done;
    void *arg;
};

static void on_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct check c = *CONTAINER_OF(timer, struct check, over);
    char why[128];
    (void)snprintf(why, sizeof(why), "%s", c.play->why ? c.play->why : "simulated");
    /* borrowed data must be valid until the end */
    assert_non_null(c.target.conf->health_check);
    assert_string_equal(c.target.client_id, c.play->client_id);
    assert_true(!c.target.password || strcmp(c.target.password, c.play->password) == 0);
    free(CONTAINER_OF(timer, struct check, over));
    c.play->done++;
    const struct check_report report = {
        .result = c.play->result, .contact = c.play->contact, .why = why};
    c.done(c.arg, &report);
    memset(why, '?', sizeof(why) - 1);
}

struct check *check_start(struct ev_loop *loop, const struct check_target *target, check_done *done,
                          void *arg)
{
    assert_int_equal(target->endpoint->address.sa.sa_family, AF_INET);
    uint32_t host = ntohl(target->endpoint->address.in.sin_addr.s_addr) & 0xff;
    assert_in_range(host, 1, NODES_MAX);
    struct played *play = &played[host - 1];
    struct check *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    *c = (struct check){.loop = loop, .target = *target, .play = play, .done = done, .arg = arg};
    assert_true(play->begun < BEGUN_MAX);
    play->begun_us[play->begun++] = ground_now_us;
    if (play->cannot_begin) {
        free(c);
        return NULL;
    }
    (void)snprintf(play->client_id, sizeof(play->client_id), "%s", target->client_id);
    (void)snprintf(play->password, sizeof(play->password), "%s",
                   target->password ? target->password : "");
    address_format(&target->endpoint->address, play->address);
    if (target->source)
        address_format_host(target->source, play->source);
    play->tls = target->tls;
    ev_timer_init(&c->over, on_over, (play->takes_ms ? play->takes_ms : 2) / 1000., 0.);
    ev_timer_start(loop, &c->over);
    return c;
}

void check_cancel(struct check *check)
{
    if (!check)
        return;
    ev_timer_stop(check->loop, &check->over);
    check->play->cancelled++;
    free(check);
}

/* ---- setup ---- */

struct scene {
    struct ground g;
    struct prober *prober;
    unsigned changes;
};

static void note_change(void *arg, struct node_live *live)
{
    struct scene *s = arg;
    assert_non_null(live);
    s->changes++;
}

static void scene_init(struct scene *s)
{
    memset(played, 0, sizeof(played));
    *s = (struct scene){0};
    ground_init(&s->g);
    const struct prober_callbacks news = {.changed = note_change, .arg = s};
    s->prober = prober_new(s->g.loop, &s->g.registry, s->g.log, BOOT_ID, &news);
    assert_non_null(s->prober);
}

static void scene_fini(struct scene *s)
{
    prober_free(s->prober);
    ground_fini(&s->g);
}

static void take(struct scene *s, const char *more, const char *nodes, bool first)
{
    struct snapshot *next = ground_snapshot(&s->g, more, nodes);
    assert_true(prober_take(s->prober, next, first));
    snapshot_unref(s->g.snapshot);
    s->g.snapshot = next;
    node_registry_sweep(&s->g.registry);
}

static void take_n(struct scene *s, const char *more, size_t n, bool first)
{
    char *nodes = ground_nodes(n);
    take(s, more, nodes, first);
    free(nodes);
}

static void pass(struct scene *s, uint64_t ms)
{
    ground_pass(&s->g, ms, NULL, NULL);
}

static enum node_status status(struct scene *s, size_t node)
{
    return node_live_status(ground_live(&s->g, node));
}

static uint64_t up_since(struct scene *s, size_t node)
{
    return NODE_LIVE_READ(ground_live(&s->g, node)->up_since_us);
}

/* What the workers and the main thread do after failures. */
static void note_failures(struct scene *s, size_t node, unsigned n)
{
    atomic_fetch_add(&ground_live(&s->g, node)->failures, n);
    if (prober_note_failing(s->prober))
        prober_check_failures(s->prober);
}

static void fail_sessions(struct scene *s, size_t node, unsigned n)
{
    note_failures(s, node, n);
    pass(s, 150);
}

static void expect_logged(struct scene *s, unsigned n, const char *event, const char *a,
                          const char *b)
{
    if (ground_logged(&s->g, event, a, b) == n)
        return;
    ground_show_log(&s->g);
    fail_msg("want %u of %s with %s and %s", n, event, a ? a : "anything", b ? b : "anything");
}

/* ---- schedule of checks ---- */

static void first_checks_are_spread_over_a_second(void **state)
{
    (void)state;
    struct scene s;
    unsigned in_tenth[10] = {0};
    scene_init(&s);
    uint64_t start_us = ground_now_us;
    take_n(&s, CHECK_TCP, NODES_MAX, true);
    pass(&s, 1020);
    for (size_t i = 0; i < NODES_MAX; i++) {
        assert_int_equal(played[i].begun, 1);
        uint64_t tenth = (played[i].begun_us[0] - start_us) / 100000u;
        in_tenth[tenth < 10 ? tenth : 9]++;
    }
    for (size_t i = 0; i < 10; i++)
        assert_in_range(in_tenth[i], 1, 35);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(status(&s, i), NODE_UP);
        assert_int_equal(up_since(&s, i), 0);
    }
    assert_int_equal(s.changes, 0);
    scene_fini(&s);
}

static void checks_run_every_interval_with_ten_percent_jitter(void **state)
{
    (void)state;
    struct scene s;
    bool early = false, late = false;
    scene_init(&s);
    played[0].takes_ms = 1500; /* the interval is measured from start to start */
    take_n(&s, CHECK_TCP, 1, true);
    pass(&s, 600000);
    assert_in_range(played[0].begun, 105, 135);
    for (unsigned i = 1; i < played[0].begun; i++) {
        uint64_t us = played[0].begun_us[i] - played[0].begun_us[i - 1];
        assert_in_range(us, 4490000, 5520000);
        early = early || us < 4900000;
        late = late || us > 5100000;
    }
    assert_true(early && late);
    scene_fini(&s);
}

static void a_changing_node_is_checked_faster(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 2, true);
    pass(&s, 2000);
    played[0].result = CHECK_BAD;
    while (status(&s, 0) == NODE_UP)
        pass(&s, 20);
    unsigned n = played[0].begun;
    assert_in_range(played[0].begun_us[n - 1] - played[0].begun_us[n - 2], 890000, 1120000);
    pass(&s, 20000); /* no longer changing: normal interval */
    assert_in_range(played[0].begun - n, 3, 5);
    scene_fini(&s);
}

static void a_silent_node_is_checked_at_the_same_interval(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    played[0].result = CHECK_BAD;
    played[0].takes_ms = 3000;
    take_n(&s, "\"health_check\":{\"type\":\"tcp\",\"interval_ms\":3000},", 2, true);
    pass(&s, 62000);
    assert_in_range(played[0].begun, 19, 23);
    scene_fini(&s);
}

static void a_new_node_is_checked_soon_and_gets_a_slow_start(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 2, true);
    pass(&s, 3000);
    unsigned before = played[0].begun;
    take_n(&s, CHECK_TCP, 3, false);
    assert_int_equal(up_since(&s, 2), ground_now_us);
    assert_int_equal(up_since(&s, 0), 0);
    pass(&s, 104);
    assert_int_equal(played[2].begun, 1);
    assert_int_equal(played[0].begun, before);
    scene_fini(&s);
}

static void nodes_of_a_new_cluster_get_no_slow_start(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    static const char other[] =
        "{\"listeners\":[{\"name\":\"l\",\"address\":\"127.0.0.1:1883\",\"cluster\":\"d\"}],"
        "\"clusters\":[{\"name\":\"d\",\"nodes\":[{\"name\":\"x\",\"address\":\"192.0.2.9:1\"}]}]}";
    struct config_messages messages;
    struct config *config = config_parse(other, strlen(other), "c.json", &messages);
    config_messages_fini(&messages);
    assert_non_null(config);
    s.g.snapshot = snapshot_new(config, &s.g.registry, NULL, NULL);
    assert_true(s.g.snapshot && prober_take(s.prober, s.g.snapshot, true));
    pass(&s, 1000);
    take_n(&s, CHECK_TCP, 2, false);
    assert_int_equal(up_since(&s, 0), 0);
    assert_int_equal(up_since(&s, 1), 0);
    scene_fini(&s);
}

static void a_shorter_interval_takes_effect_at_the_reload(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, "\"health_check\":{\"type\":\"tcp\",\"interval_ms\":600000},", 2, true);
    pass(&s, 2000);
    assert_int_equal(played[0].begun, 1);
    take_n(&s, "\"health_check\":{\"type\":\"tcp\",\"interval_ms\":1000},", 2, false);
    pass(&s, 1110);
    assert_in_range(played[0].begun, 2, 3);
    assert_in_range(played[1].begun, 2, 3);
    scene_fini(&s);
}

static void a_check_that_cannot_start_does_not_change_the_status(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    played[0].cannot_begin = played[1].cannot_begin = true;
    take_n(&s, CHECK_TCP, 2, true);
    pass(&s, 60000);
    assert_true(played[0].begun >= 10);
    assert_int_equal(status(&s, 0), NODE_UP);
    expect_logged(&s, 2, "WARN check.not_started", NULL, NULL); /* once per node */
    played[0].cannot_begin = played[1].cannot_begin = false;
    pass(&s, 12000);
    assert_in_range(played[0].done, 1, 3);
    played[0].cannot_begin = true;
    pass(&s, 12000);
    expect_logged(&s, 3, "WARN check.not_started", NULL, NULL);
    scene_fini(&s);
}

/* ---- results of checks ---- */

static void a_node_is_down_while_its_checks_fail(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 3, true);
    pass(&s, 2000);
    uint32_t news = atomic_load(&s.g.registry.status_version);
    played[1] = (struct played){.result = CHECK_BAD, .why = "connect: Connection refused"};
    pass(&s, 8000);
    assert_int_equal(status(&s, 1), NODE_DOWN);
    assert_int_equal(s.changes, 1);
    assert_int_not_equal(atomic_load(&s.g.registry.status_version), news);
    expect_logged(&s, 1, "WARN node.status", "node=\"n1\" status=\"down\" was=\"up\"",
                  "why=\"connect: Connection refused\"");
    pass(&s, 60000);
    expect_logged(&s, 1, "node.status", NULL, NULL); /* an unchanged status is not logged */
    assert_true(ground_logged(&s.g, "DEBUG check.done", "node=\"n1\" result=\"bad\"", NULL) > 10);
    played[1].result = CHECK_GOOD;
    played[1].why = "CONNACK return code 0";
    pass(&s, 8000);
    assert_int_equal(status(&s, 1), NODE_UP);
    assert_in_range(up_since(&s, 1), ground_now_us - 8000000, ground_now_us);
    expect_logged(&s, 1, "NOTICE node.status", "node=\"n1\" status=\"up\" was=\"down\"",
                  "why=\"CONNACK return code 0\"");
    assert_int_equal(s.changes, 2);
    scene_fini(&s);
}

static void a_node_that_accepts_no_new_sessions_is_paused(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    played[0] = (struct played){.result = CHECK_NO_NEW, .why = "HTTP 503"};
    take_n(&s, CHECK_TCP, 2, true);
    pass(&s, 1100);
    assert_int_equal(status(&s, 0), NODE_PAUSED);
    expect_logged(&s, 1, "WARN node.status", "status=\"paused\"", "why=\"HTTP 503\"");
    scene_fini(&s);
}

static void removing_the_health_check_resets_the_verdicts(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    played[0].result = CHECK_BAD;
    take_n(&s, CHECK_TCP, 2, true);
    pass(&s, 3000);
    assert_int_equal(status(&s, 0), NODE_DOWN);
    played[0].takes_ms = 2000;
    while (played[0].begun == played[0].done)
        pass(&s, 10);
    take_n(&s, "", 2, false); /* while a check is running */
    assert_int_equal(status(&s, 0), NODE_UP);
    expect_logged(&s, 1, "node.status", "status=\"up\"", "why=\"the health check was removed\"");
    assert_int_equal(played[0].cancelled, 1);
    unsigned begun = played[0].begun;
    pass(&s, 20000);
    assert_int_equal(played[0].begun, begun);
    scene_fini(&s);
}

static void after_adding_checks_one_bad_result_is_not_enough(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    played[0].result = CHECK_BAD;
    take_n(&s, "", 2, true);
    pass(&s, 3000);
    take_n(&s, CHECK_TCP, 2, false);
    while (played[0].done == 0)
        pass(&s, 10);
    assert_int_equal(status(&s, 0), NODE_UP);
    while (played[0].done == 1)
        pass(&s, 10);
    assert_int_equal(status(&s, 0), NODE_DOWN);
    scene_fini(&s);
}

/* ---- sessions that fail ---- */

#define PASSIVE "\"passive\":{\"failures\":5,\"window_ms\":10000,\"eject_ms\":10000},"

static void a_node_on_which_sessions_fail_is_ejected_temporarily(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, PASSIVE, 3, true);
    fail_sessions(&s, 0, 4);
    assert_int_equal(status(&s, 0), NODE_UP);
    fail_sessions(&s, 0, 1);
    assert_int_equal(status(&s, 0), NODE_EJECTED);
    expect_logged(&s, 1, "WARN node.status", "status=\"ejected\"",
                  "why=\"5 sessions failed within 10000 ms\" for_ms=10.0s");
    pass(&s, 9700);
    assert_int_equal(status(&s, 0), NODE_EJECTED);
    pass(&s, 500);
    assert_int_equal(status(&s, 0), NODE_UP);
    assert_in_range(up_since(&s, 0), ground_now_us - 500000, ground_now_us);
    expect_logged(&s, 1, "NOTICE node.status", "status=\"up\" was=\"ejected\"", NULL);
    scene_fini(&s);
}

static void the_last_node_is_never_ejected(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, PASSIVE, 1, true);
    fail_sessions(&s, 0, 1000);
    assert_int_equal(status(&s, 0), NODE_UP);
    scene_fini(&s);

    scene_init(&s); /* the other node is draining */
    take_n(&s, PASSIVE, 2, true);
    assert_true(prober_override(s.prober, "c", "n1", NODE_STATE_DRAINING));
    fail_sessions(&s, 0, 1000);
    assert_int_equal(status(&s, 0), NODE_UP);
    scene_fini(&s);

    scene_init(&s); /* the other node has weight 0 */
    take(&s, PASSIVE,
         "{\"name\":\"n0\",\"address\":\"192.0.2.1:1883\"},"
         "{\"name\":\"n1\",\"address\":\"192.0.2.2:1883\",\"weight\":0}",
         true);
    fail_sessions(&s, 0, 1000);
    assert_int_equal(status(&s, 0), NODE_UP);
    scene_fini(&s);

    scene_init(&s); /* two nodes fail at the same time */
    take_n(&s, "\"passive\":{\"max_ejected_percent\":100},", 3, true);
    assert_true(prober_override(s.prober, "c", "n2", NODE_STATE_DRAINING));
    atomic_store(&ground_live(&s.g, 0)->failures, 1000);
    fail_sessions(&s, 1, 1000);
    assert_int_equal(status(&s, 0), NODE_EJECTED);
    assert_int_equal(status(&s, 1), NODE_UP);
    scene_fini(&s);
}

static void ejections_are_limited_by_max_ejected_percent(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, PASSIVE, 4, true);
    for (size_t i = 0; i < 4; i++)
        atomic_store(&ground_live(&s.g, i)->failures, 10); /* in the same tick */
    pass(&s, 150);
    unsigned ejected = 0;
    for (size_t i = 0; i < 4; i++)
        ejected += status(&s, i) == NODE_EJECTED;
    assert_int_equal(ejected, 2);
    scene_fini(&s);
}

static void failures_while_down_do_not_eject_a_node_later(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP PASSIVE, 3, true);
    pass(&s, 1100);
    played[0].result = CHECK_BAD;
    while (status(&s, 0) != NODE_DOWN)
        pass(&s, 10);
    fail_sessions(&s, 0, 100); /* sessions that were waiting for the node */
    played[0].result = CHECK_GOOD;
    while (status(&s, 0) == NODE_DOWN)
        pass(&s, 10);
    assert_int_equal(status(&s, 0), NODE_UP);
    pass(&s, 300);
    assert_int_equal(status(&s, 0), NODE_UP);
    scene_fini(&s);
}

static void failures_while_draining_do_not_eject_a_node_later(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, PASSIVE, 3, true);
    assert_true(prober_override(s.prober, "c", "n0", NODE_STATE_DRAINING));
    fail_sessions(&s, 0, 100);
    assert_true(prober_override(s.prober, "c", "n0", NODE_STATE_UP));
    pass(&s, 300);
    assert_int_equal(status(&s, 0), NODE_UP);
    scene_fini(&s);
}

static void an_idle_prober_checks_failures_rarely_or_when_notified(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, PASSIVE, 3, true);
    pass(&s, 5000);
    atomic_fetch_add(&ground_live(&s.g, 0)->failures, 5); /* without a notification */
    pass(&s, 2100);
    assert_int_equal(status(&s, 0), NODE_EJECTED);
    pass(&s, 12000); /* up again, and idle */
    assert_int_equal(status(&s, 0), NODE_UP);
    pass(&s, 3000);
    note_failures(&s, 1, 5);
    assert_int_equal(status(&s, 1), NODE_EJECTED); /* immediately */
    note_failures(&s, 2, 5); /* it checks often now, and needs no notification */
    assert_int_equal(status(&s, 2), NODE_UP);
    assert_false(prober_note_failing(s.prober));
    pass(&s, 110);
    assert_int_equal(status(&s, 2), NODE_UP); /* at most one of three may be ejected */
    assert_true(prober_note_failing(s.prober));
    scene_fini(&s);
}

static void passive_off_ejects_no_node(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, "\"passive\":false,", 3, true);
    fail_sessions(&s, 0, 1000);
    assert_int_equal(status(&s, 0), NODE_UP);
    scene_fini(&s);
}

static void failures_before_a_node_was_added_do_not_count(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, PASSIVE, 3, true);
    struct node_live *live = ground_live(&s.g, 2);
    node_live_ref(live); /* a relayed session holds the record */
    take_n(&s, PASSIVE, 2, false);
    atomic_fetch_add(&live->failures, 1000);
    pass(&s, 500);
    take_n(&s, PASSIVE, 3, false);
    pass(&s, 500);
    assert_ptr_equal(ground_live(&s.g, 2), live);
    assert_int_equal(status(&s, 2), NODE_UP);
    node_live_unref(live);
    scene_fini(&s);
}

/* ---- configured states and overrides ---- */

static const char with_state[] =
    "{\"name\":\"n0\",\"address\":\"192.0.2.1:1883\",\"state\":\"%s\"},"
    "{\"name\":\"n1\",\"address\":\"192.0.2.2:1883\"}";

static void take_state(struct scene *s, const char *word, bool first)
{
    char nodes[256];
    (void)snprintf(nodes, sizeof(nodes), with_state, word);
    take(s, "", nodes, first);
}

static void the_configured_state_sets_the_status(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_state(&s, "draining", true);
    assert_int_equal(status(&s, 0), NODE_DRAINING);
    expect_logged(&s, 1, "node.status", "status=\"draining\"", "why=\"by configuration\"");
    take_state(&s, "down", false);
    assert_int_equal(status(&s, 0), NODE_OFF);
    take_state(&s, "up", false);
    assert_int_equal(status(&s, 0), NODE_UP);
    assert_int_equal(up_since(&s, 0), ground_now_us);
    expect_logged(&s, 1, "NOTICE node.status", "status=\"up\" was=\"off\"",
                  "why=\"by configuration\"");
    assert_int_equal(s.changes, 3);
    scene_fini(&s);
}

static void an_override_lasts_until_the_configured_state_changes(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_state(&s, "up", true);
    assert_false(prober_override(s.prober, "c", "n9", NODE_STATE_DOWN));
    assert_false(prober_override(s.prober, "d", "n0", NODE_STATE_DOWN));
    assert_true(prober_override(s.prober, "c", "n0", NODE_STATE_DRAINING));
    assert_int_equal(status(&s, 0), NODE_DRAINING);
    expect_logged(&s, 1, "node.status", "status=\"draining\"", "why=\"by an operator\"");
    take_state(&s, "up", false);
    assert_int_equal(status(&s, 0), NODE_DRAINING);
    take_state(&s, "down", false);
    assert_int_equal(status(&s, 0), NODE_OFF);
    take_state(&s, "up", false);
    assert_int_equal(status(&s, 0), NODE_UP);
    expect_logged(&s, 1, "node.status", "status=\"up\"", "why=\"by configuration\"");
    scene_fini(&s);
}

/* ---- snapshots ---- */

static void health_and_running_checks_survive_a_reload(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    played[0].result = CHECK_BAD;
    take_n(&s, CHECK_TCP, 2, true);
    pass(&s, 8000);
    assert_int_equal(status(&s, 0), NODE_DOWN);
    played[1].takes_ms = 1000;
    while (played[1].begun == played[1].done)
        pass(&s, 10);
    unsigned begun = played[1].begun, changes = s.changes;
    for (int i = 0; i < 50; i++) { /* many reloads during one check */
        take_n(&s, CHECK_TCP, 2, false);
        pass(&s, 10);
    }
    pass(&s, 600);
    assert_int_equal(played[1].begun, begun);
    assert_int_equal(played[1].done, begun);
    assert_int_equal(played[1].cancelled, 0);
    assert_int_equal(status(&s, 0), NODE_DOWN);
    assert_int_equal(s.changes, changes);
    scene_fini(&s);
}

static void a_changed_address_is_checked_immediately(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    played[0].takes_ms = 3000;
    take(&s, CHECK_TCP, "{\"name\":\"n0\",\"address\":\"192.0.2.1:1883\"}", true);
    pass(&s, 1200);
    assert_int_equal(played[0].begun, 1);
    take(&s, CHECK_TCP, "{\"name\":\"n0\",\"address\":\"192.0.2.7:1884\"}", false);
    assert_int_equal(played[0].cancelled, 1);
    pass(&s, 104);
    assert_int_equal(played[6].begun, 1);
    assert_string_equal(played[6].address, "192.0.2.7:1884");
    pass(&s, 1000);
    assert_int_equal(played[0].done, 0);
    scene_fini(&s);
}

static void a_removed_node_is_forgotten(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    played[2].result = CHECK_BAD;
    take_n(&s, CHECK_TCP, 3, true);
    pass(&s, 1100);
    assert_int_equal(status(&s, 2), NODE_DOWN);
    struct node_live *live = ground_live(&s.g, 2);
    node_live_ref(live);
    take_n(&s, CHECK_TCP, 2, false);
    unsigned begun = played[2].begun;
    pass(&s, 20000);
    assert_int_equal(played[2].begun, begun);
    played[2].result = CHECK_GOOD;
    take_n(&s, CHECK_TCP, 3, false);
    assert_int_equal(node_live_status(live), NODE_UP);
    assert_int_equal(up_since(&s, 2), ground_now_us);
    expect_logged(&s, 0, "node.status", "node=\"n2\" status=\"up\"", NULL); /* a new node */
    node_live_unref(live);
    scene_fini(&s);
}

/* Remove node n2 of three while it has a session. */
static void leave_with_a_session(struct scene *s, const char *more)
{
    struct node_live *live = ground_live(&s->g, 2);
    atomic_store(&live->sessions, 1);
    take_n(s, more, 2, false);
    assert_int_equal(s->g.snapshot->clusters[0].n_all, 3);
    assert_ptr_equal(ground_live(&s->g, 2), live);
}

static void a_removed_node_with_a_session_is_checked_again_when_added(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 3, true);
    pass(&s, 2000);
    leave_with_a_session(&s, CHECK_TCP);
    pass(&s, 11000);
    assert_in_range(played[2].begun, 3, 4); /* if the node goes down, its session must be closed */
    atomic_store(&ground_live(&s.g, 2)->sessions, 0);
    unsigned begun = played[2].begun;
    pass(&s, 30000);
    assert_int_equal(played[2].begun, begun);
    take_n(&s, CHECK_TCP, 3, false);
    assert_int_equal(up_since(&s, 2), ground_now_us); /* slow start */
    assert_int_equal(up_since(&s, 0), 0);
    pass(&s, 110);
    assert_int_equal(played[2].begun, begun + 1);
    played[2].result = CHECK_BAD;
    pass(&s, 12000);
    assert_int_equal(status(&s, 2), NODE_DOWN);
    scene_fini(&s);
}

static void a_node_removed_while_down_is_up_after_one_good_check(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 3, true);
    pass(&s, 2000);
    played[2].result = CHECK_BAD;
    pass(&s, 12000);
    assert_int_equal(status(&s, 2), NODE_DOWN);
    leave_with_a_session(&s, CHECK_TCP);
    atomic_store(&ground_live(&s.g, 2)->sessions, 0);
    pass(&s, 20000);
    played[2].result = CHECK_GOOD;
    take_n(&s, CHECK_TCP, 3, false);
    assert_int_equal(status(&s, 2), NODE_DOWN); /* the last known verdict */
    pass(&s, 110);
    assert_int_equal(status(&s, 2), NODE_UP);
    assert_in_range(up_since(&s, 2), ground_now_us - 110000, ground_now_us);
    scene_fini(&s);
}

/* ---- panic ---- */

#define SUSPECT                                                                                    \
    (struct played)                                                                                \
    {                                                                                              \
        .result = CHECK_TIMEOUT, .why = "no CONNACK within 3000 ms", .contact = CHECK_CONNECTED    \
    }

/* Let the checks of the first `n` nodes time out until these nodes are suspected. */
static void suspect(struct scene *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        played[i] = SUSPECT;
    pass(s, 12000);
}

static void timeouts_set_at_most_half_of_the_nodes_to_down(void **state)
{
    (void)state;
    static const struct {
        size_t nodes, suspected, down;
    } rows[] = {{1, 1, 0}, {2, 1, 1}, {2, 2, 0}, {3, 1, 1}, {3, 2, 0}, {3, 3, 0},
                {4, 2, 2}, {4, 3, 0}, {4, 4, 0}, {5, 2, 2}, {5, 3, 0}};
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct scene s;
        size_t down = 0;
        scene_init(&s);
        take_n(&s, CHECK_TCP, rows[r].nodes, true);
        pass(&s, 2000);
        suspect(&s, rows[r].suspected);
        for (size_t i = 0; i < rows[r].nodes; i++)
            down += status(&s, i) == NODE_DOWN;
        print_message("%zu of %zu suspected\n", rows[r].suspected, rows[r].nodes);
        assert_int_equal(down, rows[r].down);
        assert_int_equal(prober_panics(s.prober, 0), rows[r].down == 0);
        expect_logged(&s, rows[r].down == 0, "WARN cluster.panic ", "cluster=\"c\"",
                      "panic_percent=50");
        scene_fini(&s);
    }
}

static void panic_does_not_keep_bad_nodes_up(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP PASSIVE, 4, true);
    pass(&s, 2000);
    suspect(&s, 3);
    played[3].result = CHECK_BAD; /* refused, so certainly down */
    assert_true(prober_override(s.prober, "c", "n2", NODE_STATE_DRAINING));
    pass(&s, 12000);
    assert_int_equal(status(&s, 0), NODE_UP);
    assert_int_equal(status(&s, 2), NODE_DRAINING);
    assert_int_equal(status(&s, 3), NODE_DOWN);
    fail_sessions(&s, 0, 5);
    assert_int_equal(status(&s, 0), NODE_EJECTED);
    struct prober_facts facts;
    assert_true(prober_read(s.prober, ground_live(&s.g, 0), &facts));
    assert_string_equal(facts.why, "5 sessions failed within 10000 ms");
    fail_sessions(&s, 1, 100); /* the last open node */
    assert_int_equal(status(&s, 1), NODE_UP);
    assert_true(prober_read(s.prober, ground_live(&s.g, 1), &facts));
    assert_string_equal(facts.why, "suspected: no CONNACK within 3000 ms");
    assert_true(facts.suspected && !facts.unreachable);
    scene_fini(&s);
}

static void suspected_nodes_are_ejected_beyond_the_passive_limit(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP PASSIVE, 3, true);
    pass(&s, 2000);
    suspect(&s, 3);
    fail_sessions(&s, 0, 5);
    fail_sessions(&s, 1, 5); /* passive alone would eject one of three */
    assert_int_equal(status(&s, 0), NODE_EJECTED);
    assert_int_equal(status(&s, 1), NODE_EJECTED);
    assert_int_equal(status(&s, 2), NODE_UP);
    scene_fini(&s);
}

static void panic_ends_when_enough_nodes_have_been_up_for_a_while(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 3, true);
    pass(&s, 2000);
    uint64_t start_us = up_since(&s, 1);
    suspect(&s, 3);
    assert_true(prober_panics(s.prober, 0));
    assert_int_equal(up_since(&s, 1), start_us); /* no slow start */
    played[1] = played[2] = (struct played){.result = CHECK_GOOD};
    for (unsigned i = 0; i < 2000 && !ground_logged(&s.g, "cluster.panic_ended", NULL, NULL); i++) {
        assert_int_equal(status(&s, 0), NODE_UP);
        pass(&s, 10);
    }
    assert_false(prober_panics(s.prober, 0));
    assert_int_equal(status(&s, 0), NODE_DOWN); /* one suspected node is no panic */
    assert_int_equal(status(&s, 1), NODE_UP);
    pass(&s, 60000);
    expect_logged(&s, 1, "WARN cluster.panic ", NULL, NULL);
    expect_logged(&s, 1, "NOTICE cluster.panic_ended", "cluster=\"c\"", NULL);
    scene_fini(&s);
}

static void occasional_good_checks_do_not_end_panic(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, "\"health_check\":{\"type\":\"tcp\",\"interval_ms\":5000,\"fall\":1,\"rise\":1},", 2,
           true);
    pass(&s, 2000);
    suspect(&s, 2);
    for (unsigned i = 0; i < 10; i++) { /* good for one check only */
        unsigned done = played[1].done;
        played[1].result = CHECK_GOOD;
        while (played[1].done == done)
            pass(&s, 10);
        played[1].result = CHECK_TIMEOUT;
        while (played[1].done == done + 1) {
            assert_int_equal(status(&s, 0), NODE_UP);
            pass(&s, 10);
        }
    }
    expect_logged(&s, 1, "cluster.panic ", NULL, NULL);
    scene_fini(&s);
}

static void panic_survives_a_reload_and_ends_with_percent_0(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 2, true);
    pass(&s, 2000);
    suspect(&s, 2);
    take_n(&s, CHECK_TCP, 2, false);
    pass(&s, 1000);
    expect_logged(&s, 1, "cluster.panic ", NULL, NULL);
    assert_int_equal(status(&s, 0), NODE_UP);
    take_n(&s, "\"health_check\":{\"type\":\"tcp\",\"interval_ms\":1000,\"panic_percent\":0},", 2,
           false);
    pass(&s, 3000);
    assert_int_equal(status(&s, 0), NODE_DOWN);
    assert_int_equal(status(&s, 1), NODE_DOWN);
    scene_fini(&s);
}

static const char with_backup[] =
    "{\"name\":\"n0\",\"address\":\"192.0.2.1:1883\"},"
    "{\"name\":\"n1\",\"address\":\"192.0.2.2:1883\"},"
    "{\"name\":\"n2\",\"address\":\"192.0.2.3:1883\",\"backup\":true}";

static void there_is_no_panic_while_backups_are_up(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take(&s, CHECK_TCP, with_backup, true);
    pass(&s, 2000);
    suspect(&s, 2);
    assert_int_equal(status(&s, 0), NODE_DOWN);
    assert_int_equal(status(&s, 1), NODE_DOWN);
    played[2] = SUSPECT; /* now no node is up */
    pass(&s, 12000);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(status(&s, i), NODE_UP);
    scene_fini(&s);
}

static void silent_checks_suggest_proxy_protocol_until_the_node_answers(void **state)
{
    (void)state;
    struct scene s;
    struct prober_facts facts;
    scene_init(&s);
    played[0] = played[1] = SUSPECT;
    take_n(&s, CHECK_MQTT ",", 2, true);
    atomic_store(&ground_live(&s.g, 1)->answered, true); /* to a device, before the first check */
    pass(&s, 2000);
    assert_true(prober_read(s.prober, ground_live(&s.g, 0), &facts));
    assert_true(facts.unanswered && strstr(facts.why, "proxy_protocol"));
    assert_true(prober_read(s.prober, ground_live(&s.g, 1), &facts));
    assert_false(facts.unanswered || strstr(facts.why, "proxy_protocol"));
    played[1] = (struct played){.result = CHECK_GOOD, .contact = CHECK_ANSWERED};
    pass(&s, 12000); /* one check was answered, so the hint is no longer given */
    assert_true(prober_read(s.prober, ground_live(&s.g, 0), &facts));
    assert_false(facts.unanswered || strstr(facts.why, "proxy_protocol"));
    scene_fini(&s);
}

static void a_node_that_flaps_in_dns_is_detected_as_down(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 3, true);
    pass(&s, 2000);
    played[2] = (struct played){.result = CHECK_TIMEOUT, .takes_ms = 3000};
    for (unsigned i = 0; i < 20; i++) { /* faster than a check can time out */
        leave_with_a_session(&s, CHECK_TCP);
        pass(&s, 500);
        take_n(&s, CHECK_TCP, 3, false);
        pass(&s, 500);
    }
    assert_int_equal(status(&s, 2), NODE_DOWN);
    assert_int_equal(played[2].cancelled, 0);
    scene_fini(&s);
}

static void failures_of_a_removed_node_do_not_eject_it_later(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, PASSIVE, 3, true);
    leave_with_a_session(&s, PASSIVE);
    fail_sessions(&s, 2, 100);
    take_n(&s, PASSIVE, 3, false);
    pass(&s, 500);
    assert_int_equal(status(&s, 2), NODE_UP);
    scene_fini(&s);
}

static void a_removed_node_is_checked_while_it_has_a_session(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 3, true);
    pass(&s, 2000);
    leave_with_a_session(&s, CHECK_TCP);
    atomic_store(&ground_live(&s.g, 2)->sessions, 0);
    pass(&s, 20000);
    unsigned begun = played[2].begun;
    atomic_store(&ground_live(&s.g, 2)->sessions, 1); /* placed by the previous snapshot */
    pass(&s, 11000);
    assert_in_range(played[2].begun - begun, 1, 3);
    scene_fini(&s);
}

static void an_override_of_a_removed_node_is_dropped(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, "", 3, true);
    assert_true(prober_override(s.prober, "c", "n2", NODE_STATE_DRAINING));
    leave_with_a_session(&s, "");
    assert_int_equal(status(&s, 2), NODE_DRAINING); /* the drain continues */
    take_n(&s, "", 3, false);
    assert_int_equal(status(&s, 2), NODE_UP);
    scene_fini(&s);
}

static void a_changed_address_resets_the_verdict_and_gets_a_slow_start(void **state)
{
    (void)state;
    struct scene s;
    static const char nodes[] = "{\"name\":\"n0\",\"address\":\"192.0.2.1:1883\"},"
                                "{\"name\":\"n1\",\"address\":\"192.0.2.2:1883\"},"
                                "{\"name\":\"n2\",\"address\":\"192.0.2.33:1883\"}";
    scene_init(&s);
    played[2].result = CHECK_BAD;
    take_n(&s, CHECK_TCP PASSIVE, 3, true);
    pass(&s, 12000);
    assert_int_equal(status(&s, 2), NODE_DOWN);
    take(&s, CHECK_TCP PASSIVE, nodes, false);
    assert_int_equal(up_since(&s, 2), ground_now_us);
    pass(&s, 110);
    assert_int_equal(played[32].done, 1);
    assert_int_equal(status(&s, 2), NODE_UP);
    assert_true(up_since(&s, 2) > 0);
    assert_int_equal(up_since(&s, 0), 0);
    take_n(&s, CHECK_TCP PASSIVE, 3, false); /* back to the old address: down at the first check */
    pass(&s, 110);
    assert_int_equal(status(&s, 2), NODE_DOWN);
    scene_fini(&s);
}

static void if_all_addresses_change_there_is_no_slow_start(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP, 2, true);
    pass(&s, 2000);
    atomic_store(&ground_live(&s.g, 0)->sessions, 1);
    take(&s, CHECK_TCP,
         "{\"name\":\"n0\",\"address\":\"192.0.2.1:8883\"},"
         "{\"name\":\"n1\",\"address\":\"192.0.2.2:8883\"}",
         false);
    assert_int_equal(up_since(&s, 0), 0);
    assert_int_equal(up_since(&s, 1), 0);
    take(&s, CHECK_TCP, "{\"name\":\"m0\",\"address\":\"192.0.2.1:8883\"}", false);
    assert_int_equal(s.g.snapshot->clusters[0].n_all, 2); /* n0 still has a session */
    assert_int_equal(up_since(&s, 0), 0);
    atomic_store(&ground_live(&s.g, 1)->sessions, 0);
    scene_fini(&s);
}

static void freeing_the_prober_cancels_running_checks(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    for (size_t i = 0; i < 10; i++)
        played[i].takes_ms = 3000;
    take_n(&s, CHECK_TCP, 10, true);
    pass(&s, 1100);
    prober_free(s.prober);
    s.prober = NULL;
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(played[i].cancelled, 1);
    ev_run(s.g.loop, 0); /* returns: no watcher is left */
    scene_fini(&s);
}

/* ---- parameters of checks ---- */

static void every_node_has_a_unique_client_identifier(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_MQTT ",", NODES_MAX, true);
    pass(&s, 1100);
    for (size_t i = 0; i < NODES_MAX; i++) {
        const char *id = played[i].client_id;
        assert_int_equal(strlen(id), 23);
        assert_memory_equal(id, "mqtt-router-", 12);
        assert_int_equal(strspn(id + 12, "0123456789abcdefghijklmnopqrstuvwxyz"), 11);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(id, played[k].client_id);
    }
    scene_fini(&s);
}

static void http_checks_use_their_port_or_check_address(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take(&s, "\"health_check\":{\"type\":\"http\",\"port\":18084},",
         "{\"name\":\"a\",\"address\":\"192.0.2.1:1883\"},"
         "{\"name\":\"b\",\"address\":\"192.0.2.2:1883\",\"check_address\":\"192.0.2.22:80\"}",
         true);
    pass(&s, 1100);
    assert_string_equal(played[0].address, "192.0.2.1:18084");
    assert_string_equal(played[21].address, "192.0.2.22:80");
    take(&s, CHECK_TCP,
         "{\"name\":\"a\",\"address\":\"192.0.2.1:1883\"},"
         "{\"name\":\"b\",\"address\":\"192.0.2.2:1883\",\"check_address\":\"192.0.2.22:80\"}",
         false);
    pass(&s, 110);
    assert_string_equal(played[0].address, "192.0.2.1:1883");
    assert_string_equal(played[21].address, "192.0.2.22:80");
    scene_fini(&s);
}

static void checks_use_the_source_addresses(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP "\"source_addresses\":[\"2001:db8::5\",\"10.0.0.5\"],", 1, true);
    pass(&s, 1100);
    assert_string_equal(played[0].source, "10.0.0.5");
    scene_fini(&s);
}

/* ---- files ---- */

static void write_file(const char *path, const char *text, size_t n)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void the_password_is_the_first_line_of_its_file(void **state)
{
    (void)state;
    static const struct {
        const char *text, *password;
    } cases[] = {
        {"secret\n", "secret"},
        {"two\nlines\n", "two"},
        {"\xef\xbb\xbfmarked\n", ""},
        {"no line feed", "no line feed"},
        {"windows\r\n", "windows"},
        {" blanks are part of it \n", " blanks are part of it "},
        {"", ""},
        {NULL, ""},
    };
    char path[] = "/tmp/test_prober.XXXXXX", more[256], *nodes = ground_nodes(1);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    (void)snprintf(
        more, sizeof(more),
        "\"health_check\":{\"type\":\"mqtt\",\"username\":\"u\",\"password_file\":\"%s\"},", path);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene s;
        scene_init(&s);
        if (cases[i].text)
            write_file(path, cases[i].text, strlen(cases[i].text));
        else
            assert_int_equal(unlink(path), 0);
        take(&s, more, nodes, true);
        pass(&s, 1100);
        assert_string_equal(played[0].password, cases[i].password);
        bool none = cases[i].password[0] == '\0';
        expect_logged(&s, none, "ERROR check.no_password", "cluster=\"c\"", path);
        assert_int_equal(status(&s, 0), NODE_UP);
        scene_fini(&s);
    }
    free(nodes);
}

static void a_password_that_is_too_long_is_not_used(void **state)
{
    (void)state;
    struct scene s;
    char path[] = "/tmp/test_prober.XXXXXX", more[256];
    char *text = malloc(70000);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && text);
    close(fd);
    memset(text, 'x', 70000);
    write_file(path, text, 70000);
    free(text);
    (void)snprintf(
        more, sizeof(more),
        "\"health_check\":{\"type\":\"mqtt\",\"username\":\"u\",\"password_file\":\"%s\"},", path);
    scene_init(&s);
    take_n(&s, more, 1, true);
    pass(&s, 1100);
    assert_string_equal(played[0].password, "");
    expect_logged(&s, 1, "ERROR check.no_password", "cluster=\"c\"", path);
    scene_fini(&s);
    assert_int_equal(unlink(path), 0);
}

static void a_cluster_without_usable_certificates_is_not_checked(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s, CHECK_TCP "\"tls\":{\"verify\":false},", 2, true);
    pass(&s, 1100);
    assert_true(played[0].tls);
    unsigned begun = played[0].begun;
    take_n(&s, CHECK_TCP "\"tls\":{\"ca_file\":\"/nonexistent/ca.pem\"},", 2, false);
    pass(&s, 20000);
    /* checks in plain text would set every node to down */
    assert_int_equal(played[0].begun, begun);
    assert_int_equal(status(&s, 0), NODE_UP);
    expect_logged(&s, 1, "ERROR check.no_tls", "cluster=\"c\"", "/nonexistent/ca.pem");
    take_n(&s, CHECK_TCP "\"tls\":{\"verify\":false},", 2, false);
    pass(&s, 6000);
    assert_true(played[0].begun > begun);
    scene_fini(&s);
}

static void http_checks_need_no_certificates(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s);
    take_n(&s,
           "\"health_check\":{\"type\":\"http\"},\"tls\":{\"ca_file\":\"/nonexistent/ca.pem\"},", 1,
           true);
    pass(&s, 1100);
    assert_int_equal(played[0].begun, 1);
    assert_false(played[0].tls);
    expect_logged(&s, 0, "check.no_tls", NULL, NULL);
    scene_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_checks_are_spread_over_a_second),
        cmocka_unit_test(checks_run_every_interval_with_ten_percent_jitter),
        cmocka_unit_test(a_changing_node_is_checked_faster),
        cmocka_unit_test(a_silent_node_is_checked_at_the_same_interval),
        cmocka_unit_test(a_new_node_is_checked_soon_and_gets_a_slow_start),
        cmocka_unit_test(nodes_of_a_new_cluster_get_no_slow_start),
        cmocka_unit_test(a_shorter_interval_takes_effect_at_the_reload),
        cmocka_unit_test(a_check_that_cannot_start_does_not_change_the_status),
        cmocka_unit_test(a_node_is_down_while_its_checks_fail),
        cmocka_unit_test(a_node_that_accepts_no_new_sessions_is_paused),
        cmocka_unit_test(removing_the_health_check_resets_the_verdicts),
        cmocka_unit_test(after_adding_checks_one_bad_result_is_not_enough),
        cmocka_unit_test(a_node_on_which_sessions_fail_is_ejected_temporarily),
        cmocka_unit_test(the_last_node_is_never_ejected),
        cmocka_unit_test(ejections_are_limited_by_max_ejected_percent),
        cmocka_unit_test(failures_while_down_do_not_eject_a_node_later),
        cmocka_unit_test(failures_while_draining_do_not_eject_a_node_later),
        cmocka_unit_test(an_idle_prober_checks_failures_rarely_or_when_notified),
        cmocka_unit_test(passive_off_ejects_no_node),
        cmocka_unit_test(failures_before_a_node_was_added_do_not_count),
        cmocka_unit_test(the_configured_state_sets_the_status),
        cmocka_unit_test(an_override_lasts_until_the_configured_state_changes),
        cmocka_unit_test(health_and_running_checks_survive_a_reload),
        cmocka_unit_test(a_changed_address_is_checked_immediately),
        cmocka_unit_test(a_removed_node_is_forgotten),
        cmocka_unit_test(a_removed_node_with_a_session_is_checked_again_when_added),
        cmocka_unit_test(a_node_removed_while_down_is_up_after_one_good_check),
        cmocka_unit_test(a_node_that_flaps_in_dns_is_detected_as_down),
        cmocka_unit_test(failures_of_a_removed_node_do_not_eject_it_later),
        cmocka_unit_test(a_removed_node_is_checked_while_it_has_a_session),
        cmocka_unit_test(an_override_of_a_removed_node_is_dropped),
        cmocka_unit_test(a_changed_address_resets_the_verdict_and_gets_a_slow_start),
        cmocka_unit_test(if_all_addresses_change_there_is_no_slow_start),
        cmocka_unit_test(timeouts_set_at_most_half_of_the_nodes_to_down),
        cmocka_unit_test(panic_does_not_keep_bad_nodes_up),
        cmocka_unit_test(suspected_nodes_are_ejected_beyond_the_passive_limit),
        cmocka_unit_test(panic_ends_when_enough_nodes_have_been_up_for_a_while),
        cmocka_unit_test(occasional_good_checks_do_not_end_panic),
        cmocka_unit_test(panic_survives_a_reload_and_ends_with_percent_0),
        cmocka_unit_test(there_is_no_panic_while_backups_are_up),
        cmocka_unit_test(silent_checks_suggest_proxy_protocol_until_the_node_answers),
        cmocka_unit_test(freeing_the_prober_cancels_running_checks),
        cmocka_unit_test(every_node_has_a_unique_client_identifier),
        cmocka_unit_test(http_checks_use_their_port_or_check_address),
        cmocka_unit_test(checks_use_the_source_addresses),
        cmocka_unit_test(the_password_is_the_first_line_of_its_file),
        cmocka_unit_test(a_password_that_is_too_long_is_not_used),
        cmocka_unit_test(a_cluster_without_usable_certificates_is_not_checked),
        cmocka_unit_test(http_checks_need_no_certificates),
    };
    return cmocka_run_group_tests_name("prober", tests, NULL, NULL);
}
