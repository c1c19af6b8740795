/*
 * test_session_desk.c - a worker that does not answer costs the others' answers nothing, and no
 * more memory than the desk allows.
 *
 * One worker runs; the other was never started, as one that is busy for long. The program's own
 * clock_gettime() goes before libc's, for libev too, so that patience is over in a moment.
 */
#include <ev.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "control/admin/api/session_queries.h"
#include "model/config/config.h"
#include "net/socket.h"
#include "proxy/node_live.h"
#include "proxy/worker/workers.h"
#include "unit.h"

#define TURNS 1000

static _Atomic long later_s; /* seconds that the clock is ahead */

int clock_gettime(clockid_t id, struct timespec *ts)
{
    long result = syscall(SYS_clock_gettime, id, ts);
    ts->tv_sec += later_s;
    return (int)result;
}

struct office {
    struct ev_loop *loop;
    struct session_queries *queries;
    struct node_registry registry;
    struct worker_shared shared;
    struct worker *workers[2]; /* one that runs, one that does not */
    struct workers all;

    /* what was told */
    unsigned told;
    bool there[2], complete[2];
};

static void do_nothing(void *arg)
{
    (void)arg;
}

static void note_told(void *arg, const struct session_query *query)
{
    struct office *office = arg;
    office->told++;
    for (size_t i = 0; i < session_query_n(query); i++) {
        const struct session_part *part = session_query_part(query, i);
        office->there[i] = part != NULL;
        office->complete[i] = part && part->complete;
    }
}

/* A running worker has something to serve: a door that nobody comes to. */
static void give_plan(struct office *office, struct worker *w)
{
    static const char text[] =
        "{\"listeners\":[{\"name\":\"d\",\"address\":\"127.0.0.1:0\",\"cluster\":\"c\"}],"
        "\"clusters\":[{\"name\":\"c\",\"nodes\":["
        "{\"name\":\"n\",\"address\":\"192.0.2.1:1883\"}]}]}";
    char error[WORKER_TLS_ERROR_MAX];
    struct config_messages messages;
    struct config *config = config_parse(text, strlen(text), "desk.json", &messages);
    for (size_t i = 0; i < messages.n; i++)
        print_error("%s\n", messages.list[i].text);
    assert_non_null(config);
    config_messages_fini(&messages);
    struct snapshot *snapshot = snapshot_new(config, &office->registry, NULL, NULL);
    assert_non_null(snapshot);
    const struct listen_options options = {.backlog = 1};
    struct worker_socket socket = {.fd = socket_listen(&snapshot->bindings[0].endpoint, &options)};
    struct tls_ticket_keys *keys = NULL;
    struct worker_plan *plan = worker_plan_new(w, snapshot, &socket, &keys, error);
    assert_non_null(plan);
    snapshot_unref(snapshot);
    worker_give_plan(w, plan);
}

static int set_up(void **state)
{
    struct office *office = calloc(1, sizeof(*office));
    assert_non_null(office);
    *state = office;
    office->loop = ev_loop_new(EVFLAG_NOENV);
    assert_non_null(office->loop);
    office->queries = session_queries_new(office->loop);
    node_registry_init(&office->registry, 2);
    office->shared = (struct worker_shared){.registry = &office->registry,
                                            .ended = do_nothing,
                                            .emptied = do_nothing,
                                            .failing = do_nothing};
    for (unsigned i = 0; i < 2; i++) {
        office->workers[i] = worker_new(&office->shared, i, 1024);
        assert_non_null(office->workers[i]);
    }
    office->all = (struct workers){.list = office->workers, .n = 2};
    give_plan(office, office->workers[0]);
    assert_true(worker_start(office->workers[0]));
    return 0;
}

static void let_end(struct worker *w)
{
    worker_set_mode(w, WORKER_STOP);
    worker_join(w);
}

static int tear_down(void **state)
{
    struct office *office = *state;
    let_end(office->workers[0]);
    for (unsigned i = 0; i < 2; i++)
        worker_free(office->workers[i]);
    session_queries_free(office->queries);
    node_registry_fini(&office->registry);
    ev_loop_destroy(office->loop);
    free(office);
    return 0;
}

static void turn_until_told(struct office *office)
{
    for (int i = 0; i < TURNS && office->told == 0; i++)
        (void)ev_run(office->loop, EVRUN_NOWAIT);
}

static struct pending_query *ask(struct office *office, const struct session_terms *terms)
{
    return session_queries_start(office->queries, &office->all, terms, note_told, office);
}

static void a_silent_worker_does_not_lose_what_another_found(void **state)
{
    struct office *office = *state;
    const struct session_terms all = {.limit = 5};
    assert_non_null(ask(office, &all));
    let_end(office->workers[0]); /* it takes its orders behind its questions */
    (void)ev_run(office->loop, EVRUN_NOWAIT);
    assert_int_equal(office->told, 0);
    later_s += (long)SESSION_QUERIES_TIMEOUT_S + 1;
    turn_until_told(office);
    assert_int_equal(office->told, 1);
    assert_true(office->there[0] && office->complete[0]);
    assert_false(office->there[1]);
}

static void a_worker_that_ends_is_not_waited_for(void **state)
{
    struct office *office = *state;
    const struct session_terms one = {
        .by_id = true, .id = UINT64_C(1) << 32, .limit = 1, .disconnect = true};
    assert_non_null(ask(office, &one));
    (void)ev_run(office->loop, EVRUN_NOWAIT);
    assert_int_equal(office->told, 0);
    worker_free(office->workers[1]);
    office->workers[1] = NULL;
    turn_until_told(office);
    assert_int_equal(office->told, 1);
    assert_true(office->there[0] && !office->complete[0]);
}

/* Who asked has left long ago: the memory is still the worker's. */
static void what_a_worker_holds_is_bounded_not_who_waits(void **state)
{
    struct office *office = *state;
    const struct session_terms silent = {.by_id = true, .id = UINT64_C(1) << 32, .limit = 1};
    const struct session_terms lively = {.by_id = true, .id = 0, .limit = 1};
    for (unsigned i = 0; i < SESSION_QUERIES_MAX; i++) {
        struct pending_query *ticket = ask(office, &silent);
        assert_non_null(ticket);
        session_queries_cancel(ticket);
    }
    assert_null(ask(office, &lively));
    worker_free(office->workers[1]);
    office->workers[1] = NULL;
    assert_non_null(ask(office, &lively));
    assert_int_equal(office->told, 0);
}

static void an_id_of_no_worker_is_not_asked_for(void **state)
{
    const struct session_terms nobody = {.by_id = true, .id = UINT64_C(2) << 32, .limit = 1};
    assert_null(ask(*state, &nobody));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_silent_worker_does_not_lose_what_another_found, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_worker_that_ends_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_worker_holds_is_bounded_not_who_waits, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_id_of_no_worker_is_not_asked_for, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
