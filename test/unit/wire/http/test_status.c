/*
 * Tests of status.c: the status code of a response, and invalid responses.
 */
#include "guard_page.h"
#include "unit.h"
#include "wire/http/status.h"

static enum parse_result read_text(const struct guard_page *guard, const char *text, size_t n,
                                   unsigned *code)
{
    return http_status_read(span_of(guard_page_put(guard, text, n), n), code);
}

static const struct {
    const char *text;
    unsigned code;
} good[] = {
    {"HTTP/1.1 200 OK\r\n", 200}, {"HTTP/1.0 503 Service Unavailable\r\n\r\n", 503},
    {"HTTP/1.1 404 ", 404}, /* RFC 9112 section 4: the reason may be empty */
    {"HTTP/1.1 204\r\n", 204},    {"HTTP/1.1 500\n", 500},
    {"HTTP/1.9 999 ?\r\n", 999},  {"HTTP/1.1 100 Continue\r\n", 100},
};

static void status_code_is_read_for_any_reason_phrase(void **state)
{
    struct guard_page guard = guard_page_new(128);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        unsigned code = 0;
        assert_int_equal(read_text(&guard, good[i].text, strlen(good[i].text), &code), PARSE_DONE);
        assert_int_equal(code, good[i].code);
    }
    guard_page_free(&guard);
}

static void incomplete_status_line_returns_more(void **state)
{
    struct guard_page guard = guard_page_new(128);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        for (size_t n = 0; n < HTTP_STATUS_MAX; n++) {
            unsigned code = 7;
            assert_int_equal(read_text(&guard, good[i].text, n, &code), PARSE_MORE);
            assert_int_equal(code, 7);
        }
    guard_page_free(&guard);
}

/* Invalid texts, and the length at which each is rejected. */
static const struct {
    const char *text;
    size_t bad_at;
} bad[] = {
    {"\r\nHTTP/1.1 200", 1}, {"SSH-2.0-x", 1},           {"http/1.1 200 ", 1},
    {"HTTP/2 200 ", 6},      {"HTTP/1.x 200 ", 8},       {"HTTP/1.1  200 ", 10},
    {"HTTP/1.1 099 ", 10},   {"HTTP/1.1 20 OK\r\n", 12}, {"HTTP/1.1 2000 ", 13},
    {"HTTP/1.1 200\t", 13},
};

static void invalid_response_is_rejected_on_the_earliest_byte(void **state)
{
    struct guard_page guard = guard_page_new(128);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        for (size_t n = 0; n <= strlen(bad[i].text); n++) {
            unsigned code = 7;
            assert_int_equal(read_text(&guard, bad[i].text, n, &code),
                             n < bad[i].bad_at ? PARSE_MORE : PARSE_BAD);
            assert_int_equal(code, 7);
        }
    guard_page_free(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_code_is_read_for_any_reason_phrase),
        cmocka_unit_test(incomplete_status_line_returns_more),
        cmocka_unit_test(invalid_response_is_rejected_on_the_earliest_byte),
    };
    return cmocka_run_group_tests_name("http_status", tests, NULL, NULL);
}
