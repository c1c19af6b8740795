/*
 * test_log_limit.c - the rate limit of log lines, separate for urgent levels; and peer text cannot
 * make a line look like another one.
 */
#include "log_testing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Return how many of n lines of this level are written. */
static unsigned written(struct tap *tap, enum log_level level, unsigned n)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < n; i++) {
        struct log_line line;
        log_begin(&line, tap->log, level, "test.line");
        log_text(&line, "key", "value");
        if (line.enabled) {
            (void)tap_emit(tap, &line);
            seen++;
        } else {
            log_emit(&line);
            assert_true(tap_is_dry(tap));
        }
    }
    return seen;
}

static void a_burst_of_ten_seconds_is_written_and_the_rest_is_counted(void **state)
{
    (void)state;
    struct tap tap;
    tap_open(&tap, LOG_DEBUG, LOG_JSON);
    log_limit(tap.log, 2);
    /* more than 20 only if this takes half a second or more */
    unsigned seen = written(&tap, LOG_INFO, 100);
    assert_in_range(seen, 20, 60);
    assert_int_equal(log_suppressed(tap.log), 100 - seen);
    assert_int_equal(log_dropped(tap.log), 0);
    tap_close(&tap);
}

static void urgent_levels_have_separate_limits(void **state)
{
    (void)state;
    static const enum log_level urgent[] = {LOG_ERROR, LOG_WARN, LOG_NOTICE};
    struct tap tap;
    tap_open(&tap, LOG_DEBUG, LOG_JSON);
    log_limit(tap.log, 1);
    (void)written(&tap, LOG_INFO, 100);
    (void)written(&tap, LOG_DEBUG, 100);
    for (size_t i = 0; i < ARRAY_LEN(urgent); i++)
        assert_int_equal(written(&tap, urgent[i], 3), 3);
    tap_close(&tap);
}

static void disabled_levels_do_not_count_towards_the_limit(void **state)
{
    (void)state;
    struct tap tap;
    tap_open(&tap, LOG_INFO, LOG_JSON);
    assert_int_equal(written(&tap, LOG_INFO, 500), 500);
    log_limit(tap.log, 1);
    assert_int_equal(written(&tap, LOG_DEBUG, 500), 0);
    assert_int_equal(log_suppressed(tap.log), 0);
    assert_int_equal(written(&tap, LOG_INFO, 10), 10);
    tap_close(&tap);
}

static void suppressed_lines_are_reported_once(void **state)
{
    (void)state;
    struct tap tap;
    char text[LOG_LINE_MAX];
    tap_open(&tap, LOG_DEBUG, LOG_JSON);
    log_limit(tap.log, 1);
    log_tell_suppressed(tap.log);
    assert_true(tap_is_dry(&tap));
    (void)written(&tap, LOG_WARN, 100); /* the limit of this level is used up, too */
    unsigned suppressed = (unsigned)log_suppressed(tap.log);
    log_tell_suppressed(tap.log);
    ssize_t n = read(tap.read_fd, text, sizeof(text));
    assert_in_range(n, 1, LOG_LINE_MAX - 1);
    json_t *object = json_loadb(text, (size_t)n, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "event")), "log.suppressed");
    assert_string_equal(json_string_value(json_object_get(object, "level")), "warn");
    assert_int_equal(json_integer_value(json_object_get(object, "lines")), suppressed);
    json_decref(object);
    log_tell_suppressed(tap.log);
    assert_true(tap_is_dry(&tap));
    tap_close(&tap);
}

struct writer {
    struct log *log;
    unsigned seen;
};

static void *write_many(void *arg)
{
    struct writer *writer = arg;
    for (unsigned i = 0; i < 10000; i++) {
        struct log_line line;
        log_begin(&line, writer->log, LOG_INFO, "test.line");
        writer->seen += line.enabled;
        log_emit(&line);
    }
    return NULL;
}

static void threads_share_one_limit(void **state)
{
    (void)state;
    struct writer writers[4];
    pthread_t threads[ARRAY_LEN(writers)];
    unsigned seen = 0;
    FILE *file = tmpfile();
    assert_non_null(file);
    struct log *log = log_new(fileno(file), LOG_INFO, LOG_JSON);
    assert_non_null(log);
    log_limit(log, 10);
    for (size_t i = 0; i < ARRAY_LEN(writers); i++) {
        writers[i] = (struct writer){.log = log};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(writers); i++) {
        pthread_join(threads[i], NULL);
        seen += writers[i].seen;
    }
    assert_in_range(seen, 100, 1000); /* 10 more for each second that this takes */
    assert_int_equal(log_suppressed(log), 40000 - seen);
    log_free(log);
    fclose(file);
}

static void put_utf8(char out[4], unsigned c)
{
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    out[3] = '\0';
}

static void invisible_and_direction_characters_are_escaped(void **state)
{
    (void)state;
    static const struct {
        unsigned from, to;
    } steering[] = {{0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}};
    static const unsigned harmless[] = {0x200a, 0x2010, 0x2027, 0x202f, 0x20ac, 0xfefe, 0x0939};
    struct tap tap;
    char text[4], escape[16];
    struct log_line line;
    tap_open(&tap, LOG_INFO, LOG_TEXT);
    for (size_t i = 0; i < ARRAY_LEN(steering); i++) {
        for (unsigned c = steering[i].from; c <= steering[i].to; c++) {
            put_utf8(text, c);
            (void)snprintf(escape, sizeof(escape), "id=\"\\u%04x\"", c);
            log_begin(&line, tap.log, LOG_INFO, "test.line");
            log_peer(&line, "id", span_of(text, 3));
            assert_non_null(strstr(tap_emit(&tap, &line), escape));
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        put_utf8(text, harmless[i]);
        log_begin(&line, tap.log, LOG_INFO, "test.line");
        log_peer(&line, "id", span_of(text, 3));
        assert_non_null(strstr(tap_emit(&tap, &line), text));
    }
    tap_close(&tap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_of_ten_seconds_is_written_and_the_rest_is_counted),
        cmocka_unit_test(urgent_levels_have_separate_limits),
        cmocka_unit_test(disabled_levels_do_not_count_towards_the_limit),
        cmocka_unit_test(suppressed_lines_are_reported_once),
        cmocka_unit_test(threads_share_one_limit),
        cmocka_unit_test(invisible_and_direction_characters_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
