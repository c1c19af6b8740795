/*
 * test_session_queries.c - if a worker does not answer, the answers of others are not lost, and
 * memory is bounded.
 *
 * One worker runs. The other is never started, like a worker that is busy for a long time. This
 * program overrides clock_gettime(), also for libev, so that a timeout takes no time.
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

struct context {
    struct ev_loop *loop;
    struct session_queries *queries;
    struct node_registry registry;
    struct worker_shared shared;
    struct worker *workers[2]; /* the running one, and the one that is not started */
    struct workers all;

    /* results */
    unsigned n_done;
    bool there[2], complete[2];
};

static void do_nothing(void *arg)
{
    (void)arg;
}

static void on_done(void *arg, const struct session_query *query)
{
    struct context *c = arg;
    c->n_done++;
    for (size_t i = 0; i < session_query_n(query); i++) {
        const struct session_part *part = session_query_part(query, i);
        c->there[i] = part != NULL;
        c->complete[i] = part && part->complete;
    }
}

/* A running worker needs a listener, but no client connects. */
static void give_plan(struct context *c, struct worker *w)
{
    static const char text[] =
        "{\"listeners\":[{\"name\":\"d\",\"address\":\"127.0.0.1:0\",\"cluster\":\"c\"}],"
        "\"clusters\":[{\"name\":\"c\",\"nodes\":["
        "{\"name\":\"n\",\"address\":\"192.0.2.1:1883\"}]}]}";
    char error[WORKER_TLS_ERROR_MAX];
    struct config_messages messages;
    struct config *config = config_parse(text, strlen(text), "queries.json", &messages);
    for (size_t i = 0; i < messages.n; i++)
        print_error("%s\n", messages.list[i].text);
    assert_non_null(config);
    config_messages_fini(&messages);
    struct snapshot *snapshot = snapshot_new(config, &c->registry, NULL, NULL);
    assert_non_null(snapshot);
    const struct listen_options options = {.backlog = 1};
    struct worker_socket socket = {.fd = socket_listen(&snapshot->bindings[0].endpoint, &options)};
    struct tls_ticket_keys *keys = NULL;
    struct worker_update *plan = worker_update_new(w, snapshot, &socket, &keys, error);
    assert_non_null(plan);
    snapshot_unref(snapshot);
    worker_send_update(w, plan);
}

static int set_up(void **state)
{
    struct context *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    *state = c;
    c->loop = ev_loop_new(EVFLAG_NOENV);
    assert_non_null(c->loop);
    c->queries = session_queries_new(c->loop);
    node_registry_init(&c->registry, 2);
    c->shared = (struct worker_shared){.registry = &c->registry,
                                       .ended = do_nothing,
                                       .freed_memory = do_nothing,
                                       .failing = do_nothing};
    for (unsigned i = 0; i < 2; i++) {
        c->workers[i] = worker_new(&c->shared, i, 1024);
        assert_non_null(c->workers[i]);
    }
    c->all = (struct workers){.list = c->workers, .n = 2};
    give_plan(c, c->workers[0]);
    assert_true(worker_start(c->workers[0]));
    return 0;
}

static void stop(struct worker *w)
{
    worker_set_mode(w, WORKER_STOP);
    worker_join(w);
}

static int tear_down(void **state)
{
    struct context *c = *state;
    stop(c->workers[0]);
    for (unsigned i = 0; i < 2; i++)
        worker_free(c->workers[i]);
    session_queries_free(c->queries);
    node_registry_fini(&c->registry);
    ev_loop_destroy(c->loop);
    free(c);
    return 0;
}

static void run_until_done(struct context *c)
{
    for (int i = 0; i < TURNS && c->n_done == 0; i++)
        (void)ev_run(c->loop, EVRUN_NOWAIT);
}

static struct pending_query *ask(struct context *c, const struct session_filter *terms)
{
    return session_queries_start(c->queries, &c->all, terms, on_done, c);
}

static void a_silent_worker_does_not_lose_the_answers_of_others(void **state)
{
    struct context *c = *state;
    const struct session_filter all = {.limit = 5};
    assert_non_null(ask(c, &all));
    stop(c->workers[0]); /* it handles the stop after its queries */
    (void)ev_run(c->loop, EVRUN_NOWAIT);
    assert_int_equal(c->n_done, 0);
    later_s += (long)SESSION_QUERIES_TIMEOUT_S + 1;
    run_until_done(c);
    assert_int_equal(c->n_done, 1);
    assert_true(c->there[0] && c->complete[0]);
    assert_false(c->there[1]);
}

static void a_query_does_not_wait_for_a_worker_that_stops(void **state)
{
    struct context *c = *state;
    const struct session_filter one = {
        .by_id = true, .id = UINT64_C(1) << 32, .limit = 1, .disconnect = true};
    assert_non_null(ask(c, &one));
    (void)ev_run(c->loop, EVRUN_NOWAIT);
    assert_int_equal(c->n_done, 0);
    worker_free(c->workers[1]);
    c->workers[1] = NULL;
    run_until_done(c);
    assert_int_equal(c->n_done, 1);
    assert_true(c->there[0] && !c->complete[0]);
}

/* The queries are cancelled, but the worker still holds their memory. */
static void queries_held_by_a_worker_are_limited(void **state)
{
    struct context *c = *state;
    const struct session_filter silent = {.by_id = true, .id = UINT64_C(1) << 32, .limit = 1};
    const struct session_filter lively = {.by_id = true, .id = 0, .limit = 1};
    for (unsigned i = 0; i < SESSION_QUERIES_MAX; i++) {
        struct pending_query *ticket = ask(c, &silent);
        assert_non_null(ticket);
        session_queries_cancel(ticket);
    }
    assert_null(ask(c, &lively));
    worker_free(c->workers[1]);
    c->workers[1] = NULL;
    assert_non_null(ask(c, &lively));
    assert_int_equal(c->n_done, 0);
}

static void an_id_without_a_worker_is_rejected(void **state)
{
    const struct session_filter nobody = {.by_id = true, .id = UINT64_C(2) << 32, .limit = 1};
    assert_null(ask(*state, &nobody));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_silent_worker_does_not_lose_the_answers_of_others, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_query_does_not_wait_for_a_worker_that_stops, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(queries_held_by_a_worker_are_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_id_without_a_worker_is_rejected, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
