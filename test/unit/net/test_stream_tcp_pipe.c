/*
 * Tests of TCP streams that read into a pipe and write from a pipe: the bytes, waits, ends of
 * stream and errors are the same as with buffers in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/stream.h"

#define DEADLINE_MS 5000
#define BLOCK_BYTES 16384u
#define ALL_BYTES   (3u << 20)

/* A stream over loopback, and the plain socket at the other end. */
struct link {
    struct stream *st;
    int fd, peer;
};

static struct link link_make(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, n), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &n), 0);
    struct link l = {.peer = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(connect(l.peer, (struct sockaddr *)&address, n), 0);
    l.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    l.st = stream_tcp_new(l.fd);
    assert_non_null(l.st);
    assert_int_equal(fcntl(l.peer, F_SETFL, O_NONBLOCK), 0);
    close(listener);
    return l;
}

static void link_end(struct link *l)
{
    stream_free(l->st);
    close(l->peer);
}

static void reset(struct link *l)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(l->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(l->peer);
    l->peer = -1;
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
}

struct ends {
    int out, in;
};

static struct ends pipe_make(void)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    return (struct ends){ends[0], ends[1]};
}

static void pipe_end(struct ends *pipe)
{
    int left = -1;
    assert_int_equal(ioctl(pipe->out, FIONREAD, &left), 0);
    assert_int_equal(left, 0);
    close(pipe->out);
    close(pipe->in);
}

static size_t drain(int fd, uint8_t *p, size_t n)
{
    ssize_t got = recv(fd, p, n, 0);
    if (got < 0)
        assert_int_equal(errno, EAGAIN);
    return got > 0 ? (size_t)got : 0;
}

/* The receiver is only drained when it is full, so that it becomes full many times. */
static void bytes_pass_unchanged_through_a_receiver_that_is_often_full(void **state)
{
    (void)state;
    struct link from = link_make(), to = link_make();
    struct ends pipe = pipe_make();
    uint8_t *bytes = malloc(ALL_BYTES), *back = malloc(ALL_BYTES);
    size_t sent = 0, in_pipe = 0, done = 0, waits = 0, moved;
    const int room = 65536;
    assert_true(bytes && back);
    assert_int_equal(setsockopt(to.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_int_equal(setsockopt(to.peer, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    for (size_t i = 0; i < ALL_BYTES; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    while (done < ALL_BYTES) {
        ssize_t put = send(from.peer, bytes + sent, ALL_BYTES - sent, 0);
        sent += put > 0 ? (size_t)put : 0;
        if (in_pipe == 0 && stream_read_to_pipe(from.st, pipe.in, BLOCK_BYTES, &moved) == STREAM_OK)
            in_pipe = moved;
        if (in_pipe > 0) {
            enum stream_result r = stream_write_from_pipe(to.st, pipe.out, in_pipe, &moved);
            assert_true(r == STREAM_OK || r == STREAM_WANT_WRITE);
            if (r == STREAM_OK) {
                in_pipe -= moved;
                continue;
            }
            waits++;
        }
        done += drain(to.peer, back + done, ALL_BYTES - done);
    }
    assert_true(waits > 0);
    assert_memory_equal(back, bytes, ALL_BYTES);
    free(bytes);
    free(back);
    pipe_end(&pipe);
    link_end(&from);
    link_end(&to);
}

static void bytes_left_in_the_pipe_can_be_sent_from_memory(void **state)
{
    (void)state;
    struct link from = link_make(), to = link_make();
    struct ends pipe = pipe_make();
    char bytes[16];
    size_t got, put;
    assert_int_equal(send(from.peer, "one two", 7, 0), 7);
    wait_for(from.fd, POLLIN);
    assert_int_equal(stream_read_to_pipe(from.st, pipe.in, BLOCK_BYTES, &got), STREAM_OK);
    assert_int_equal(got, 7);
    assert_int_equal(stream_write_from_pipe(to.st, pipe.out, 3, &put), STREAM_OK);
    assert_int_equal(put, 3);
    assert_int_equal(read(pipe.out, bytes, sizeof(bytes)), 4);
    assert_int_equal(stream_write(to.st, bytes, 4, &put), STREAM_OK);
    wait_for(to.peer, POLLIN);
    assert_int_equal(recv(to.peer, bytes, 7, MSG_WAITALL), 7);
    assert_memory_equal(bytes, "one two", 7);
    pipe_end(&pipe);
    link_end(&from);
    link_end(&to);
}

static void end_of_stream_is_reported_by_read_only(void **state)
{
    (void)state;
    struct link l = link_make();
    struct ends pipe = pipe_make();
    size_t got = 77;
    char byte;
    assert_int_equal(stream_read_to_pipe(l.st, pipe.in, BLOCK_BYTES, &got), STREAM_WANT_READ);
    assert_int_equal(got, 77);
    assert_int_equal(shutdown(l.peer, SHUT_WR), 0);
    wait_for(l.fd, POLLIN);
    assert_int_equal(stream_read_to_pipe(l.st, pipe.in, BLOCK_BYTES, &got), STREAM_WANT_READ);
    assert_int_equal(stream_read(l.st, &byte, 1, &got), STREAM_EOF);
    assert_int_equal(stream_close_write(l.st), STREAM_OK); /* stream_free() sends the FIN later */
    assert_int_equal(recv(l.peer, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    pipe_end(&pipe);
    link_end(&l);
}

/* If neither end is a pipe, splice() fails with EINVAL, which is not an error of the connection. */
static void bytes_can_be_copied_after_splice_fails(void **state)
{
    (void)state;
    struct link l = link_make();
    const int no_pipe = l.peer;
    char byte = 0;
    size_t n = 0;
    assert_int_equal(send(l.peer, "a", 1, 0), 1);
    wait_for(l.fd, POLLIN);
    assert_int_equal(stream_read_to_pipe(l.st, no_pipe, BLOCK_BYTES, &n), STREAM_WANT_READ);
    assert_int_equal(stream_read(l.st, &byte, 1, &n), STREAM_OK);
    assert_int_equal(byte, 'a');
    assert_int_equal(stream_write_from_pipe(l.st, no_pipe, 1, &n), STREAM_WANT_WRITE);
    assert_int_equal(stream_write(l.st, "b", 1, &n), STREAM_OK);
    wait_for(l.peer, POLLIN);
    assert_int_equal(recv(l.peer, &byte, 1, 0), 1);
    assert_int_equal(byte, 'b');
    link_end(&l);
}

/* After the FIN has arrived, splice() returns 0 at urgent data, as at the end of the stream. */
static void bytes_after_urgent_data_are_not_lost(void **state)
{
    (void)state;
    struct link l = link_make();
    struct ends pipe = pipe_make();
    char bytes[16];
    size_t got = 0;
    assert_int_equal(send(l.peer, "before", 6, 0), 6);
    assert_int_equal(send(l.peer, "!", 1, MSG_OOB), 1);
    assert_int_equal(send(l.peer, "behind", 6, 0), 6);
    assert_int_equal(shutdown(l.peer, SHUT_WR), 0);
    wait_for(l.fd, POLLRDHUP);
    assert_int_equal(stream_read_to_pipe(l.st, pipe.in, BLOCK_BYTES, &got), STREAM_OK);
    assert_int_equal(got, 6);
    assert_int_equal(read(pipe.out, bytes, sizeof(bytes)), 6);
    assert_int_equal(stream_read_to_pipe(l.st, pipe.in, BLOCK_BYTES, &got), STREAM_WANT_READ);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(got, 6);
    assert_memory_equal(bytes, "behind", 6);
    pipe_end(&pipe);
    link_end(&l);
}

/* A short read has emptied the socket, so the next read of either kind returns WANT_READ. */
static void short_read_makes_only_the_next_pipe_read_return_want_read(void **state)
{
    (void)state;
    struct link l = link_make();
    struct ends pipe = pipe_make();
    char bytes[16];
    size_t got;
    assert_int_equal(send(l.peer, "one", 3, 0), 3);
    wait_for(l.fd, POLLIN);
    assert_int_equal(stream_read(l.st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(send(l.peer, "two", 3, 0), 3);
    wait_for(l.fd, POLLIN);
    assert_int_equal(stream_read_to_pipe(l.st, pipe.in, BLOCK_BYTES, &got), STREAM_WANT_READ);
    assert_int_equal(stream_read_to_pipe(l.st, pipe.in, BLOCK_BYTES, &got), STREAM_OK);
    assert_int_equal(read(pipe.out, bytes, sizeof(bytes)), 3);
    pipe_end(&pipe);
    link_end(&l);
}

/* A reset must not be mistaken for an orderly end of stream. */
static void reset_of_either_side_returns_an_error_with_its_reason(void **state)
{
    (void)state;
    struct link from = link_make(), to = link_make();
    struct ends pipe = pipe_make();
    char byte;
    size_t got, put;
    assert_int_equal(write(pipe.in, "x", 1), 1);
    reset(&from);
    reset(&to);
    wait_for(from.fd, POLLIN);
    wait_for(to.fd, POLLIN);
    assert_int_equal(stream_read_to_pipe(from.st, pipe.in, BLOCK_BYTES, &got), STREAM_ERR);
    assert_string_equal(stream_error(from.st), "Connection reset by peer");
    assert_int_equal(stream_write_from_pipe(to.st, pipe.out, 1, &put), STREAM_ERR);
    assert_string_equal(stream_error(to.st), "Connection reset by peer");
    assert_int_equal(read(pipe.out, &byte, 1), 1); /* the byte is still in the pipe */
    pipe_end(&pipe);
    link_end(&from);
    link_end(&to);
}

static void only_tcp_streams_can_splice(void **state)
{
    (void)state;
    struct link l = link_make();
    const struct stream_ops copies = {.read = NULL};
    const struct stream other = {.ops = &copies};
    assert_true(stream_can_splice(l.st, l.st));
    assert_false(stream_can_splice(l.st, &other));
    assert_false(stream_can_splice(&other, l.st));
    link_end(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_pass_unchanged_through_a_receiver_that_is_often_full),
        cmocka_unit_test(bytes_left_in_the_pipe_can_be_sent_from_memory),
        cmocka_unit_test(end_of_stream_is_reported_by_read_only),
        cmocka_unit_test(bytes_can_be_copied_after_splice_fails),
        cmocka_unit_test(bytes_after_urgent_data_are_not_lost),
        cmocka_unit_test(short_read_makes_only_the_next_pipe_read_return_want_read),
        cmocka_unit_test(reset_of_either_side_returns_an_error_with_its_reason),
        cmocka_unit_test(only_tcp_streams_can_splice),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* like the router */
    return cmocka_run_group_tests_name("stream_tcp_pipe", tests, NULL, NULL);
}
