/*
 * test_session_calls.c - system calls fail: no descriptor, no buffer, no memory at socket(),
 * connect(), accept4() and epoll_ctl(). The session, if there is one, ends with a reason; the
 * worker does not spin, and serves again when the shortage is over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session_kinds.h"
#include "unit.h"

#define TURNS       1000
#define CALLS_A_FEW 50 /* a loop that spins makes one per turn; a pause of 0.1 s allows few */

static const uint8_t refusal[] = {0x20, 0x02, 0x00, 0x03}; /* server unavailable */

static void assert_refused(struct rig *rig, enum rig_call call, int error)
{
    struct play play = play_good(KIND_PLAIN);
    rig_dial_in_earnest(rig, true);
    (void)rig_fail_call(call, 1, error);
    assert_true(play_on(rig, &play));
    assert_int_equal(rig_fail_call(call, 0, 0), 1); /* no other node is tried */
    assert_int_equal(rig_reason(rig), CLOSE_LOCAL_LIMIT);
    assert_int_equal(play.client.got_n, sizeof(refusal));
    assert_memory_equal(play.client.got, refusal, sizeof(refusal));
    assert_null(rig_residue(rig));
    play_fini(&play);
    rig_dial_in_earnest(rig, false);
}

static void a_failed_socket_call_refuses_the_device(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        assert_refused(*state, RIG_SOCKET, errors[i]);
}

static void a_connect_without_ports_or_memory_refuses_the_device(void **state)
{
    static const int errors[] = {EADDRNOTAVAIL, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        assert_refused(*state, RIG_CONNECT, errors[i]);
}

/* ---- accepting ---- */

static int device(const struct rig *rig)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(rig_port(rig, 0)),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_return_code(connect(fd, (struct sockaddr *)&to, sizeof(to)), errno);
    return fd;
}

static void turns(struct rig *rig)
{
    for (int i = 0; i < TURNS; i++)
        rig_turn(rig);
}

/* The client leaves, and its session ends. */
static void part(struct rig *rig, int fd)
{
    close(fd);
    for (int i = 0; i < TURNS && rig_lives(rig); i++)
        rig_turn(rig);
    assert_false(rig_lives(rig));
}

static void accepting_pauses_in_a_shortage_and_resumes_after_it(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    struct rig *rig = *state;
    rig_start_listening(rig);
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        uint64_t accepted = rig_accepted(rig), pauses = rig_pauses(rig);
        (void)rig_fail_call(RIG_ACCEPT, 1000000, errors[i]);
        int fd = device(rig);
        turns(rig);
        assert_in_range(rig_fail_call(RIG_ACCEPT, 1000000, errors[i]), 1, CALLS_A_FEW);
        assert_true(rig_pauses(rig) > pauses);
        (void)rig_pause_over(rig); /* the shortage is not: it pauses again */
        turns(rig);
        assert_in_range(rig_fail_call(RIG_ACCEPT, 0, 0), 1, CALLS_A_FEW);
        assert_int_equal(rig_accepted(rig), accepted);
        (void)rig_pause_over(rig);
        turns(rig);
        assert_int_equal(rig_accepted(rig), accepted + 1);
        assert_int_equal(rig_sessions(rig), 1);
        part(rig, fd);
    }
}

static void an_error_of_a_pending_connection_does_not_pause_accepting(void **state)
{
    static const int errors[] = {EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH};
    struct rig *rig = *state;
    rig_start_listening(rig);
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        uint64_t accepted = rig_accepted(rig), pauses = rig_pauses(rig);
        (void)rig_fail_call(RIG_ACCEPT, 3, errors[i]);
        int fd = device(rig);
        turns(rig);
        assert_int_equal(rig_accepted(rig), accepted + 1);
        assert_int_equal(rig_pauses(rig), pauses);
        part(rig, fd);
    }
}

/* ---- watching: there is memory for a socket, but not to watch it ---- */

static void a_device_that_cannot_be_watched_is_closed(void **state)
{
    static const int errors[] = {ENOSPC, ENOMEM};
    struct rig *rig = *state;
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct play play = play_good(KIND_PLAIN);
        (void)rig_fail_call(RIG_EPOLL, 1000000, errors[i]);
        rig_begin(rig, KIND_PLAIN, &play.client, play.nodes, NODES_MAX);
        turns(rig);
        assert_in_range(rig_fail_call(RIG_EPOLL, 0, 0), 1, CALLS_A_FEW);
        assert_false(rig_lives(rig));
        assert_int_equal(rig_reason(rig), CLOSE_LOCAL_LIMIT);
        assert_null(rig_residue(rig));
        play_fini(&play);
    }
}

static void a_node_that_cannot_be_watched_is_not_used(void **state)
{
    struct rig *rig = *state;
    struct play play = play_good(KIND_PLAIN);
    play.client.first = 0;
    rig_begin(rig, KIND_PLAIN, &play.client, play.nodes, NODES_MAX);
    (void)rig_settle(rig);
    (void)rig_fail_call(RIG_EPOLL, 1000000, ENOSPC); /* the client is watched already */
    rig_arrive(&play.client, SIZE_MAX);
    turns(rig);
    assert_in_range(rig_fail_call(RIG_EPOLL, 0, 0), 1, CALLS_A_FEW);
    assert_false(rig_lives(rig));
    assert_int_equal(rig_reason(rig), CLOSE_LOCAL_LIMIT);
    assert_memory_equal(play.client.got, refusal, sizeof(refusal));
    assert_null(rig_residue(rig));
    play_fini(&play);
}

static void a_listener_that_cannot_be_watched_is_tried_again(void **state)
{
    struct rig *rig = rig_new(config_json);
    (void)state;
    assert_non_null(rig);
    (void)rig_fail_call(RIG_EPOLL, 1000000, ENOSPC);
    rig_start_listening(rig);
    turns(rig);
    assert_in_range(rig_fail_call(RIG_EPOLL, 0, 0), 1, CALLS_A_FEW * KIND_COUNT);
    int fd = device(rig);
    (void)rig_pause_over(rig);
    turns(rig);
    assert_int_equal(rig_accepted(rig), 1);
    part(rig, fd);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failed_socket_call_refuses_the_device, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test_setup_teardown(a_connect_without_ports_or_memory_refuses_the_device,
                                        rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(accepting_pauses_in_a_shortage_and_resumes_after_it,
                                        rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(an_error_of_a_pending_connection_does_not_pause_accepting,
                                        rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(a_device_that_cannot_be_watched_is_closed, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_cannot_be_watched_is_not_used, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test(a_listener_that_cannot_be_watched_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
