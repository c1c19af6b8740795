/*
 * test_log_recent.c - the last important lines are kept in memory, whatever is written; and text
 * lines have units.
 */
#include <stdlib.h>

#include "log_testing.h"

struct seen {
    unsigned n;
    json_t *first, *last; /* owned */
};

static void see(void *arg, const char *json, size_t n)
{
    struct seen *seen = arg;
    json_t *line = json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    if (!seen->first)
        seen->first = json_incref(line);
    json_decref(seen->last);
    seen->last = line;
    seen->n++;
}

static void forget(struct seen *seen)
{
    json_decref(seen->first);
    json_decref(seen->last);
    *seen = (struct seen){0};
}

static void say(struct log *log, enum log_level level, uint64_t n)
{
    struct log_line line;
    log_begin(&line, log, level, "test.event");
    log_peer(&line, "peer", span_of_str("a\"b\n\xe2\x80\xae"));
    log_u64(&line, "n", n);
    log_emit(&line);
}

static void recent_lines_are_kept_as_json_at_any_level_and_format(void **state)
{
    (void)state;
    for (int format = 0; format < LOG_FORMAT_COUNT; format++) {
        for (int level = 0; level < LOG_LEVEL_COUNT; level++) {
            struct tap tap;
            struct seen seen = {0};
            tap_open(&tap, (enum log_level)level, (enum log_format)format);
            say(tap.log, LOG_ERROR, 1);
            say(tap.log, LOG_INFO, 2);
            say(tap.log, LOG_DEBUG, 3);
            say(tap.log, LOG_NOTICE, 4);
            assert_true(log_recent(tap.log, see, &seen));
            assert_int_equal(seen.n, 2);
            assert_int_equal(json_integer_value(json_object_get(seen.first, "n")), 1);
            assert_int_equal(json_integer_value(json_object_get(seen.last, "n")), 4);
            assert_string_equal(json_string_value(json_object_get(seen.last, "peer")),
                                "a\"b\n\xe2\x80\xae");
            assert_string_equal(json_string_value(json_object_get(seen.last, "level")), "notice");
            forget(&seen);
            tap_close(&tap);
        }
    }
}

static void kept_lines_are_written_only_if_the_level_is_enabled(void **state)
{
    (void)state;
    struct tap tap;
    tap_open(&tap, LOG_ERROR, LOG_TEXT);
    say(tap.log, LOG_NOTICE, 1);
    assert_true(tap_is_dry(&tap));
    say(tap.log, LOG_ERROR, 2);
    assert_false(tap_is_dry(&tap));
    tap_close(&tap);
}

static void the_last_200_lines_are_kept_in_order(void **state)
{
    (void)state;
    struct log *log = log_new(open("/dev/null", O_WRONLY), LOG_INFO, LOG_JSON);
    for (uint64_t n = 1; n <= 3000; n++) {
        struct seen seen = {0};
        say(log, LOG_WARN, n);
        if (n % 97 != 0 && n < 2995)
            continue;
        assert_true(log_recent(log, see, &seen));
        assert_int_equal(seen.n, n < LOG_RECENT_MAX ? n : LOG_RECENT_MAX);
        assert_int_equal(json_integer_value(json_object_get(seen.last, "n")), n);
        assert_int_equal(json_integer_value(json_object_get(seen.first, "n")), n - seen.n + 1);
        forget(&seen);
    }
    log_free(log);
}

static void long_lines_replace_older_ones_and_are_complete(void **state)
{
    (void)state;
    struct log *log = log_new(open("/dev/null", O_WRONLY), LOG_INFO, LOG_TEXT);
    char text[3000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    for (uint64_t n = 1; n <= 100; n++) {
        struct log_line line;
        struct seen seen = {0};
        log_begin(&line, log, LOG_WARN, "test.long");
        log_text(&line, "text", text);
        log_u64(&line, "n", n);
        log_emit(&line);
        assert_true(log_recent(log, see, &seen));
        assert_in_range(seen.n, n < 10 ? n : 10, 22);
        assert_int_equal(json_integer_value(json_object_get(seen.last, "n")), n);
        assert_int_equal(json_string_length(json_object_get(seen.last, "text")), 2999);
        forget(&seen);
    }
    log_free(log);
}

static void text_has_units_and_json_has_plain_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint64_t value;
        const char *shown;
    } rows[] = {
        {"ms_total", 0, " ms_total=0ms"},
        {"ms_total", 999, " ms_total=999ms"},
        {"took_ms", 1250, " took_ms=1.2s"},
        {"took_ms", 59999, " took_ms=60.0s"},
        {"ms_relay", 61000, " ms_relay=1m01s"},
        {"ms_relay", 3600000 * UINT64_C(49) + 120000, " ms_relay=49h02m"},
        {"bytes_up", 1023, " bytes_up=1023B"},
        {"bytes_up", 1536, " bytes_up=1.5KiB"},
        {"max_bytes", UINT64_MAX, " max_bytes=16.0EiB"},
        {"sessions", 123456, " sessions=123456"},
    };
    struct tap text, json;
    tap_open(&text, LOG_INFO, LOG_TEXT);
    tap_open(&json, LOG_INFO, LOG_JSON);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct log_line line;
        log_begin(&line, text.log, LOG_INFO, "e");
        log_u64(&line, rows[i].key, rows[i].value);
        const char *got = tap_emit(&text, &line);
        assert_string_equal(got + strlen(got) - strlen(rows[i].shown), rows[i].shown);
        log_begin(&line, json.log, LOG_INFO, "e");
        log_u64(&line, rows[i].key, rows[i].value);
        char number[64];
        (void)snprintf(number, sizeof(number), "\"%s\":%llu}", rows[i].key,
                       (unsigned long long)rows[i].value);
        got = tap_emit(&json, &line);
        assert_string_equal(got + strlen(got) - strlen(number), number);
    }
    tap_close(&text);
    tap_close(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recent_lines_are_kept_as_json_at_any_level_and_format),
        cmocka_unit_test(kept_lines_are_written_only_if_the_level_is_enabled),
        cmocka_unit_test(the_last_200_lines_are_kept_in_order),
        cmocka_unit_test(long_lines_replace_older_ones_and_are_complete),
        cmocka_unit_test(text_has_units_and_json_has_plain_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
