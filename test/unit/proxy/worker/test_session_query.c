/*
 * test_session_query.c - a worker looks through its sessions in slices, while they come and go: who
 * is there all the time is told once, nobody is looked at who is gone, and nobody has to wait.
 *
 * The sessions are real connections that have said nothing yet; their source ports say who is who.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/session/session_kinds.h"
#include "proxy/worker/session_query.h"
#include "unit.h"

#define CROWD 990 /* as many as the rig lets in, nearly; two slices */
#define TURNS 10000

struct ground {
    struct rig *rig;
    int fds[CROWD]; /* -1 = it has left */
    uint16_t ports[CROWD];
    _Atomic uint32_t alive;
    unsigned answers;
};

static void note_answered(void *arg)
{
    ((struct ground *)arg)->answers++;
}

static int device(const struct rig *rig, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(rig_port(rig, 0)),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_return_code(connect(fd, (struct sockaddr *)&at, sizeof(at)), errno);
    assert_return_code(getsockname(fd, (struct sockaddr *)&at, &n), errno);
    *port = ntohs(at.sin_port);
    return fd;
}

static void turn_until(struct ground *g, size_t sessions)
{
    for (int i = 0; i < TURNS && rig_sessions(g->rig) != sessions; i++)
        rig_turn(g->rig);
    assert_int_equal(rig_sessions(g->rig), sessions);
}

static void fill(struct ground *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g->fds[i] = device(g->rig, &g->ports[i]);
        if (i % 100 == 99)
            turn_until(g, i + 1);
    }
    turn_until(g, n);
}

static int empty(void **state)
{
    struct ground *g = *state;
    for (size_t i = 0; i < CROWD; i++) {
        if (g->fds[i] >= 0)
            close(g->fds[i]);
        g->fds[i] = -1;
    }
    turn_until(g, 0);
    assert_int_equal(g->alive, 0);
    return 0;
}

static struct session_query *ask(struct ground *g, const struct session_filter *terms)
{
    const struct session_query_callback news = {
        .answered = note_answered, .arg = g, .alive = &g->alive};
    struct session_query *query = session_query_new(terms, 1, &news);
    assert_non_null(query);
    session_query_send(query, 0, rig_worker(g->rig));
    return query;
}

static const struct session_part *answer(struct ground *g, struct session_query *query)
{
    for (int i = 0; i < TURNS && !session_query_is_done(query); i++)
        rig_turn(g->rig);
    const struct session_part *part = session_query_part(query, 0);
    assert_non_null(part);
    return part;
}

static const struct session_filter all = {.limit = SESSION_QUERY_MAX};

/* How often a device is among what was told. */
static unsigned times_told(const struct session_part *part, uint16_t port)
{
    unsigned n = 0;
    for (size_t i = 0; i < part->n; i++)
        n += address_port(&part->facts[i].source) == port;
    return n;
}

static void a_turn_searches_one_slice_at_most(void **state)
{
    struct ground *g = *state;
    fill(g, CROWD);
    struct session_filter terms = all;
    terms.by_id = true; /* nobody has it: all are looked at */
    terms.id = 0;
    struct session_query *query = ask(g, &terms);
    unsigned turns = 0;
    for (; !session_query_is_done(query); turns++)
        rig_turn(g->rig);
    assert_in_range(turns, CROWD / SESSION_QUERY_SLICE + 1, CROWD / SESSION_QUERY_SLICE + 3);
    const struct session_part *part = session_query_part(query, 0);
    assert_true(part->complete && part->n == 0 && !part->more);
    session_query_unref(query);
}

static void a_result_over_the_limit_is_marked(void **state)
{
    struct ground *g = *state;
    fill(g, 300);
    for (uint32_t limit = 298; limit <= 302; limit++) {
        const struct session_filter terms = {.limit = limit};
        struct session_query *query = ask(g, &terms);
        const struct session_part *part = answer(g, query);
        assert_int_equal(part->n, limit < 300 ? limit : 300);
        assert_int_equal(part->more, limit < 300);
        assert_true(part->complete);
        session_query_unref(query);
    }
}

/* A third leaves, here and there, some of them under the cursor; others come. */
static void lasting_sessions_are_found_once_while_others_come_and_go(void **state)
{
    struct ground *g = *state;
    static const size_t n = CROWD - 60; /* room for those who have left and are not gone yet */
    fill(g, n);
    for (unsigned seed = 1; seed <= 8; seed++) {
        bool left[CROWD] = {false};
        struct session_query *queries[3];
        srand(seed);
        for (size_t i = 0; i < ARRAY_LEN(queries); i++)
            queries[i] = ask(g, &all);
        while (!session_query_is_done(queries[0]) || !session_query_is_done(queries[2])) {
            for (int i = 0; i < 20; i++) {
                /* those at the end of a slice are under the cursor */
                size_t at = (i % 3 ? (size_t)rand() : SESSION_QUERY_SLICE - 10 + (size_t)i) % n;
                close(g->fds[at]);
                left[at] = true;
                g->fds[at] = device(g->rig, &g->ports[at]);
            }
            rig_turn(g->rig);
        }
        for (size_t q = 0; q < ARRAY_LEN(queries); q++) {
            const struct session_part *part = session_query_part(queries[q], 0);
            assert_true(part->complete);
            for (size_t i = 0; i < n; i++)
                if (!left[i])
                    assert_int_equal(times_told(part, g->ports[i]), 1);
            session_query_unref(queries[q]);
        }
        turn_until(g, n);
    }
}

static void later_sessions_are_not_searched(void **state)
{
    struct ground *g = *state;
    fill(g, SESSION_QUERY_SLICE + 1);
    struct session_query *query = ask(g, &all);
    rig_turn(g->rig);
    assert_false(session_query_is_done(query));
    uint16_t late;
    g->fds[SESSION_QUERY_SLICE + 1] = device(g->rig, &late);
    const struct session_part *part = answer(g, query);
    assert_int_equal(times_told(part, late), 0);
    assert_int_equal(part->n, SESSION_QUERY_SLICE + 1);
    session_query_unref(query);
}

/* Ids begin again after 2^32, and the first of a fleet may stay for months. */
static void a_session_is_found_after_ids_have_repeated(void **state)
{
    struct ground *g = *state;
    fill(g, 3);
    for (size_t i = 3; i < 8; i++) {
        rig_use_ids(g->rig, UINT32_C(0x40000000));
        g->fds[i] = device(g->rig, &g->ports[i]);
        turn_until(g, i + 1);
        struct session_query *query = ask(g, &all);
        assert_int_equal(answer(g, query)->n, i + 1);
        session_query_unref(query);
    }
}

/*
 * The last ones that a query has to look at leave before it comes to them, and others come in
 * their place. A turn is for one query: the one looked at last sees them gone.
 */
static void the_last_sessions_may_end_during_a_search(void **state)
{
    struct ground *g = *state;
    static const size_t n = SESSION_QUERY_SLICE + 3;
    for (size_t leave = 1; leave <= 4; leave++) {
        struct session_query *queries[3];
        uint16_t left[4];
        fill(g, n);
        for (size_t i = 0; i < ARRAY_LEN(queries); i++)
            queries[i] = ask(g, &all);
        rig_turn(g->rig);
        for (size_t i = 0; i < leave; i++) {
            left[i] = g->ports[n - 1 - i];
            close(g->fds[n - 1 - i]);
        }
        for (size_t i = 0; i < leave; i++)
            g->fds[n - 1 - i] = device(g->rig, &g->ports[n - 1 - i]);
        unsigned gone = 0;
        for (size_t q = 0; q < ARRAY_LEN(queries); q++) {
            const struct session_part *part = answer(g, queries[q]);
            assert_true(part->complete);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(times_told(part, g->ports[i]), i < n - leave);
            for (size_t i = 0; i < leave; i++)
                gone += times_told(part, left[i]) == 0;
            session_query_unref(queries[q]);
        }
        assert_true(gone >= leave);
        (void)empty(state);
    }
}

static void a_session_is_found_by_id_and_is_the_only_one_ended(void **state)
{
    struct ground *g = *state;
    fill(g, 40);
    struct session_query *query = ask(g, &all);
    const struct session_part *part = answer(g, query);
    const uint64_t id = part->facts[17].id;
    const uint16_t port = address_port(&part->facts[17].source);
    assert_int_equal(session_id_worker(id), 0);
    session_query_unref(query);

    const struct session_filter terms = {.by_id = true, .id = id, .limit = 1, .disconnect = true};
    query = ask(g, &terms);
    part = answer(g, query);
    assert_int_equal(part->n, 1);
    assert_int_equal(address_port(&part->facts[0].source), port);
    assert_string_equal(part->facts[0].listener->name, "plain");
    assert_int_equal(part->facts[0].stage, SESSION_CONNECT);
    session_query_unref(query);
    turn_until(g, 39);
    query = ask(g, &terms);
    assert_int_equal(answer(g, query)->n, 0);
    session_query_unref(query);
}

static void a_cancelled_query_ends_no_session(void **state)
{
    struct ground *g = *state;
    fill(g, 3);
    struct session_query *query = ask(g, &all);
    const struct session_filter terms = {
        .by_id = true, .id = answer(g, query)->facts[1].id, .limit = 1, .disconnect = true};
    session_query_unref(query);
    query = ask(g, &terms);
    session_query_cancel(query);
    assert_null(session_query_part(query, 0)); /* not answered yet */
    assert_false(answer(g, query)->complete);
    session_query_unref(query);
    rig_turn(g->rig);
    assert_int_equal(rig_sessions(g->rig), 3);
}

static void the_caller_may_release_a_query_first(void **state)
{
    struct ground *g = *state;
    fill(g, CROWD);
    session_query_unref(ask(g, &all));
    assert_int_equal(g->alive, 1);
    for (int i = 0; i < 10; i++)
        rig_turn(g->rig);
    assert_int_equal(g->alive, 0);
}

/* How many there are, of one session of client identifier "dev1" from 127.0.0.1. */
static size_t found(struct ground *g, const char *client_id, const char *node, const char *source)
{
    struct session_filter terms = {.limit = 10, .client_id = span_of_str(client_id), .node = node};
    if (source)
        terms.by_source = cidr_parse(source, &terms.source);
    assert_int_equal(terms.by_source, source != NULL);
    struct session_query *query = ask(g, &terms);
    const struct session_part *part = answer(g, query);
    const size_t n = part->n;
    assert_true(part->complete && !part->more);
    session_query_unref(query);
    return n;
}

static void play_to_relay(struct ground *g, struct play *play)
{
    *play = play_good(KIND_PLAIN);
    rig_tidy(g->rig);
    rig_begin(g->rig, 0, &play->client, play->nodes, NODES_MAX);
    (void)rig_settle(g->rig);
}

static void play_end(struct ground *g, struct play *play)
{
    rig_end(g->rig);
    while (rig_deadline(g->rig))
        continue;
    play_fini(play);
}

static void a_session_must_match_the_whole_filter(void **state)
{
    static const char *const ids[] = {NULL, "dev1", "dev", "dev10"};
    static const char *const sources[] = {NULL, "127.0.0.1", "127.0.0.0/8", "127.0.0.2", "::/0"};
    struct ground *g = *state;
    struct play play;
    play_to_relay(g, &play);
    struct session_query *query = ask(g, &all);
    const struct session_part *part = answer(g, query);
    assert_int_equal(part->n, 1);
    assert_int_equal(part->facts->stage, SESSION_RELAY);
    const char *name = part->facts->node->name;
    char at[64], elsewhere[64], glued[64];
    (void)snprintf(at, sizeof(at), "one/%s", name);
    (void)snprintf(elsewhere, sizeof(elsewhere), "on/e/%s", name);
    (void)snprintf(glued, sizeof(glued), "one-%s", name);
    const char *const nodes[] = {NULL, name, at, "one", "one/", "n", elsewhere, glued};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        for (size_t k = 0; k < ARRAY_LEN(nodes); k++)
            for (size_t m = 0; m < ARRAY_LEN(sources); m++)
                assert_int_equal(found(g, ids[i], nodes[k], sources[m]), i < 2 && k < 3 && m < 3);
    session_query_unref(query);
    play_end(g, &play);
}

static void names_may_contain_slashes(void **state)
{
    (void)state;
    static const char config[] =
        "{\"listeners\":[{\"name\":\"d\",\"address\":\"127.0.0.1:0\",\"cluster\":\"a/b\"}],"
        "\"clusters\":[{\"name\":\"a\",\"nodes\":["
        "{\"name\":\"x\",\"address\":\"192.0.2.2:1883\"}]},"
        "{\"name\":\"a/b\",\"nodes\":[{\"name\":\"c/d\",\"address\":\"192.0.2.1:1883\"}]}]}";
    struct ground g = {.rig = rig_new(config)};
    assert_non_null(g.rig);
    struct play play;
    play_to_relay(&g, &play);
    assert_int_equal(found(&g, NULL, "c/d", NULL), 1);
    assert_int_equal(found(&g, NULL, "a/b/c/d", NULL), 1);
    assert_int_equal(found(&g, NULL, "b/c/d", NULL), 0);
    assert_int_equal(found(&g, NULL, "a/b/c", NULL), 0);
    play_end(&g, &play);
    rig_free(g.rig);
}

static void the_age_of_a_session_may_be_months(void **state)
{
    const uint64_t months_ms = UINT64_C(1000) * 3600 * 24 * 90; /* 32 bits end after 49.7 days */
    (void)state;
    struct ground g = {.rig = rig_new(config_json)};
    assert_non_null(g.rig);
    struct play play;
    play_to_relay(&g, &play);
    rig_pass(g.rig, months_ms);
    rig_end(g.rig);
    struct session_query *query = ask(&g, &all);
    const struct session_part *part = answer(&g, query);
    assert_int_equal(part->n, 1);
    assert_int_equal(part->facts[0].stage, SESSION_CLOSING); /* it has left the relay */
    assert_in_range(part->facts[0].age_ms, months_ms, months_ms + 60000);
    session_query_unref(query);
    play_end(&g, &play);
    rig_free(g.rig);
}

static void a_worker_that_ends_reports_an_incomplete_search(void **state)
{
    struct ground *g = *state;
    struct session_query *query = ask(g, &all);
    const unsigned answers = g->answers;
    assert_null(session_query_part(query, 0));
    rig_free(g->rig); /* it is the last test of this one */
    g->rig = NULL;
    assert_true(session_query_is_done(query));
    assert_false(session_query_part(query, 0)->complete);
    assert_int_equal(g->answers, answers + 1);
    session_query_unref(query);
    assert_int_equal(g->alive, 0);
}

static int set_up(void **state)
{
    static struct ground ground;
    struct rlimit files;
    assert_return_code(getrlimit(RLIMIT_NOFILE, &files), errno);
    files.rlim_cur = files.rlim_max;
    assert_return_code(setrlimit(RLIMIT_NOFILE, &files), errno);
    ground.rig = rig_new(config_json);
    memset(ground.fds, -1, sizeof(ground.fds));
    *state = &ground;
    if (!ground.rig)
        return 1;
    rig_start_listening(ground.rig);
    return 0;
}

static int tear_down(void **state)
{
    rig_free(((struct ground *)*state)->rig);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_turn_searches_one_slice_at_most, empty),
        cmocka_unit_test_teardown(a_result_over_the_limit_is_marked, empty),
        cmocka_unit_test_teardown(lasting_sessions_are_found_once_while_others_come_and_go, empty),
        cmocka_unit_test_teardown(later_sessions_are_not_searched, empty),
        cmocka_unit_test_teardown(a_session_is_found_after_ids_have_repeated, empty),
        cmocka_unit_test_teardown(the_last_sessions_may_end_during_a_search, empty),
        cmocka_unit_test_teardown(a_session_is_found_by_id_and_is_the_only_one_ended, empty),
        cmocka_unit_test_teardown(a_cancelled_query_ends_no_session, empty),
        cmocka_unit_test_teardown(the_caller_may_release_a_query_first, empty),
        cmocka_unit_test_teardown(a_session_must_match_the_whole_filter, empty),
        cmocka_unit_test(a_worker_that_ends_reports_an_incomplete_search),
        /* on rigs of their own: the other is freed */
        cmocka_unit_test(names_may_contain_slashes),
        cmocka_unit_test(the_age_of_a_session_may_be_months),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
