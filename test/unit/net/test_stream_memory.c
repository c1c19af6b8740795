/*
 * Tests of stream_memory.c: the stream follows its script, identically on every run.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/stream_memory.h"

static struct stream *make(struct stream_memory_script script)
{
    struct stream *st = stream_memory_new(&script);
    assert_non_null(st);
    return st;
}

static struct stream *make_open(struct stream_memory_script script)
{
    struct stream *st = make(script);
    assert_int_equal(stream_open(st), STREAM_OK);
    return st;
}

static void expect_output(const struct stream *st, const char *want)
{
    assert_true(span_equal(stream_memory_output(st), span_of_str(want)));
}

static void input_is_read_in_pieces_and_then_read_returns_want_read(void **state)
{
    char bytes[8];
    size_t got = 0;
    (void)state;
    struct stream *st =
        make_open((struct stream_memory_script){.input = span_of_str("abcde"), .read_max = 2});
    assert_int_equal(stream_read(st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(got, 2);
    assert_int_equal(stream_memory_unread(st), 3);
    assert_int_equal(stream_read(st, bytes + 2, 1, &got), STREAM_OK);
    assert_int_equal(stream_read(st, bytes + 3, 5, &got), STREAM_OK);
    assert_memory_equal(bytes, "abcde", 5);
    assert_int_equal(stream_read(st, bytes, sizeof(bytes), &got), STREAM_WANT_READ);
    stream_memory_feed(st, span_of_str("f"), true);
    assert_int_equal(stream_read(st, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(bytes[0], 'f');
    assert_int_equal(stream_read(st, bytes, sizeof(bytes), &got), STREAM_EOF);
    stream_free(st);
}

static void every_second_call_returns_want(void **state)
{
    char byte;
    size_t n;
    (void)state;
    struct stream *st =
        make_open((struct stream_memory_script){.input = span_of_str("ab"), .wait_every = 2});
    assert_int_equal(stream_read(st, &byte, 1, &n), STREAM_OK);
    assert_int_equal(stream_read(st, &byte, 1, &n), STREAM_WANT_READ);
    assert_int_equal(stream_write(st, "x", 1, &n), STREAM_OK);
    assert_int_equal(stream_write(st, "y", 1, &n), STREAM_WANT_WRITE);
    assert_int_equal(stream_write(st, "yz", 2, &n), STREAM_OK);
    expect_output(st, "xyz");
    stream_free(st);
}

static void output_is_kept_and_consuming_it_frees_room(void **state)
{
    size_t put = 0;
    (void)state;
    struct stream *st = make_open((struct stream_memory_script){.write_max = 3, .room = 5});
    assert_int_equal(stream_write(st, "abcdefg", 7, &put), STREAM_OK);
    assert_int_equal(put, 3);
    assert_int_equal(stream_write(st, "defg", 4, &put), STREAM_OK);
    assert_int_equal(put, 2);
    assert_int_equal(stream_write(st, "fg", 2, &put), STREAM_WANT_WRITE);
    stream_memory_consume(st, 4);
    assert_int_equal(stream_write(st, "fg", 2, &put), STREAM_OK);
    expect_output(st, "efg");
    assert_false(stream_memory_write_closed(st));
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_true(stream_memory_write_closed(st));
    stream_free(st);
}

static void faults_occur_at_the_scripted_byte(void **state)
{
    char bytes[8];
    size_t n = 0;
    (void)state;
    struct stream *st = make_open((struct stream_memory_script){
        .input = span_of_str("abcde"), .read_fails = true, .read_fails_at = 3});
    assert_int_equal(stream_read(st, bytes, sizeof(bytes), &n), STREAM_OK);
    assert_int_equal(n, 3);
    assert_int_equal(stream_read(st, bytes, sizeof(bytes), &n), STREAM_ERR);
    assert_string_equal(stream_error(st), "scripted read fault");
    stream_free(st);

    st = make_open((struct stream_memory_script){.write_fails = true, .write_fails_at = 2});
    assert_int_equal(stream_write(st, "abc", 3, &n), STREAM_OK);
    assert_int_equal(n, 2);
    assert_int_equal(stream_write(st, "c", 1, &n), STREAM_ERR);
    assert_string_equal(stream_error(st), "scripted write fault");
    stream_free(st);
}

static void open_waits_as_scripted_and_may_fail(void **state)
{
    (void)state;
    struct stream *st = make((struct stream_memory_script){.open_waits = 2});
    assert_int_equal(stream_open(st), STREAM_WANT_READ);
    assert_int_equal(stream_open(st), STREAM_WANT_READ);
    assert_int_equal(stream_open(st), STREAM_OK);
    stream_free(st);
    st = make((struct stream_memory_script){.open_fails = true});
    assert_int_equal(stream_open(st), STREAM_ERR);
    assert_string_equal(stream_error(st), "scripted open fault");
    stream_free(st);
}

/*
 * Repeat a blocked write with these bytes, in a child process. Returns the signal that ended the
 * child; 0 = none.
 */
static int signal_of_repeating(const char *bytes)
{
    size_t put;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static const struct rlimit no_core = {0, 0};
        struct stream *st = stream_memory_new(&(struct stream_memory_script){.wait_every = 1});
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        if (!st || stream_open(st) != STREAM_OK ||
            stream_write(st, "abc", 3, &put) != STREAM_WANT_WRITE ||
            stream_write(st, bytes, strlen(bytes), &put) != STREAM_WANT_WRITE)
            _exit(1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void repeated_write_may_only_append_bytes(void **state)
{
    (void)state;
    assert_int_equal(signal_of_repeating("abc"), 0);
    assert_int_equal(signal_of_repeating("abcd"), 0);
    assert_int_equal(signal_of_repeating("ab"), SIGABRT);
    assert_int_equal(signal_of_repeating("xbc"), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_is_read_in_pieces_and_then_read_returns_want_read),
        cmocka_unit_test(every_second_call_returns_want),
        cmocka_unit_test(output_is_kept_and_consuming_it_frees_room),
        cmocka_unit_test(faults_occur_at_the_scripted_byte),
        cmocka_unit_test(open_waits_as_scripted_and_may_fail),
        cmocka_unit_test(repeated_write_may_only_append_bytes),
    };
    return cmocka_run_group_tests_name("stream_memory", tests, NULL, NULL);
}
