/*
 * test_log_output.c - writing log lines: never below the level, never mixed with lines of other
 * threads, and never waiting for a reader.
 *
 * If a write waits for a reader, the test hangs until an alarm ends it.
 */
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "log_testing.h"

#define THREADS          4
#define LINES_PER_THREAD 500u
#define WAITS_AT_MOST_S  120

static void only_lines_at_or_above_the_level_are_written(void **state)
{
    (void)state;
    for (enum log_level level = 0; level < LOG_LEVEL_COUNT; level++) {
        struct tap tap;
        tap_open(&tap, level, LOG_TEXT);
        for (enum log_level of = 0; of < LOG_LEVEL_COUNT; of++) {
            struct log_line line;
            assert_int_equal(log_enabled(tap.log, of), of <= level);
            log_begin(&line, tap.log, of, "e");
            log_peer(&line, "p", span_of_str("x"));
            log_text(&line, "t", "x");
            log_u64(&line, "u", 1);
            log_bool(&line, "b", true);
            if (of <= level) {
                (void)tap_emit(&tap, &line);
                continue;
            }
            log_emit(&line);
            log_event(tap.log, of, "e", "k", "v");
            assert_true(tap_is_dry(&tap));
        }
        assert_int_equal(log_dropped(tap.log), 0);
        tap_close(&tap);
    }
}

static void levels_and_formats_are_named_as_in_the_configuration(void **state)
{
    (void)state;
    assert_string_equal(log_level_name(LOG_ERROR), "error");
    assert_string_equal(log_level_name(LOG_WARN), "warn");
    assert_string_equal(log_level_name(LOG_NOTICE), "notice");
    assert_string_equal(log_level_name(LOG_INFO), "info");
    assert_string_equal(log_level_name(LOG_DEBUG), "debug");
    assert_string_equal(log_format_name(LOG_JSON), "json");
    assert_string_equal(log_format_name(LOG_TEXT), "text");
}

/* Log similar lines until one is dropped. Return how many were written. */
static unsigned log_until_dropped(struct log *log)
{
    char fill[3000];
    unsigned n = 0;
    memset(fill, 'x', sizeof(fill) - 1);
    fill[sizeof(fill) - 1] = '\0';
    while (log_dropped(log) == 0) {
        log_event(log, LOG_INFO, "e", "fill", fill);
        n++;
        assert_true(n < 100000);
    }
    return n - 1;
}

/* Read all pending lines and return their number. The last one must be complete. */
static unsigned count_lines(int fd)
{
    unsigned lines = 0;
    char text[65536], last = '\n';
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLIN)) {
        ssize_t n = read(fd, text, sizeof(text));
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            lines += text[i] == '\n';
        last = text[n - 1];
    }
    assert_int_equal(last, '\n');
    return lines;
}

/* Lines are dropped and counted until `read_fd` is read; then lines are written again. */
static void check_drops_without_waiting(int write_fd, int read_fd)
{
    struct log *log = log_new(write_fd, LOG_INFO, LOG_JSON);
    assert_non_null(log);
    alarm(WAITS_AT_MOST_S);
    unsigned written = log_until_dropped(log);
    assert_int_equal(log_dropped(log), 1);
    for (int i = 0; i < 9; i++)
        log_event(log, LOG_INFO, "e", "lost", "x");
    assert_int_equal(log_dropped(log), 10);
    assert_int_equal(count_lines(read_fd), written);
    log_event(log, LOG_INFO, "e", "seen", "x");
    assert_int_equal(log_dropped(log), 10);
    assert_int_equal(count_lines(read_fd), 1);
    alarm(0);
    log_free(log);
}

static void a_full_pipe_drops_lines_and_counts_them(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_false(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
    check_drops_without_waiting(fds[1], fds[0]);
    assert_false(fcntl(fds[1], F_GETFL) & O_NONBLOCK); /* shared with other writers */
    close(fds[0]);
    close(fds[1]);
}

static void a_full_socket_drops_lines_and_counts_them(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    check_drops_without_waiting(fds[1], fds[0]);
    close(fds[0]);
    close(fds[1]);
}

/* Read `lines` lines from the other end of a terminal, where bytes arrive late. */
static void skip_lines(int master, unsigned lines)
{
    char byte;
    while (lines > 0) {
        assert_int_equal(read(master, &byte, 1), 1);
        lines -= byte == '\n';
    }
}

/* A line may be cut off when the terminal is full; the next line starts on a new line. */
static void a_stopped_terminal_drops_lines_and_counts_them(void **state)
{
    (void)state;
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    struct log *log = log_new(slave, LOG_INFO, LOG_JSON);
    assert_non_null(log);
    alarm(WAITS_AT_MOST_S);
    unsigned written = log_until_dropped(log);
    assert_int_equal(log_dropped(log), 1);
    assert_false(fcntl(slave, F_GETFL) & O_NONBLOCK); /* shared with other writers */

    skip_lines(master, written);
    log_event(log, LOG_INFO, "e", "seen", "x");
    assert_int_equal(log_dropped(log), 1);
    char text[2 * LOG_LINE_MAX], *end = NULL;
    for (size_t n = 0; !end; end = strstr(text, "\"seen\":\"x\"}\r\n")) {
        ssize_t got = read(master, text + n, sizeof(text) - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        text[n] = '\0';
    }
    char *start = end;
    while (start > text && start[-1] != '\n')
        start--;
    json_t *object = json_loads(start, 0, NULL); /* without the beginning of the lost line */
    assert_non_null(object);
    json_decref(object);
    alarm(0);
    log_free(log);
    close(master);
    close(slave);
}

static void a_closed_reader_only_drops_lines(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    (void)signal(SIGPIPE, SIG_IGN); /* as the router does */
    close(fds[0]);
    struct log *log = log_new(fds[1], LOG_INFO, LOG_JSON);
    assert_non_null(log);
    log_event(log, LOG_INFO, "e", "k", "v");
    assert_int_equal(log_dropped(log), 1);
    log_free(log);
    close(fds[1]);
}

struct writer {
    pthread_t thread;
    struct log *log;
    unsigned index;
};

static void *write_lines(void *arg)
{
    struct writer *writer = arg;
    char fill[3500];
    for (unsigned i = 0; i < LINES_PER_THREAD; i++) {
        struct log_line line;
        size_t n = 1 + (i * 37) % (sizeof(fill) - 1);
        memset(fill, (int)('a' + writer->index), n);
        fill[n - 1] = '\0';
        log_begin(&line, writer->log, LOG_INFO, "e");
        log_u64(&line, "thread", writer->index);
        log_u64(&line, "number", i);
        log_text(&line, "fill", fill);
        log_emit(&line);
    }
    return NULL;
}

/* The lines of a thread must be complete and in order. */
static void check_line(const char *text, json_int_t next[THREADS])
{
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    json_int_t thread = json_integer_value(json_object_get(object, "thread"));
    json_int_t number = json_integer_value(json_object_get(object, "number"));
    const char *fill = json_string_value(json_object_get(object, "fill"));
    assert_in_range(thread, 0, THREADS - 1);
    assert_in_range(number, next[thread], LINES_PER_THREAD - 1);
    next[thread] = number + 1;
    assert_int_equal(strlen(fill), (size_t)number * 37 % 3499);
    assert_int_equal(strspn(fill, (char[]){(char)('a' + thread), '\0'}), strlen(fill));
    json_decref(object);
}

static void write_from_all_threads(struct log *log)
{
    struct writer writers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.log = log, .index = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_lines, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(writers[i].thread, NULL);
}

/* Check each line. Return their number. */
static size_t check_lines(FILE *in)
{
    char *text = NULL;
    size_t room = 0, lines = 0;
    json_int_t next[THREADS] = {0};
    rewind(in);
    for (; getline(&text, &room, in) > 0; lines++)
        check_line(text, next);
    free(text);
    return lines;
}

struct collector {
    int fd;
    FILE *into;
};

static void *collect(void *arg)
{
    struct collector *collector = arg;
    char text[10000];
    ssize_t n;
    while ((n = read(collector->fd, text, sizeof(text))) > 0)
        (void)fwrite(text, 1, (size_t)n, collector->into);
    return NULL;
}

/* The reader may be too slow, so lines can be lost. All others are complete. */
static void lines_of_four_threads_never_mix(void **state)
{
    (void)state;
    int fds[2];
    pthread_t reader;
    assert_int_equal(pipe(fds), 0);
    struct log *log = log_new(fds[1], LOG_INFO, LOG_JSON);
    struct collector collector = {.fd = fds[0], .into = tmpfile()};
    assert_true(log && collector.into);
    assert_int_equal(pthread_create(&reader, NULL, collect, &collector), 0);
    alarm(WAITS_AT_MOST_S);
    write_from_all_threads(log);
    close(fds[1]);
    pthread_join(reader, NULL);
    alarm(0);
    size_t lines = check_lines(collector.into);
    assert_in_range(lines, 1, THREADS * LINES_PER_THREAD);
    assert_int_equal(lines + log_dropped(log), THREADS * LINES_PER_THREAD);
    fclose(collector.into);
    close(fds[0]);
    log_free(log);
}

static void a_file_gets_every_line_of_four_threads(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    struct log *log = log_new(fileno(file), LOG_INFO, LOG_JSON);
    assert_non_null(log);
    write_from_all_threads(log);
    assert_int_equal(log_dropped(log), 0);
    assert_int_equal(check_lines(file), THREADS * LINES_PER_THREAD);
    fclose(file);
    log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_lines_at_or_above_the_level_are_written),
        cmocka_unit_test(levels_and_formats_are_named_as_in_the_configuration),
        cmocka_unit_test(a_full_pipe_drops_lines_and_counts_them),
        cmocka_unit_test(a_full_socket_drops_lines_and_counts_them),
        cmocka_unit_test(a_stopped_terminal_drops_lines_and_counts_them),
        cmocka_unit_test(a_closed_reader_only_drops_lines),
        cmocka_unit_test(lines_of_four_threads_never_mix),
        cmocka_unit_test(a_file_gets_every_line_of_four_threads),
    };
    return cmocka_run_group_tests_name("log_output", tests, NULL, NULL);
}
