/*
 * test_prober_scale.c - a thousand nodes, random sequences of reloads, and lack of memory.
 *
 * Includes the prober with allocators that fail on demand. Checks are simulated: each takes some
 * time, and accesses all borrowed data again when it ends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t allowed = SIZE_MAX; /* allocations until one fails */

static int may_allocate(void)
{
    if (allowed == 0)
        return 0;
    allowed--;
    return 1;
}

static void *failing_calloc(size_t n, size_t size)
{
    return may_allocate() ? calloc(n, size) : NULL;
}

static void *failing_malloc(size_t size)
{
    return may_allocate() ? malloc(size) : NULL;
}

#define calloc failing_calloc
#define malloc failing_malloc
#define refuse small_file_refuse
#include "base/small_file.c"
#undef refuse
#include "control/health/prober.c"
#include "control/health/prober_plan.c"
#include "control/health/prober_probe.c"
#undef calloc
#undef malloc

#include "control/ground.h"

#define NODES   1000u
#define BOOT_ID UINT64_C(0xfedcba9876543210)
#define CHECKED "\"health_check\":{\"type\":\"tcp\"},"

/* ---- simulated checks ---- */

struct played {
    enum check_result result;
    unsigned begun, done, cancelled;
    uint64_t first_us;
    char client_id[64];
};

static struct played played[NODES]; /* by the last two bytes of 10.0.x.y */
static uint32_t takes_ms;

struct check {
    struct ev_loop *loop;
    struct ev_timer over;
    struct check_target target;
    struct played *play;
    check_done *done;
    void *arg;
};

static struct played *play_of(const struct endpoint *endpoint)
{
    uint32_t host = ntohl(endpoint->address.in.sin_addr.s_addr) & 0xffff;
    assert_in_range(host, 0, NODES - 1);
    return &played[host];
}

static void on_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct check *c = CONTAINER_OF(timer, struct check, over), copy = *c;
    assert_non_null(c->target.conf->health_check);
    assert_ptr_equal(play_of(c->target.endpoint), c->play);
    assert_string_equal(c->target.client_id, c->play->client_id);
    assert_true(!c->target.password || strcmp(c->target.password, "secret") == 0);
    assert_true(!c->target.source || c->target.source->sa.sa_family == AF_INET);
    free(c);
    copy.play->done++;
    const struct check_report report = {.result = copy.play->result, .why = "simulated"};
    copy.done(copy.arg, &report);
}

struct check *check_start(struct ev_loop *loop, const struct check_target *target, check_done *done,
                          void *arg)
{
    struct played *play = play_of(target->endpoint);
    struct check *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    *c = (struct check){.loop = loop, .target = *target, .play = play, .done = done, .arg = arg};
    if (play->begun++ == 0)
        play->first_us = ground_now_us;
    (void)snprintf(play->client_id, sizeof(play->client_id), "%s", target->client_id);
    ev_timer_init(&c->over, on_over, takes_ms / 1000., 0.);
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
    size_t which[NODES]; /* node i of the current snapshot is "n<which[i]>" */
};

static void note_change(void *arg, struct node_live *live)
{
    struct scene *s = arg;
    assert_non_null(live);
    s->changes++;
}

static struct scene *scene_new(void)
{
    struct scene *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    memset(played, 0, sizeof(played));
    takes_ms = 10;
    ground_init(&s->g);
    const struct prober_callbacks news = {.changed = note_change, .arg = s};
    s->prober = prober_new(s->g.loop, &s->g.registry, s->g.log, BOOT_ID, &news);
    assert_non_null(s->prober);
    return s;
}

/* Every running check must be cancelled once, and no record may be referenced afterwards. */
static void scene_free(struct scene *s)
{
    prober_free(s->prober);
    for (size_t i = 0; i < NODES; i++)
        assert_int_equal(played[i].begun, played[i].done + played[i].cancelled);
    ground_fini(&s->g);
    free(s);
}

static struct snapshot *snapshot_of(struct ground *g, const char *more, const size_t *which,
                                    size_t n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    (void)fprintf(out,
                  "{\"listeners\":[{\"name\":\"l\",\"address\":\"127.0.0.1:1883\",\"cluster\":"
                  "\"c\"}],\"clusters\":[{\"name\":\"c\",%s\"nodes\":[",
                  more);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(out, "%s{\"name\":\"n%zu\",\"address\":\"10.0.%zu.%zu:1883\"}", i ? "," : "",
                      which[i], which[i] / 256, which[i] % 256);
    (void)fprintf(out, "]}]}");
    assert_int_equal(fclose(out), 0);
    struct config_messages messages;
    struct config *config = config_parse(text, size, "config.json", &messages);
    assert_non_null(config);
    config_messages_fini(&messages);
    free(text);
    struct snapshot *snapshot = snapshot_new(config, &g->registry, NULL, NULL);
    assert_non_null(snapshot);
    return snapshot;
}

static bool take(struct scene *s, const char *more, const size_t *which, size_t n)
{
    struct snapshot *next = snapshot_of(&s->g, more, which, n);
    if (!prober_take(s->prober, next, !s->g.snapshot)) {
        snapshot_unref(next);
        node_registry_sweep(&s->g.registry);
        return false;
    }
    snapshot_unref(s->g.snapshot);
    s->g.snapshot = next;
    memcpy(s->which, which, n * sizeof(*which));
    node_registry_sweep(&s->g.registry);
    return true;
}

static void take_all(struct scene *s, const char *more)
{
    size_t which[NODES];
    for (size_t i = 0; i < NODES; i++)
        which[i] = i;
    assert_true(take(s, more, which, NODES));
}

static void pass(struct scene *s, uint64_t ms)
{
    ground_pass(&s->g, ms, NULL, NULL);
}

static enum node_status status(struct scene *s, size_t at)
{
    return node_live_status(ground_live(&s->g, at));
}

static size_t count_status(struct scene *s, enum node_status wanted)
{
    size_t n = 0;
    for (size_t i = 0; i < s->g.snapshot->clusters[0].n; i++)
        n += status(s, i) == wanted;
    return n;
}

/* ---- a thousand nodes ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void all_nodes_are_checked_in_the_first_second_with_unique_identifiers(void **state)
{
    (void)state;
    static char ids[NODES][24];
    unsigned in_tenth[10] = {0};
    struct scene *s = scene_new();
    ground_now_us += 3000000; /* the loop did not run while files were read */
    uint64_t start_us = ground_now_us;
    take_all(s, CHECKED);
    pass(s, 1050);
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(played[i].begun, 1);
        uint64_t tenth = (played[i].first_us - start_us) / 100000u;
        in_tenth[tenth < 10 ? tenth : 9]++;
        assert_int_equal(strlen(played[i].client_id), 23);
        memcpy(ids[i], played[i].client_id, sizeof(ids[i]));
    }
    for (size_t i = 0; i < 10; i++)
        assert_in_range(in_tenth[i], 50, 150);
    qsort(ids, NODES, sizeof(ids[0]), by_text);
    for (size_t i = 1; i < NODES; i++)
        assert_string_not_equal(ids[i - 1], ids[i]);
    scene_free(s);
}

static void routers_use_different_client_identifiers(void **state)
{
    (void)state;
    const struct prober_callbacks news = {.changed = note_change, .arg = NULL};
    const size_t which[] = {7};
    struct scene *s = scene_new();
    struct prober *other = prober_new(s->g.loop, &s->g.registry, s->g.log,
                                      BOOT_ID * UINT64_C(0x9e3779b97f4a7c15), &news);
    assert_non_null(other);
    assert_true(take(s, CHECKED, which, 1));
    pass(s, 1050);
    char id[64];
    memcpy(id, played[7].client_id, sizeof(id));
    assert_true(prober_take(other, s->g.snapshot, true));
    prober_free(s->prober);
    s->prober = NULL;
    pass(s, 1050);
    assert_int_equal(strlen(played[7].client_id), 23);
    assert_string_not_equal(played[7].client_id, id);
    prober_free(other);
    scene_free(s);
}

static void each_cluster_has_its_own_health_settings(void **state)
{
    (void)state;
    static const char two[] =
        "{\"listeners\":[{\"name\":\"l\",\"address\":\"127.0.0.1:1883\",\"cluster\":\"c\"},"
        "{\"name\":\"m\",\"address\":\"127.0.0.1:1884\",\"cluster\":\"d\"}],\"clusters\":["
        "{\"name\":\"c\",\"passive\":{\"failures\":50},\"nodes\":["
        "{\"name\":\"n0\",\"address\":\"10.0.0.0:1883\"},"
        "{\"name\":\"n1\",\"address\":\"10.0.0.1:1883\"}]},"
        "{\"name\":\"d\",\"health_check\":{\"type\":\"tcp\"},\"passive\":{\"failures\":5},"
        "\"nodes\":[{\"name\":\"n0\",\"address\":\"10.0.0.2:1883\"},"
        "{\"name\":\"n1\",\"address\":\"10.0.0.3:1883\"}]}]}";
    struct scene *s = scene_new();
    s->g.snapshot = ground_parse(&s->g, two);
    assert_true(prober_take(s->prober, s->g.snapshot, true));
    pass(s, 1100);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(played[i].begun, i >= 2);
    const struct cluster *c = &s->g.snapshot->clusters[0], *d = &s->g.snapshot->clusters[1];
    atomic_store(&c->nodes[0].live->failures, 10);
    atomic_store(&d->nodes[1].live->failures, 10);
    assert_true(prober_note_failing(s->prober));
    prober_check_failures(s->prober);
    pass(s, 150);
    assert_int_equal(node_live_status(c->nodes[0].live), NODE_UP);
    assert_int_equal(node_live_status(d->nodes[1].live), NODE_EJECTED);
    assert_true(prober_override(s->prober, "d", "n0", NODE_STATE_DOWN));
    assert_int_equal(node_live_status(c->nodes[0].live), NODE_UP);
    assert_int_equal(node_live_status(d->nodes[0].live), NODE_OFF);
    scene_free(s);
}

static void a_short_interval_also_spreads_the_first_checks(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    take_all(s, "\"health_check\":{\"type\":\"tcp\",\"interval_ms\":500,\"timeout_ms\":100},");
    pass(s, 520);
    for (size_t i = 0; i < NODES; i++)
        assert_in_range(played[i].begun, 1, 2);
    scene_free(s);
}

static void at_most_half_of_the_nodes_are_ejected_at_any_time(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    size_t most = 0;
    take_all(s, "\"passive\":{\"max_ejected_percent\":50,\"eject_ms\":2000},");
    for (int k = 0; k < 200; k++) {
        for (size_t i = 0; i < NODES; i++)
            atomic_fetch_add(&ground_live(&s->g, i)->failures, 3);
        pass(s, 100);
        size_t n = count_status(s, NODE_EJECTED);
        assert_in_range(n, 0, NODES / 2);
        most = n > most ? n : most;
    }
    assert_int_equal(most, NODES / 2);
    scene_free(s);
}

static void a_reload_in_another_order_keeps_the_health_of_each_node(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    size_t which[NODES];
    for (size_t i = 0; i < NODES; i++)
        played[i].result = i % 3 == 0 ? CHECK_BAD : CHECK_GOOD;
    take_all(s, CHECKED);
    pass(s, 1100);
    unsigned changes = s->changes;
    assert_int_equal(changes, (NODES + 2) / 3);
    for (size_t i = 0; i < NODES; i++)
        which[i] = (i * 617) % NODES; /* a permutation: 617 and 1000 have no common factor */
    assert_true(take(s, CHECKED, which, 900));
    assert_int_equal(s->changes, changes);
    for (size_t i = 0; i < 900; i++) {
        assert_int_equal(status(s, i), which[i] % 3 == 0 ? NODE_DOWN : NODE_UP);
        assert_int_equal(played[which[i]].begun, 1);
    }
    pass(s, 6000);
    for (size_t i = 0; i < NODES; i++) {
        bool there = i < 900;
        assert_int_equal(played[which[i]].begun > 1, there);
        assert_int_equal(played[which[i]].cancelled, 0);
    }
    scene_free(s);
}

/* ---- random sequences ---- */

/* The sanitizer detects borrowed data that a reload has freed. */
static void reloads_during_checks_leak_nothing(void **state)
{
    (void)state;
    static const char *const more[] = {
        CHECKED,
        CHECKED "\"source_addresses\":[\"10.9.9.9\"],",
        "\"health_check\":{\"type\":\"http\",\"interval_ms\":1000},",
        "",
    };
    unsigned seed = 4;
    struct scene *s = scene_new();
    takes_ms = 300;
    for (int k = 0; k < 400; k++) {
        size_t which[20], n = 0;
        for (size_t i = 0; i < 20; i++)
            if (rand_r(&seed) % 3 > 0)
                which[n++] = i;
        if (n == 0)
            continue;
        assert_true(take(s, more[(size_t)rand_r(&seed) % ARRAY_LEN(more)], which, n));
        for (size_t i = 0; i < n; i++) {
            played[which[i]].result = (enum check_result)(rand_r(&seed) % 3);
            atomic_fetch_add(&ground_live(&s->g, i)->failures, (unsigned)rand_r(&seed) % 4);
            const char *name = ground_live(&s->g, i)->name;
            if (rand_r(&seed) % 8 == 0)
                assert_true(prober_override(s->prober, "c", name,
                                            (enum node_state)(rand_r(&seed) % NODE_STATE_COUNT)));
        }
        pass(s, (unsigned)rand_r(&seed) % 500);
        for (size_t i = 0; i < NODES; i++) /* at most one check at a time */
            assert_in_range(played[i].begun - played[i].done - played[i].cancelled, 0, 1);
    }
    scene_free(s);
}

/* ---- no memory ---- */

static void prober_new_fails_without_memory(void **state)
{
    (void)state;
    const struct prober_callbacks news = {.changed = note_change, .arg = NULL};
    struct ground g;
    ground_init(&g);
    allowed = 0;
    assert_null(prober_new(g.loop, &g.registry, g.log, BOOT_ID, &news));
    allowed = SIZE_MAX;
    prober_free(NULL);
    ground_fini(&g);
}

static void a_snapshot_that_fails_for_lack_of_memory_changes_nothing(void **state)
{
    (void)state;
    char path[] = "/tmp/test_prober_scale.XXXXXX", more[256];
    const size_t before[] = {0, 1, 2}, after[] = {4, 1, 3, 2};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "secret\n", 7), 7);
    close(fd);
    (void)snprintf(more, sizeof(more),
                   "\"health_check\":{\"type\":\"mqtt\",\"username\":\"u\",\"interval_ms\":5000,"
                   "\"password_file\":\"%s\"},",
                   path);
    struct scene *s = scene_new();
    played[0].result = CHECK_BAD;
    assert_true(take(s, more, before, 3));
    pass(s, 1200);
    assert_true(prober_override(s->prober, "c", "n1", NODE_STATE_DRAINING));
    takes_ms = 2000;
    while (played[2].begun == played[2].done)
        pass(s, 10);
    unsigned changes = s->changes, begun = played[2].begun;
    size_t failures = 0;
    for (bool taken = false; !taken; failures += !taken) {
        ground_forget_log(&s->g);
        struct snapshot *next = snapshot_of(&s->g, more, after, 4);
        allowed = failures;
        taken = prober_take(s->prober, next, false);
        allowed = SIZE_MAX;
        if (!taken) {
            snapshot_unref(next);
            node_registry_sweep(&s->g.registry);
            pass(s, 2);
            assert_int_equal(lseek(s->g.log_fd, 0, SEEK_END), 0);
        } else {
            snapshot_unref(s->g.snapshot);
            s->g.snapshot = next;
        }
        assert_int_equal(s->changes, changes);
        assert_int_equal(played[2].begun, begun);
        assert_int_equal(played[2].cancelled, 0);
        assert_int_equal(played[3].begun + played[4].begun, 0);
    }
    assert_int_equal(failures, 3 + 1 + 2); /* plan, arrays, password; nodes; new nodes */
    assert_int_equal(status(s, 1), NODE_DRAINING);
    pass(s, 110);
    assert_int_equal(played[4].begun, 1);
    assert_int_equal(played[3].begun, 1);
    pass(s, 2500);
    assert_int_equal(played[2].done, begun);
    scene_free(s);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_nodes_are_checked_in_the_first_second_with_unique_identifiers),
        cmocka_unit_test(routers_use_different_client_identifiers),
        cmocka_unit_test(each_cluster_has_its_own_health_settings),
        cmocka_unit_test(a_short_interval_also_spreads_the_first_checks),
        cmocka_unit_test(at_most_half_of_the_nodes_are_ejected_at_any_time),
        cmocka_unit_test(a_reload_in_another_order_keeps_the_health_of_each_node),
        cmocka_unit_test(reloads_during_checks_leak_nothing),
        cmocka_unit_test(prober_new_fails_without_memory),
        cmocka_unit_test(a_snapshot_that_fails_for_lack_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests_name("prober_scale", tests, NULL, NULL);
}
