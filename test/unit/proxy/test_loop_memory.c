/*
 * test_loop_memory.c - memory runs out while the arrays of an event loop grow: the loop continues
 * with its reserve, new sessions are refused, and all is as before when memory is available again.
 */
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proxy/loop_memory.h"
#include "proxy/session/session_kinds.h"
#include "unit.h"

#define TIMERS 3000
#define FDS    600 /* more than the loop has room for at first */

struct watched {
    struct ev_timer timers[TIMERS];
    struct ev_io io[FDS];
    unsigned fired, ready;
};

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ((struct watched *)ev_userdata(loop))->fired++;
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    ((struct watched *)ev_userdata(loop))->ready++;
    ev_io_stop(loop, io);
}

static void start_timers(struct ev_loop *loop, struct watched *all, int from, int to)
{
    for (int i = from; i < to; i++) {
        ev_timer_init(&all->timers[i], on_timer, 0.0, 0.0);
        ev_timer_start(loop, &all->timers[i]);
    }
}

/* Descriptors are moved to chosen numbers with dup2(), so that their array has to grow. */
static void start_io(struct ev_loop *loop, struct watched *all, int ready_fd)
{
    for (int i = 0; i < FDS; i++) {
        int fd = fcntl(ready_fd, F_DUPFD_CLOEXEC, 100);
        assert_true(fd >= 0);
        ev_io_init(&all->io[i], on_ready, fd, EV_READ);
        ev_io_start(loop, &all->io[i]);
    }
}

static void a_loop_grows_from_its_reserve_when_memory_is_short(void **state)
{
    (void)state;
    struct watched *all = calloc(1, sizeof(*all));
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL);
    int ready_fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(all && loop && ready_fd >= 0);
    ev_set_userdata(loop, all);
    start_timers(loop, all, 0, 10);
    assert_false(loop_memory_is_short());

    (void)rig_fail_allocation(0, true);
    start_timers(loop, all, 10, TIMERS / 2);
    start_io(loop, all, ready_fd);
    assert_true(loop_memory_is_short());
    ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(all->fired, TIMERS / 2);
    for (int i = 0; i < 100 && all->ready < FDS; i++)
        ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(all->ready, FDS);

    (void)rig_fail_allocation(RIG_NEVER, false);
    assert_false(loop_memory_is_short()); /* memory is back, though the reserve is in use */
    start_timers(loop, all, 0, TIMERS);
    ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(all->fired, TIMERS / 2 + TIMERS);
    for (int i = 0; i < FDS; i++)
        close(all->io[i].fd);
    close(ready_fd);
    ev_loop_destroy(loop);
    free(all);
}

static void the_reserve_is_restored_when_its_loop_is_freed(void **state)
{
    for (int i = 0; i < 20; i++)
        a_loop_grows_from_its_reserve_when_memory_is_short(state);
    (void)rig_fail_allocation(0, true);
    assert_false(loop_memory_is_short());
    (void)rig_fail_allocation(RIG_NEVER, false);
}

static void new_sessions_are_refused_while_the_reserve_is_in_use(void **state)
{
    (void)state;
    struct rig *rig = rig_new(config_json);
    struct watched *all = calloc(1, sizeof(*all));
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL);
    assert_true(rig && all && loop);
    (void)rig_fail_allocation(0, true);
    start_timers(loop, all, 0, TIMERS);
    /* the two that a session begins with are there, and then the question whether memory is */
    (void)rig_fail_allocation(2, true);
    struct play play = play_good(KIND_PLAIN);
    assert_true(play_on(rig, &play));
    assert_true(rig_fail_allocation(RIG_NEVER, false) > 2);
    assert_int_equal(rig_reason(rig), CLOSE_OUT_OF_MEMORY);
    assert_int_equal(play.client.read_n, 0);
    play_fini(&play);
    play = play_good(KIND_PLAIN);
    assert_true(play_on(rig, &play));
    assert_int_equal(rig_reason(rig), CLOSE_CLIENT_CLOSED);
    assert_null(rig_residue(rig));
    play_fini(&play);
    ev_loop_destroy(loop);
    free(all);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_grows_from_its_reserve_when_memory_is_short),
        cmocka_unit_test(the_reserve_is_restored_when_its_loop_is_freed),
        cmocka_unit_test(new_sessions_are_refused_while_the_reserve_is_in_use),
    };
    if (!loop_memory_init(4096, 2))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    loop_memory_fini();
    return failed;
}
