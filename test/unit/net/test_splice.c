/*
 * Tests of splice.c: a worker's pipe is opened, read back completely, closed after an error, or
 * never opened. Transfers through the pipe are covered by test_flow.c, test_stream_tcp_pipe.c and
 * the end-to-end tests.
 */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/splice.h"
#include "unit.h"

static void all_bytes_in_the_pipe_can_be_read_back(void **state)
{
    (void)state;
    static uint8_t in[SPLICE_BYTES_MAX], out[SPLICE_BYTES_MAX];
    struct splice_pipe pipe;
    splice_init(&pipe);
    assert_true(splice_is_open(&pipe));
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 2654435761u >> 24);
    assert_int_equal(write(pipe.in, in, sizeof(in)),
                     sizeof(in)); /* the pipe has room for all bytes */
    assert_true(splice_read_back(&pipe, out, 5));
    assert_true(splice_read_back(&pipe, out + 5, sizeof(out) - 5));
    assert_memory_equal(out, in, sizeof(in));
    assert_true(splice_is_open(&pipe));
    splice_fini(&pipe);
    assert_false(splice_is_open(&pipe));
}

/* No kernel does this. If one did, the next session could receive bytes of this session. */
static void pipe_that_returns_too_few_bytes_is_closed(void **state)
{
    (void)state;
    uint8_t out[8];
    struct splice_pipe pipe;
    splice_init(&pipe);
    const int in = pipe.in;
    assert_int_equal(write(pipe.in, "abc", 3), 3);
    assert_false(splice_read_back(&pipe, out, 4));
    assert_false(splice_is_open(&pipe));
    assert_int_equal(write(in, "abc", 3), -1); /* the pipe is closed */
    splice_fini(&pipe);                        /* can be repeated */
}

static void pipe_stays_closed_if_no_descriptor_is_free(void **state)
{
    (void)state;
    struct rlimit before, none;
    struct splice_pipe pipe;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    splice_init(&pipe);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(splice_is_open(&pipe));
    assert_false(splice_is_open(NULL));
    splice_fini(&pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_bytes_in_the_pipe_can_be_read_back),
        cmocka_unit_test(pipe_that_returns_too_few_bytes_is_closed),
        cmocka_unit_test(pipe_stays_closed_if_no_descriptor_is_free),
    };
    return cmocka_run_group_tests_name("splice", tests, NULL, NULL);
}
