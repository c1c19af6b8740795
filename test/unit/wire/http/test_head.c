/*
 * Tests of head.c: the content of a request head, and the byte at which an invalid head is
 * rejected.
 *
 * Every input is read whole, byte by byte and split at every point, and ends at a guard page. The
 * outcome is stored as text, so that outcomes can be compared.
 */
#include <stdio.h>
#include <stdlib.h>

#include "guard_page.h"
#include "unit.h"
#include "wire/http/head.h"

#define MAX      256u
#define SAID_MAX 2048u

static struct guard_page guard;

struct outcome {
    enum parse_result result;
    size_t decided_at; /* number of bytes that determined the result */
    struct http_head h;
    bool ended;
    char said[SAID_MAX]; /* the items as text */
};

static void say(struct outcome *o, const struct http_item *item)
{
    size_t n = strlen(o->said);
    if (item->kind == HTTP_END)
        o->ended = true;
    else if (item->kind == HTTP_REQUEST_LINE)
        snprintf(o->said + n, SAID_MAX - n, "<%.*s> <%.*s> 1.%u\n", (int)item->name.n, item->name.p,
                 (int)item->value.n, item->value.p, item->minor);
    else
        snprintf(o->said + n, SAID_MAX - n, "<%.*s>=<%.*s>\n", (int)item->name.n, item->name.p,
                 (int)item->value.n, item->value.p);
}

static struct outcome begin(void)
{
    struct outcome o = {.result = PARSE_MORE};
    http_head_init(&o.h, MAX);
    return o;
}

/* Pass the first n bytes and read all complete items. */
static void feed(struct outcome *o, struct span text, size_t n)
{
    const uint8_t *p = guard_page_put(&guard, text.p, n);
    while (!o->ended && o->result != PARSE_BAD) {
        struct http_item item;
        o->result = http_head_next(&o->h, p, n, &item);
        o->decided_at = n;
        if (o->result != PARSE_DONE)
            break;
        say(o, &item);
    }
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->result, b->result);
    assert_int_equal(a->h.status, b->h.status);
    assert_int_equal(a->h.head_n, b->h.head_n);
    assert_string_equal(a->h.fault ? a->h.fault : "", b->h.fault ? b->h.fault : "");
    assert_string_equal(a->said, b->said);
}

static struct outcome read_every_way(struct span text)
{
    struct outcome whole = begin(), bytewise = begin();
    feed(&whole, text, text.n);
    for (size_t n = 0; n <= text.n; n++)
        if (!bytewise.ended && bytewise.result != PARSE_BAD)
            feed(&bytewise, text, n);
    assert_same(&whole, &bytewise);
    for (size_t cut = 0; cut <= text.n; cut++) {
        struct outcome o = begin();
        feed(&o, text, cut);
        feed(&o, text, text.n);
        assert_same(&whole, &o);
    }
    whole.decided_at = bytewise.decided_at;
    return whole;
}

/* Expect a complete head with these items. The bytes after it are not read. */
static void says(const char *head, const char *said)
{
    char longer[2 * MAX];
    struct outcome o = read_every_way(span_of_str(head));
    assert_int_equal(o.result, PARSE_DONE);
    assert_true(o.ended);
    assert_int_equal(o.h.head_n, strlen(head));
    assert_string_equal(o.said, said);
    snprintf(longer, sizeof(longer), "%s%s", head, "\x82\x80 behind");
    struct outcome pipelined = read_every_way(span_of_str(longer));
    assert_same(&o, &pipelined);
}

/* Expect a rejection with this error at the last byte of `beginning`. */
static void refused_on(const char *beginning, const char *fault)
{
    struct outcome o = read_every_way(span_of_str(beginning));
    assert_int_equal(o.result, PARSE_BAD);
    assert_int_equal(o.h.status, 400);
    assert_string_equal(o.h.fault, fault);
    assert_int_equal(o.decided_at, strlen(beginning));
}

static void request_line_and_fields_are_returned_in_order(void **state)
{
    (void)state;
    says("GET /mqtt HTTP/1.1\r\n\r\n", "<GET> </mqtt> 1.1\n");
    says("M-SEARCH * HTTP/1.0\r\nA: 1\r\nb!:\r\nA:2\r\n\r\n",
         "<M-SEARCH> <*> 1.0\n<A>=<1>\n<b!>=<>\n<A>=<2>\n");
}

static void blanks_around_a_value_are_removed(void **state)
{
    (void)state;
    says("GET / HTTP/1.1\r\nA: \t b \t c\t \r\nB: \t \r\n\r\n",
         "<GET> </> 1.1\n<A>=<b \t c>\n<B>=<>\n");
}

static void empty_lines_before_the_request_are_skipped(void **state)
{
    (void)state;
    says("\r\n\r\nGET / HTTP/1.1\r\n\r\n", "<GET> </> 1.1\n");
    refused_on("\r\r", "CR without LF");
    refused_on("\n", "not an HTTP request");
}

static void bytes_above_ascii_are_accepted_only_in_field_values(void **state)
{
    (void)state;
    says("GET / HTTP/1.1\r\nA: \xc3\xa9\xff\r\n\r\n", "<GET> </> 1.1\n<A>=<\xc3\xa9\xff>\n");
    refused_on("GET /\xc3", "invalid request target");
    refused_on("GET / HTTP/1.1\r\nA\xc3", "invalid field name");
}

static void other_protocols_are_rejected_on_the_first_invalid_byte(void **state)
{
    (void)state;
    refused_on("\x10", "not an HTTP request"); /* MQTT's CONNECT */
    refused_on("\x16", "not an HTTP request"); /* TLS */
    refused_on("PRI * HTTP/2", "not HTTP/1.1");
    refused_on("GET /\r", "invalid request target"); /* HTTP/0.9 */
    refused_on("SSH-2.0-x\r", "not an HTTP request");
    refused_on("(", "not an HTTP request");
}

static void malformed_request_line_is_rejected(void **state)
{
    (void)state;
    refused_on("GET\t", "not an HTTP request");
    refused_on("GET  ", "invalid request target");
    refused_on("GET / /", "not HTTP/1.1");
    refused_on("GET /#", "invalid request target");
    refused_on("GET /\x7f", "invalid request target");
    refused_on("GET / h", "not HTTP/1.1");
    refused_on("GET / HTTP/1.x", "not HTTP/1.1");
    refused_on("GET / HTTP/1.11", "not HTTP/1.1");
    refused_on("GET / HTTP/1.1 ", "not HTTP/1.1");
    refused_on("GET / HTTP/1.1\n", "not HTTP/1.1");
}

static void malformed_fields_are_rejected(void **state)
{
    (void)state;
    refused_on("GET / HTTP/1.1\r\n ", "folded field");
    refused_on("GET / HTTP/1.1\r\nA: b\r\n\t", "folded field");
    refused_on("GET / HTTP/1.1\r\n:", "invalid field name");
    refused_on("GET / HTTP/1.1\r\nA ", "invalid field name");
    refused_on("GET / HTTP/1.1\r\nA\r", "invalid field name");
    refused_on("GET / HTTP/1.1\r\n\n", "invalid field name");
    refused_on("GET / HTTP/1.1\r\nA: b\n", "control character in a field");
    refused_on("GET / HTTP/1.1\r\nA: b\x01", "control character in a field");
    refused_on("GET / HTTP/1.1\r\nA: b\x7f", "control character in a field");
    refused_on("GET / HTTP/1.1\r\nA: b\rc", "CR without LF");
    refused_on("GET / HTTP/1.1\r\n\rA", "CR without LF");
}

static void nul_is_rejected_at_any_position(void **state)
{
    static const char head[] = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    (void)state;
    for (size_t at = 0; at < sizeof(head) - 1; at++) {
        char text[sizeof(head)];
        memcpy(text, head, sizeof(head));
        text[at] = '\0';
        struct outcome o = read_every_way(span_of(text, sizeof(head) - 1));
        assert_int_equal(o.result, PARSE_BAD);
        assert_int_equal(o.decided_at, at + 1);
    }
}

static void head_of_the_maximum_size_is_accepted_and_a_larger_one_is_rejected(void **state)
{
    char text[MAX + 8];
    (void)state;
    for (size_t extra = 0; extra <= 1; extra++) {
        int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nA: %0*d\r\n\r\n",
                         (int)(MAX - 23 + extra), 1);
        assert_int_equal(n, MAX + extra);
        struct outcome o = read_every_way(span_of(text, (size_t)n));
        assert_int_equal(o.result, extra ? PARSE_BAD : PARSE_DONE);
        assert_int_equal(o.h.status, extra ? 431 : 0);
        if (extra)
            assert_int_equal(o.decided_at, MAX);
    }
}

static void parse_bad_is_final(void **state)
{
    struct http_head h;
    struct http_item item;
    (void)state;
    http_head_init(&h, MAX);
    assert_int_equal(http_head_next(&h, (const uint8_t *)"\x10", 1, &item), PARSE_BAD);
    assert_int_equal(http_head_next(&h, (const uint8_t *)"\x10xx", 3, &item), PARSE_BAD);
    assert_string_equal(h.fault, "not an HTTP request");
}

static void lists_return_their_elements_and_skip_empty_ones(void **state)
{
    static const char *const want[] = {"a", "b c", "d"};
    struct span list = span_of_str(" ,a ,, b c\t,d,\t");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_true(span_equal(http_list_next(&list), span_of_str(want[i])));
    assert_null(http_list_next(&list).p);
    assert_null(http_list_next(&list).p);
    list = (struct span){0};
    assert_null(http_list_next(&list).p);
}

static void tokens_are_compared_without_ascii_case(void **state)
{
    (void)state;
    assert_true(http_same_word(span_of_str("WebSocket"), span_of_str("websocket")));
    assert_false(http_same_word(span_of_str("websocket"), span_of_str("websocke")));
    assert_false(http_same_word(span_of_str("@"), span_of_str("`")));
    assert_false(http_same_word(span_of_str("["), span_of_str("{")));
    assert_true(http_same_word(span_of_str("AZ"), span_of_str("az")));
}

int main(void)
{
    guard = guard_page_new(2 * MAX);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_line_and_fields_are_returned_in_order),
        cmocka_unit_test(blanks_around_a_value_are_removed),
        cmocka_unit_test(empty_lines_before_the_request_are_skipped),
        cmocka_unit_test(bytes_above_ascii_are_accepted_only_in_field_values),
        cmocka_unit_test(other_protocols_are_rejected_on_the_first_invalid_byte),
        cmocka_unit_test(malformed_request_line_is_rejected),
        cmocka_unit_test(malformed_fields_are_rejected),
        cmocka_unit_test(nul_is_rejected_at_any_position),
        cmocka_unit_test(head_of_the_maximum_size_is_accepted_and_a_larger_one_is_rejected),
        cmocka_unit_test(parse_bad_is_final),
        cmocka_unit_test(lists_return_their_elements_and_skip_empty_ones),
        cmocka_unit_test(tokens_are_compared_without_ascii_case),
    };
    int failed = cmocka_run_group_tests_name("http_head", tests, NULL, NULL);
    guard_page_free(&guard);
    return failed;
}
