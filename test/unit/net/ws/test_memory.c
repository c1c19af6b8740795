/*
 * Tests of the memory that a WebSocket stream uses over a real socket: while it is idle, and while
 * a request or a frame is partly received.
 *
 * The program replaces malloc() of the C library to count the bytes in use. Sanitizers have their
 * own malloc(), so the program is skipped with them.
 */
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slab.h"
#include "ws_testing.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MALLOC_IS_OURS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MALLOC_IS_OURS 0
#endif
#endif
#ifndef MALLOC_IS_OURS
#define MALLOC_IS_OURS 1
#endif

static size_t in_use; /* bytes allocated and not freed */

#define ROOM_AROUND 512u /* blocks are a little larger than requested */

#if MALLOC_IS_OURS
/* glibc's internal names of these functions, which no header declares. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

/* In place of base/slab.c, so that its objects are counted too. */
void *slab_alloc(size_t n)
{
    return malloc(n);
}

void slab_free(void *p, size_t n)
{
    (void)n;
    free(p);
}

void *malloc(size_t n)
{
    void *p = __libc_malloc(n);
    in_use += p ? malloc_usable_size(p) : 0;
    return p;
}

void *calloc(size_t n, size_t size)
{
    void *p = __libc_calloc(n, size);
    in_use += p ? malloc_usable_size(p) : 0;
    return p;
}

__attribute__((noinline)) void *realloc(void *p, size_t n)
{
    size_t before = p ? malloc_usable_size(p) : 0;
    void *moved = __libc_realloc(p, n);
    if (moved)
        in_use += malloc_usable_size(moved) - before;
    return moved;
}

void free(void *p)
{
    in_use -= p ? malloc_usable_size(p) : 0;
    __libc_free(p);
}
#endif

/*
 * Create a stream over one end of a socket pair; *peer is the other end. Sets *before to the bytes
 * in use before the stream was created.
 */
static struct stream *ws_over_socket(int *peer, size_t *before)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct stream *tcp = stream_tcp_new(fds[0]);
    assert_non_null(tcp);
    *peer = fds[1];
    *before = in_use;
    struct stream *st = stream_ws_accept(tcp, &ws_conf);
    assert_non_null(st);
    return st;
}

static void send_to(int peer, struct span bytes)
{
    assert_int_equal(send(peer, bytes.p, bytes.n, 0), bytes.n);
}

/*
 * Read, and again if the first read returns WANT_READ, as it can after a short read (see
 * stream_read()).
 */
static enum stream_result read_again(struct stream *st, void *p, size_t n, size_t *got)
{
    enum stream_result r = stream_read(st, p, n, got);
    return r == STREAM_WANT_READ ? stream_read(st, p, n, got) : r;
}

/* Do one upgrade before the tests, because OpenSSL allocates memory for the first digest. */
static int warm_up(void **state)
{
    size_t before;
    int peer;
    (void)state;
    struct stream *st = ws_over_socket(&peer, &before);
    send_to(peer, span_of_str(WS_REQUEST_TEXT));
    assert_int_equal(stream_open(st), STREAM_OK);
    stream_free(st);
    close(peer);
    return 0;
}

static void idle_stream_uses_less_than_a_kilobyte(void **state)
{
    struct bytes input = {0};
    char piece[4096];
    size_t before, got = 0;
    int peer;
    (void)state;
    add_text_frame(&input, FIN | BINARY, "a message");
    struct stream *st = ws_over_socket(&peer, &before);
    send_to(peer, span_of_str(WS_REQUEST_TEXT));
    assert_int_equal(stream_open(st), STREAM_OK);
    const size_t idle_n = in_use - before;
    print_message("%zu bytes after the upgrade\n", idle_n);
    assert_in_range(idle_n, 1, 1023);

    send_to(peer, span_of(input.p, input.n - 1));
    assert_int_equal(read_again(st, piece, sizeof(piece), &got), STREAM_OK);
    print_message("%zu bytes in the middle of a frame\n", in_use - before);
    assert_in_range(in_use - before, idle_n + 4096, idle_n + 4096 + ROOM_AROUND);
    send_to(peer, span_of(input.p + input.n - 1, 1));
    assert_int_equal(read_again(st, piece, sizeof(piece), &got), STREAM_OK);
    assert_int_equal(in_use - before, idle_n);

    send_to(peer, span_of(input.p, 3)); /* half a header */
    assert_int_equal(read_again(st, piece, sizeof(piece), &got), STREAM_WANT_READ);
    assert_true(in_use - before > idle_n);
    send_to(peer, span_of(input.p + 3, input.n - 3));
    assert_int_equal(read_again(st, piece, sizeof(piece), &got), STREAM_OK);
    assert_int_equal(in_use - before, idle_n);
    stream_free(st);
    close(peer);
    bytes_free(&input);
}

static void large_frames_use_no_more_memory_than_small_ones(void **state)
{
    struct bytes input = {0};
    char *piece = malloc(65536);
    size_t before, n = 0;
    int peer;
    (void)state;
    assert_non_null(piece);
    memset(piece, 'x', 65536);
    add_frame(&input, FIN | BINARY, piece, 65536);
    struct stream *st = ws_over_socket(&peer, &before);
    send_to(peer, span_of_str(WS_REQUEST_TEXT));
    assert_int_equal(stream_open(st), STREAM_OK);
    for (size_t at = 0; at < input.n; at += n) {
        size_t got = 0;
        n = size_min(10000, input.n - at);
        send_to(peer, span_of(input.p + at, n));
        while (read_again(st, piece, 16384, &got) == STREAM_OK)
            ;
        assert_in_range(in_use - before, 1, 4096 + 2 * ROOM_AROUND);
    }
    const size_t idle_n = in_use - before;
    assert_in_range(idle_n, 1, 1023);
    assert_int_equal(stream_write(st, piece, 65536, &n), STREAM_OK);
    assert_int_equal(in_use - before, idle_n);
    stream_free(st);
    close(peer);
    bytes_free(&input);
    free(piece);
}

static void memory_of_frames_received_with_the_request_is_freed_after_reading(void **state)
{
    struct bytes input = {0};
    char piece[16];
    size_t before, got = 0;
    int peer;
    (void)state;
    bytes_add(&input, WS_REQUEST_TEXT, strlen(WS_REQUEST_TEXT));
    add_text_frame(&input, FIN | BINARY, "early");
    struct stream *st = ws_over_socket(&peer, &before);
    send_to(peer, bytes_span(&input));
    assert_int_equal(stream_open(st), STREAM_OK);
    assert_true(in_use - before > 1024);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &got), STREAM_OK);
    assert_in_range(in_use - before, 1, 1023);
    stream_free(st);
    close(peer);
    bytes_free(&input);
}

static void memory_for_a_request_grows_with_the_bytes_received(void **state)
{
    size_t before;
    int peer;
    char *text = malloc(8000);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', 8000);
    memcpy(text, "GET /mqtt?", 10);
    struct stream *st = ws_over_socket(&peer, &before);
    send_to(peer, span_of(text, 10));
    assert_int_equal(stream_open(st), STREAM_WANT_READ);
    print_message("%zu bytes at the beginning of a request\n", in_use - before);
    assert_in_range(in_use - before, 1024, 4096);
    send_to(peer, span_of(text + 10, 7990));
    while (stream_open(st) != STREAM_WANT_READ || in_use - before < WS_UPGRADE_HEAD_MAX)
        ;
    assert_in_range(in_use - before, WS_UPGRADE_HEAD_MAX, WS_UPGRADE_HEAD_MAX + 4096);
    stream_free(st);
    assert_true(in_use < before); /* the inner stream has been freed as well */
    close(peer);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_stream_uses_less_than_a_kilobyte),
        cmocka_unit_test(large_frames_use_no_more_memory_than_small_ones),
        cmocka_unit_test(memory_of_frames_received_with_the_request_is_freed_after_reading),
        cmocka_unit_test(memory_for_a_request_grows_with_the_bytes_received),
    };
    if (!MALLOC_IS_OURS)
        return 77; /* skipped */
    return cmocka_run_group_tests_name("stream_ws_memory", tests, warm_up, NULL);
}
