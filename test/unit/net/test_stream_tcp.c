/*
 * Tests of stream_tcp.c over loopback sockets and socket pairs.
 *
 * To check that a stream makes no system call, a test leaves bytes or an error pending on the
 * socket and checks that the stream does not return them.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/stream.h"

#define DEADLINE_MS 5000

/* A stream, and the plain socket at the other end. */
struct link {
    struct stream *st;
    int fd;
    int peer;
};

static struct link link_make(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct link l = {.st = stream_tcp_new(fds[0]), .fd = fds[0], .peer = fds[1]};
    assert_non_null(l.st);
    return l;
}

static void link_end(struct link *l)
{
    stream_free(l->st);
    close(l->peer);
}

/* Bind a socket to a free loopback port, and listen unless backlog < 0. */
static int listen_somewhere(struct sockaddr_in *address, int backlog)
{
    socklen_t n = sizeof(*address);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)address, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &n), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int dial(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        assert_true(errno == EINPROGRESS || errno == ECONNREFUSED);
    return fd;
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
}

static void short_read_makes_the_next_read_return_want_read_without_a_system_call(void **state)
{
    struct link l = link_make();
    char bytes[8];
    size_t got = 0;
    (void)state;
    assert_int_equal(write(l.peer, "one", 3), 3);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(got, 3);
    assert_int_equal(write(l.peer, "two", 3), 3);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_WANT_READ);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_memory_equal(bytes, "two", 3);
    link_end(&l);
}

static void full_read_is_followed_by_another_system_call(void **state)
{
    struct link l = link_make();
    char bytes[3];
    size_t got = 0;
    (void)state;
    assert_int_equal(write(l.peer, "onetwo", 6), 6);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_memory_equal(bytes, "two", 3);
    link_end(&l);
}

static void want_read_leaves_the_count_unchanged(void **state)
{
    struct link l = link_make();
    char bytes[8];
    size_t got = 77;
    (void)state;
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_WANT_READ);
    assert_int_equal(got, 77);
    link_end(&l);
}

static void full_socket_returns_want_write_and_loses_no_bytes(void **state)
{
    enum { N = 1 << 20 };
    struct link l = link_make();
    char *bytes = malloc(N), *back = malloc(N);
    size_t sent = 0, done = 0, waits = 0, put;
    (void)state;
    assert_true(bytes && back);
    for (size_t i = 0; i < N; i++)
        bytes[i] = (char)(i * 31 + (i >> 9));
    while (done < N) {
        enum stream_result answer = STREAM_OK;
        while (sent < N && answer == STREAM_OK) {
            answer = stream_write(l.st, bytes + sent, N - sent, &put);
            if (answer == STREAM_OK)
                sent += put;
        }
        waits += answer == STREAM_WANT_WRITE;
        ssize_t got = read(l.peer, back + done, N - done);
        assert_true(got > 0);
        done += (size_t)got;
    }
    assert_true(waits > 0);
    assert_memory_equal(back, bytes, N);
    free(bytes);
    free(back);
    link_end(&l);
}

static void fin_of_the_peer_is_read_as_eof_and_writing_still_works(void **state)
{
    struct link l = link_make();
    char bytes[8];
    size_t got, put;
    (void)state;
    assert_int_equal(write(l.peer, "last", 4), 4);
    assert_int_equal(shutdown(l.peer, SHUT_WR), 0);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_WANT_READ);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_EOF);
    assert_int_equal(stream_write(l.st, "still", 5, &put), STREAM_OK);
    assert_int_equal(read(l.peer, bytes, sizeof(bytes)), 5);
    link_end(&l);
}

static void close_write_sends_fin_and_reading_still_works(void **state)
{
    struct link l = link_make();
    char bytes[8];
    size_t got;
    (void)state;
    assert_int_equal(stream_close_write(l.st), STREAM_OK);
    assert_int_equal(read(l.peer, bytes, sizeof(bytes)), 0);
    assert_int_equal(write(l.peer, "late", 4), 4);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(got, 4);
    link_end(&l);
}

static void free_closes_the_socket(void **state)
{
    struct link l = link_make();
    char byte;
    (void)state;
    stream_free(l.st);
    assert_int_equal(read(l.peer, &byte, 1), 0);
    assert_int_equal(fcntl(l.fd, F_GETFD), -1);
    close(l.peer);
}

/* A SIGPIPE would end this program. */
static void writing_to_a_closed_peer_returns_an_error_with_its_reason(void **state)
{
    struct link l = link_make();
    size_t put;
    (void)state;
    close(l.peer);
    l.peer = -1;
    assert_int_equal(stream_write(l.st, "x", 1, &put), STREAM_ERR);
    assert_string_equal(stream_error(l.st), "Broken pipe");
    link_end(&l);
}

static void reset_returns_an_error_with_its_reason_and_close_write_succeeds(void **state)
{
    struct sockaddr_in address;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    char byte;
    size_t got;
    (void)state;
    int listener = listen_somewhere(&address, 1);
    int client = dial(&address);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    struct stream *st = stream_tcp_new(fd);
    assert_non_null(st);
    wait_for(client, POLLOUT);
    setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(client);
    wait_for(fd, POLLIN);
    assert_int_equal(stream_read(st, &byte, 1, &got), STREAM_ERR);
    assert_string_equal(stream_error(st), "Connection reset by peer");
    assert_int_equal(stream_close_write(st), STREAM_OK);
    stream_free(st);
    close(listener);
}

/* The socket is closed, so any system call in open() would fail. */
static void accepted_stream_opens_without_a_system_call(void **state)
{
    struct link l = link_make();
    (void)state;
    close(l.fd); /* from now on, any system call on the socket fails */
    assert_int_equal(stream_open(l.st), STREAM_OK);
    stream_free(l.st); /* ignores that close() fails */
    close(l.peer);
}

static void connecting_stream_opens_once_it_is_connected(void **state)
{
    struct sockaddr_in address;
    size_t put;
    char byte;
    (void)state;
    int listener = listen_somewhere(&address, 1);
    int fd = dial(&address);
    struct stream *st = stream_tcp_new_connecting(fd);
    assert_non_null(st);
    wait_for(fd, POLLOUT);
    assert_int_equal(stream_open(st), STREAM_OK);
    assert_int_equal(stream_open(st), STREAM_OK);
    int peer = accept(listener, NULL, NULL);
    assert_int_equal(stream_write(st, "x", 1, &put), STREAM_OK);
    assert_int_equal(read(peer, &byte, 1), 1);
    stream_free(st);
    close(peer);
    close(listener);
}

/* If the accept queue is full, loopback drops the SYN, and connect() stays in progress. */
static void connect_in_progress_returns_want_write(void **state)
{
    struct sockaddr_in address;
    struct stream *queued[8];
    size_t waiting = 0;
    (void)state;
    int listener = listen_somewhere(&address, 0);
    for (size_t i = 0; i < ARRAY_LEN(queued); i++) {
        queued[i] = stream_tcp_new_connecting(dial(&address));
        assert_non_null(queued[i]);
        enum stream_result answer = stream_open(queued[i]);
        assert_true(answer == STREAM_OK || answer == STREAM_WANT_WRITE);
        waiting += answer == STREAM_WANT_WRITE;
    }
    assert_true(waiting > 0);
    /* Reads and writes before the connection is open return WANT_*, not an error. */
    size_t n;
    char byte;
    assert_int_equal(stream_write(queued[7], "x", 1, &n), STREAM_WANT_WRITE);
    assert_int_equal(stream_read(queued[7], &byte, 1, &n), STREAM_WANT_READ);
    for (size_t i = 0; i < ARRAY_LEN(queued); i++)
        stream_free(queued[i]);
    close(listener);
}

static void refused_connect_returns_an_error_with_its_reason(void **state)
{
    struct sockaddr_in address;
    (void)state;
    int bound = listen_somewhere(&address, -1); /* reserves the port, but does not listen */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
    assert_int_equal(errno, EINPROGRESS);
    struct stream *st = stream_tcp_new_connecting(fd);
    assert_non_null(st);
    wait_for(fd, POLLOUT);
    assert_int_equal(stream_open(st), STREAM_ERR);
    assert_string_equal(stream_error(st), "Connection refused");
    stream_free(st);
    close(bound);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_read_makes_the_next_read_return_want_read_without_a_system_call),
        cmocka_unit_test(full_read_is_followed_by_another_system_call),
        cmocka_unit_test(want_read_leaves_the_count_unchanged),
        cmocka_unit_test(full_socket_returns_want_write_and_loses_no_bytes),
        cmocka_unit_test(fin_of_the_peer_is_read_as_eof_and_writing_still_works),
        cmocka_unit_test(close_write_sends_fin_and_reading_still_works),
        cmocka_unit_test(free_closes_the_socket),
        cmocka_unit_test(writing_to_a_closed_peer_returns_an_error_with_its_reason),
        cmocka_unit_test(reset_returns_an_error_with_its_reason_and_close_write_succeeds),
        cmocka_unit_test(accepted_stream_opens_without_a_system_call),
        cmocka_unit_test(connecting_stream_opens_once_it_is_connected),
        cmocka_unit_test(connect_in_progress_returns_want_write),
        cmocka_unit_test(refused_connect_returns_an_error_with_its_reason),
    };
    return cmocka_run_group_tests_name("stream_tcp", tests, NULL, NULL);
}
