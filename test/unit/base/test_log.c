/*
 * test_log.c - the content of a log line: hostile text stays inside its quotes, and a field is
 * complete or missing. test_log_output.c tests whether a line is written.
 *
 * The expected text comes from jansson's UTF-8 check, not from the router's.
 */
#include <stdlib.h>
#include <time.h>

#include "guard_page.h"
#include "log_testing.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* A fixed sequence of pseudo-random numbers (splitmix64), so that a failure repeats. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Return the length of the character at p according to jansson; 0 = no valid character. */
static size_t character_at(const char *p, size_t n)
{
    for (size_t length = 1; length <= 4 && length <= n; length++) {
        json_t *text = json_stringn(p, length);
        json_decref(text);
        if (text)
            return length;
    }
    return 0;
}

/* Return the text with U+FFFD for each byte that is not in a character; freed by the caller. */
static char *readable(struct span value, size_t *n)
{
    char *out = malloc(3 * value.n + 1);
    const char *p = (const char *)value.p;
    *n = 0;
    for (size_t i = 0; i < value.n;) {
        size_t length = character_at(p + i, value.n - i);
        memcpy(out + *n, length ? p + i : REPLACEMENT, length ? length : 3);
        *n += length ? length : 3;
        i += length ? length : 1;
    }
    return out;
}

/* A line must not contain terminal control characters. */
static void check_harmless(const char *line)
{
    const unsigned char *p = (const unsigned char *)line;
    for (size_t i = 0; p[i]; i++) {
        assert_in_range(p[i], 0x20, 0xff);
        assert_int_not_equal(p[i], 0x7f);
        assert_false(p[i] == 0xc2 && p[i + 1] < 0xa0);
    }
}

static void check_comes_back(struct tap *tap, struct span value)
{
    struct log_line line;
    log_begin(&line, tap->log, LOG_INFO, "test.hostile");
    log_peer(&line, "value", value);
    log_bool(&line, "after", true);
    json_t *object = tap_emit_json(tap, &line);
    check_harmless(tap->line);

    size_t n;
    char *want = readable(value, &n);
    const json_t *got = json_object_get(object, "value");
    assert_int_equal(json_string_length(got), n);
    assert_memory_equal(json_string_value(got), want, n);
    assert_true(json_is_true(json_object_get(object, "after")));
    assert_int_equal(json_object_size(object), 5);
    free(want);
    json_decref(object);
}

static void every_byte_and_every_c1_control_round_trips_as_text(void **state)
{
    (void)state;
    struct tap tap;
    tap_open(&tap, LOG_INFO, LOG_JSON);
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t alone[1] = {(uint8_t)byte}, after_c2[2] = {0xc2, (uint8_t)byte};
        uint8_t inside[3] = {'a', (uint8_t)byte, 'z'};
        check_comes_back(&tap, span_of(alone, 1));
        check_comes_back(&tap, span_of(after_c2, 2));
        check_comes_back(&tap, span_of(inside, 3));
    }
    tap_close(&tap);
}

static void hostile_text_round_trips_in_one_line(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "\"",      "\\",           "\n",           "\r\n",     "\t",
        "\x1b[2J", "\x7f",         "\xc2\x9b",     "\xc2\xa0", "\xc3\xa9",
        "\xc0",    "\xc0\x80",     "\xed\xa0\x80", "\xe2\x82", "\xff",
        "\x80",    "\xf0\x9f\x98", "\\u0041",      "\"}\n{\"", "\xf0\x9f\x98\x80",
        "plain",
    };
    struct tap tap;
    uint64_t seed = 1;
    tap_open(&tap, LOG_INFO, LOG_JSON);
    for (int round = 0; round < 2000; round++) {
        char text[LOG_PEER_TEXT_MAX];
        size_t n = 0;
        while (n < sizeof(text) - 8) {
            uint64_t pick = next_random(&seed) % (ARRAY_LEN(pieces) + 2);
            if (pick >= ARRAY_LEN(pieces)) {
                text[n++] = (char)next_random(&seed); /* NUL too */
            } else {
                memcpy(text + n, pieces[pick], strlen(pieces[pick]));
                n += strlen(pieces[pick]);
            }
        }
        check_comes_back(&tap, span_of(text, n));
    }
    tap_close(&tap);
}

static void the_text_format_quotes_and_escapes_as_json_does(void **state)
{
    (void)state;
    struct tap tap;
    struct log_line line;
    tap_open(&tap, LOG_DEBUG, LOG_TEXT);
    log_begin(&line, tap.log, LOG_WARN, "test.event");
    log_peer(&line, "id", span_of("a\"b\\\n\0\xc2\x9b\xff\xc3\xa9 level=x", 19));
    log_text(&line, "name", "n 1");
    log_u64(&line, "number", UINT64_MAX);
    log_bool(&line, "ok", false);
    const char *text = tap_emit(&tap, &line);
    assert_string_equal(
        strchr(text, ' '),
        "   WARN test.event id=\"a\\\"b\\\\\\u000a\\u0000\\u009b\\ufffd\xc3\xa9 level=x\""
        " name=\"n 1\" number=18446744073709551615 ok=false");
    tap_close(&tap);
}

static void a_json_line_starts_with_time_level_and_event(void **state)
{
    (void)state;
    struct tap tap;
    struct log_line line;
    tap_open(&tap, LOG_DEBUG, LOG_JSON);
    time_t before = time(NULL);
    log_begin(&line, tap.log, LOG_NOTICE, "test.event");
    log_u64(&line, "n", 0);
    log_bool(&line, "yes", true);
    log_bool(&line, "no", false);
    const char *text = tap_emit(&tap, &line);
    time_t after = time(NULL);

    const char *want =
        "{\"time\":\"....-..-..T..:..:..\\....Z\","
        "\"level\":\"notice\",\"event\":\"test.event\",\"n\":0,\"yes\":true,\"no\":false}";
    struct tm utc = {0};
    const char *rest = strptime(text + strlen("{\"time\":\""), "%Y-%m-%dT%H:%M:%S", &utc);
    assert_non_null(rest);
    assert_in_range(timegm(&utc), before, after);
    assert_int_equal(rest[0], '.');
    assert_int_equal(strspn(rest + 1, "0123456789"), 3);
    assert_string_equal(rest + 4, strstr(want, "Z\",\"level\""));
    tap_close(&tap);
}

static void absent_text_is_omitted_and_empty_text_is_shown(void **state)
{
    (void)state;
    for (enum log_format format = 0; format < LOG_FORMAT_COUNT; format++) {
        struct tap tap;
        struct log_line line;
        tap_open(&tap, LOG_DEBUG, format);
        log_begin(&line, tap.log, LOG_INFO, "e");
        log_peer(&line, "absent", (struct span){0});
        log_peer(&line, "empty", span_of("", 0));
        log_text(&line, "null", NULL);
        log_text(&line, "blank", "");
        const char *want = format == LOG_JSON ? "\"event\":\"e\",\"empty\":\"\",\"blank\":\"\"}"
                                              : "INFO e empty=\"\" blank=\"\"";
        const char *text = tap_emit(&tap, &line);
        assert_string_equal(text + strlen(text) - strlen(want), want);
        tap_close(&tap);
    }
}

/* Log a peer's text that ends at a PROT_NONE page. Return the value in the line. */
static json_t *shown(struct tap *tap, struct span value)
{
    struct guard_page page = guard_page_new(value.n);
    struct log_line line;
    log_begin(&line, tap->log, LOG_INFO, "e");
    log_peer(&line, "v", span_of(guard_page_put(&page, value.p, value.n), value.n));
    json_t *object = tap_emit_json(tap, &line);
    json_t *text = json_incref(json_object_get(object, "v"));
    json_decref(object);
    guard_page_free(&page);
    return text;
}

static void check_shown(struct tap *tap, struct span value, size_t kept, const char *mark)
{
    json_t *text = shown(tap, value);
    assert_int_equal(json_string_length(text), kept + strlen(mark));
    assert_memory_equal(json_string_value(text), value.p, kept);
    assert_string_equal(json_string_value(text) + kept, mark);
    json_decref(text);
}

static void peer_text_is_truncated_between_characters_and_marked(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    struct tap tap;
    char text[2 * LOG_PEER_TEXT_MAX];
    tap_open(&tap, LOG_INFO, LOG_JSON);
    for (size_t size = 1; size <= ARRAY_LEN(characters); size++) {
        for (size_t shift = 0; shift < size; shift++) {
            size_t n = shift;
            memset(text, '.', shift);
            for (; n + size <= sizeof(text); n += size) {
                check_shown(
                    &tap, span_of(text, n),
                    n <= LOG_PEER_TEXT_MAX ? n : shift + (LOG_PEER_TEXT_MAX - shift) / size * size,
                    n <= LOG_PEER_TEXT_MAX ? "" : "...");
                memcpy(text + n, characters[size - 1], size);
            }
        }
    }
    tap_close(&tap);
}

static void text_that_is_not_utf8_is_truncated_too(void **state)
{
    (void)state;
    struct tap tap;
    uint8_t text[4096];
    memset(text, 0x80, sizeof(text));
    tap_open(&tap, LOG_INFO, LOG_JSON);
    json_t *got = shown(&tap, span_of(text, sizeof(text)));
    size_t replaced = (json_string_length(got) - 3) / 3;
    assert_in_range(replaced, LOG_PEER_TEXT_MAX - 4, LOG_PEER_TEXT_MAX);
    assert_string_equal(json_string_value(got) + 3 * replaced, "...");
    json_decref(got);
    tap_close(&tap);
}

/* Log n times `c`, then a number. Each field is complete or missing. True if the text is there. */
static bool fits(struct tap *tap, char c, size_t n)
{
    char text[2 * LOG_LINE_MAX];
    struct log_line line;
    memset(text, c, n);
    text[n] = '\0';
    log_begin(&line, tap->log, LOG_INFO, "e");
    log_text(&line, "long", text);
    log_u64(&line, "n", 7);
    json_t *object = tap_emit_json(tap, &line);
    const json_t *value = json_object_get(object, "long");
    bool cut = json_is_true(json_object_get(object, "cut"));
    if (value)
        assert_string_equal(json_string_value(value), text);
    bool number = json_integer_value(json_object_get(object, "n")) == 7;
    assert_int_equal(cut, !value || !number);
    assert_true(value || number);
    assert_int_equal(json_object_size(object), 3 + (value ? 1 : 0) + number + cut);
    json_decref(object);
    return value;
}

static void a_field_that_does_not_fit_is_omitted_and_the_line_is_marked(void **state)
{
    (void)state;
    static const struct {
        char c;
        size_t width;
    } cases[] = {{'a', 1}, {'"', 2}, {'\x01', 6}, {'\xff', 6}};
    struct tap tap;
    tap_open(&tap, LOG_INFO, LOG_JSON);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t most = LOG_LINE_MAX / cases[i].width;
        if (cases[i].c != '\xff') { /* shown as a different text */
            assert_true(fits(&tap, cases[i].c, most - 200 / cases[i].width));
            assert_false(fits(&tap, cases[i].c, most + 1));
            bool last = true;
            for (size_t n = most - 200 / cases[i].width; n <= most; n++) {
                bool now = fits(&tap, cases[i].c, n);
                assert_true(last || !now);
                last = now;
            }
        }
    }
    assert_false(fits(&tap, 'a', 2 * LOG_LINE_MAX - 1));
    tap_close(&tap);
}

static void small_fields_fill_a_line_up_to_its_limit(void **state)
{
    (void)state;
    for (enum log_format format = 0; format < LOG_FORMAT_COUNT; format++) {
        struct tap tap;
        struct log_line line;
        tap_open(&tap, LOG_INFO, format);
        log_begin(&line, tap.log, LOG_INFO, "e");
        for (unsigned i = 0; i < 2000; i++) {
            char key[16];
            (void)snprintf(key, sizeof(key), "k%u", i);
            log_u64(&line, key, i);
        }
        const char *text = tap_emit(&tap, &line);
        const char *end = format == LOG_JSON ? ",\"cut\":true}" : " cut=true";
        assert_in_range(strlen(text), LOG_LINE_MAX - 100, LOG_LINE_MAX - 1);
        assert_string_equal(text + strlen(text) - strlen(end), end);
        if (format == LOG_JSON) {
            json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
            assert_non_null(object);
            json_decref(object);
        }
        tap_close(&tap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_and_every_c1_control_round_trips_as_text),
        cmocka_unit_test(hostile_text_round_trips_in_one_line),
        cmocka_unit_test(the_text_format_quotes_and_escapes_as_json_does),
        cmocka_unit_test(a_json_line_starts_with_time_level_and_event),
        cmocka_unit_test(absent_text_is_omitted_and_empty_text_is_shown),
        cmocka_unit_test(peer_text_is_truncated_between_characters_and_marked),
        cmocka_unit_test(text_that_is_not_utf8_is_truncated_too),
        cmocka_unit_test(a_field_that_does_not_fit_is_omitted_and_the_line_is_marked),
        cmocka_unit_test(small_fields_fill_a_line_up_to_its_limit),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
