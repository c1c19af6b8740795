/*
 * Tests of ws_upgrade.c: which upgrade requests are accepted, and the responses.
 *
 * Every request is read whole, byte by byte and split at every point, and ends at a guard page.
 * Most requests are the valid request with one changed line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "guard_page.h"
#include "unit.h"
#include "wire/http/ws_upgrade.h"

#define TEXT_MAX 16384u

/* The client's request of RFC 6455 section 1.2, with the MQTT subprotocol. */
#define LINE    "GET /mqtt HTTP/1.1\r\n"
#define HOST    "Host: server.example.com\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECT "Connection: Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define PROTO   "Sec-WebSocket-Protocol: mqtt\r\n"
#define REST    HOST UPGRADE CONNECT KEY VERSION PROTO
#define END     "\r\n"

static struct guard_page guard;
static struct ws_upgrade_conf conf;

static struct ws_upgrade read_split(const char *text, size_t n, size_t cut)
{
    struct ws_upgrade u;
    ws_upgrade_init(&u, &conf);
    enum parse_result first = ws_upgrade_read(&u, guard_page_put(&guard, text, cut), cut);
    enum parse_result r = ws_upgrade_read(&u, guard_page_put(&guard, text, n), n);
    if (first != PARSE_MORE)
        assert_int_equal(r, first);
    assert_int_equal(r, u.status == 0 ? PARSE_MORE : u.status == 101 ? PARSE_DONE : PARSE_BAD);
    return u;
}

static void assert_same(const struct ws_upgrade *a, const struct ws_upgrade *b)
{
    assert_int_equal(a->status, b->status);
    assert_ptr_equal(a->fault, b->fault);
    assert_ptr_equal(a->subprotocol, b->subprotocol);
    assert_int_equal(a->head_n, b->head_n);
    assert_string_equal(a->key, b->key);
    assert_true(span_equal(ws_upgrade_forwarded(a), ws_upgrade_forwarded(b)));
}

static struct ws_upgrade read_every_way(const char *text)
{
    size_t n = strlen(text), step = n > 2048 ? 61 : 1;
    struct ws_upgrade whole = read_split(text, n, 0), bytewise;
    ws_upgrade_init(&bytewise, &conf);
    for (size_t i = 0; i <= n; i++)
        (void)!ws_upgrade_read(&bytewise, guard_page_put(&guard, text, i), i);
    assert_same(&whole, &bytewise);
    for (size_t cut = 1; cut <= n; cut += step) {
        struct ws_upgrade split = read_split(text, n, cut);
        assert_same(&whole, &split);
    }
    return whole;
}

static struct ws_upgrade accepted(const char *request, const char *subprotocol)
{
    struct ws_upgrade u = read_every_way(request);
    assert_int_equal(u.status, 101);
    assert_string_equal(u.subprotocol, subprotocol);
    assert_int_equal(u.head_n, strlen(request));
    return u;
}

static void refused(const char *request, unsigned status, const char *fault)
{
    struct ws_upgrade u = read_every_way(request);
    assert_int_equal(u.status, status);
    assert_string_equal(u.fault, fault);
}

static void valid_request_is_accepted_with_its_key(void **state)
{
    (void)state;
    struct ws_upgrade u = accepted(LINE REST END, "mqtt");
    assert_string_equal(u.key, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_null(ws_upgrade_forwarded(&u).p);
}

static void incomplete_valid_request_returns_more(void **state)
{
    static const char request[] = LINE REST END;
    (void)state;
    for (size_t n = 0; n < sizeof(request) - 1; n++)
        assert_int_equal(read_split(request, n, 0).status, 0);
}

static void bytes_after_the_head_are_not_read(void **state)
{
    static const char request[] = LINE REST END;
    (void)state;
    struct ws_upgrade u = read_every_way(LINE REST END "\x82\x85 garbage \r\n\r\n");
    assert_int_equal(u.status, 101);
    assert_int_equal(u.head_n, sizeof(request) - 1);
}

static void names_and_tokens_are_compared_without_case(void **state)
{
    (void)state;
    accepted(LINE "hOST: a\r\nuPGRADE: WebSocket\r\ncONNECTION: uPGRADE\r\n"
                  "SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
                  "sec-websocket-protocol: mqtt\r\n\r\n",
             "mqtt");
}

static void upgrade_and_connection_may_be_lists(void **state)
{
    (void)state;
    accepted(LINE HOST KEY VERSION PROTO
             "Upgrade: h2c, websocket\r\n"
             "Connection: keep-alive\r\nConnection: , Upgrade,x\r\n" END,
             "mqtt");
    accepted(LINE REST "Upgrade: h2c\r\nConnection: keep-alive\r\n" END, "mqtt");
    refused(LINE HOST KEY VERSION PROTO CONNECT "Upgrade: websockets\r\n" END, 426,
            "no Upgrade: websocket");
    refused(LINE HOST KEY VERSION PROTO UPGRADE "Connection: keep-alive\r\n" END, 400,
            "no Connection: Upgrade");
}

static void mqtt_is_preferred_among_several_subprotocols(void **state)
{
    (void)state;
    accepted(LINE HOST UPGRADE CONNECT KEY VERSION "Sec-WebSocket-Protocol: soap, mqtt\r\n" END,
             "mqtt");
    accepted(LINE HOST UPGRADE CONNECT KEY VERSION "Sec-WebSocket-Protocol: mqttv3.1,mqtt\r\n" END,
             "mqtt");
    accepted(LINE HOST UPGRADE CONNECT KEY VERSION "Sec-WebSocket-Protocol: mqttv3.1\r\n" END,
             "mqttv3.1");
    accepted(LINE HOST UPGRADE CONNECT KEY VERSION
             "Sec-WebSocket-Protocol: mqttv3.1\r\nSec-WebSocket-Protocol: mqtt\r\n" END,
             "mqtt");
}

static void request_without_an_mqtt_subprotocol_is_rejected(void **state)
{
    static const char fault[] = "no subprotocol \"mqtt\"";
    (void)state;
    refused(LINE HOST UPGRADE CONNECT KEY VERSION END, 400, fault);
    refused(LINE HOST UPGRADE CONNECT KEY VERSION "Sec-WebSocket-Protocol: MQTT\r\n" END, 400,
            fault);
    refused(LINE HOST UPGRADE CONNECT KEY VERSION "Sec-WebSocket-Protocol: mqtt5\r\n" END, 400,
            fault);
    refused(LINE HOST UPGRADE CONNECT KEY VERSION "Sec-WebSocket-Protocol: \r\n" END, 400, fault);
}

static void path_is_compared_byte_for_byte_without_its_query(void **state)
{
    (void)state;
    accepted("GET /mqtt?token=a/b?c HTTP/1.1\r\n" REST END, "mqtt");
    accepted("GET http://h:80/mqtt?x HTTP/1.1\r\n" REST END, "mqtt");
    accepted("GET HTTPS://h/mqtt HTTP/1.1\r\n" REST END, "mqtt");
    refused("GET / HTTP/1.1\r\n" REST END, 404, "no such path");
    refused("GET /mqtt/ HTTP/1.1\r\n" REST END, 404, "no such path");
    refused("GET /MQTT HTTP/1.1\r\n" REST END, 404, "no such path");
    refused("GET /mqt%74 HTTP/1.1\r\n" REST END, 404, "no such path");
    refused("GET mqtt HTTP/1.1\r\n" REST END, 404, "no such path");
    refused("GET http://h/mqtt/x HTTP/1.1\r\n" REST END, 404, "no such path");
    refused("GET http://mqtt HTTP/1.1\r\n" REST END, 404, "no such path");
    refused("GET * HTTP/1.1\r\n" REST END, 404, "no such path");
}

static void absolute_target_without_a_path_means_the_root_path(void **state)
{
    (void)state;
    conf.path = span_of_str("/");
    accepted("GET http://h HTTP/1.1\r\n" REST END, "mqtt");
    accepted("GET http://h?a=/b HTTP/1.1\r\n" REST END, "mqtt");
    accepted("GET /?a HTTP/1.1\r\n" REST END, "mqtt");
    conf.path = span_of_str("/mqtt");
}

static void other_method_is_405_for_plain_http_and_400_in_a_handshake(void **state)
{
    (void)state;
    refused("POST /mqtt HTTP/1.1\r\n" REST END, 400, "method is not GET");
    refused("POST /mqtt HTTP/1.1\r\n" HOST END, 405, "method is not GET");
    refused("get /mqtt HTTP/1.1\r\n" HOST END, 405, "method is not GET");
    refused("HEAD /mqtt HTTP/1.1\r\n" HOST END, 405, "method is not GET");
    refused("POST / HTTP/1.1\r\n" HOST END, 404, "no such path");
    refused("GET /mqtt HTTP/1.1\r\n" HOST END, 426, "no Upgrade: websocket");
}

static void version_must_be_13_and_must_not_be_repeated(void **state)
{
    static const char fault[] = "Sec-WebSocket-Version is not 13";
    (void)state;
    refused(LINE HOST UPGRADE CONNECT KEY PROTO END, 426, fault);
    refused(LINE HOST UPGRADE CONNECT KEY PROTO "Sec-WebSocket-Version: 8\r\n" END, 426, fault);
    refused(LINE HOST UPGRADE CONNECT KEY PROTO "Sec-WebSocket-Version: 13, 8\r\n" END, 426, fault);
    refused(LINE HOST UPGRADE CONNECT KEY PROTO "Sec-WebSocket-Version: 013\r\n" END, 426, fault);
    refused(LINE REST VERSION END, 400, "more than one Sec-WebSocket-Version");
}

static void key_must_have_sixteen_bytes_and_must_not_be_repeated(void **state)
{
    static const char *const bad[] = {"",
                                      "dGhlIHNhbXBsZSBub25jZQ=",
                                      "dGhlIHNhbXBsZSBub25jZQ===",
                                      "dGhlIHNhbXBsZSBub25jZQAA",
                                      "dGhlIHNhbXBsZSBub25jZQ=A",
                                      "dGhlIHNhbXBsZSBub25jZ===",
                                      "dGhlIHNhbXBsZSBub25j-Q==",
                                      "dGhl IHNhbXBsZSBub25jZ=="};
    static const char fault[] = "exactly one valid Sec-WebSocket-Key is required";
    char request[1024];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(request, sizeof(request),
                 LINE HOST UPGRADE CONNECT VERSION PROTO "Sec-WebSocket-Key: %s\r\n" END, bad[i]);
        refused(request, 400, fault);
    }
    refused(LINE HOST UPGRADE CONNECT VERSION PROTO END, 400, fault);
    refused(LINE REST KEY END, 400, fault);
    struct ws_upgrade u = accepted(
        LINE HOST UPGRADE CONNECT VERSION PROTO
        "Sec-WebSocket-Key: +/azAZ09+/+/+/+/+/+/+/==\r\n" END, /* unused bits are not zero */
        "mqtt");
    assert_string_equal(u.key, "+/azAZ09+/+/+/+/+/+/+/==");
}

static void host_must_be_valid_and_must_not_be_repeated(void **state)
{
    static const char fault[] = "exactly one valid Host header is required";
    (void)state;
    refused(LINE UPGRADE CONNECT KEY VERSION PROTO END, 400, fault);
    refused(LINE REST HOST END, 400, fault);
    refused(LINE UPGRADE CONNECT KEY VERSION PROTO "Host: a b\r\n" END, 400, fault);
    refused(LINE UPGRADE CONNECT KEY VERSION PROTO "Host: a/b\r\n" END, 400, fault);
    refused(LINE UPGRADE CONNECT KEY VERSION PROTO "Host: u@b\r\n" END, 400, fault);
    accepted(LINE UPGRADE CONNECT KEY VERSION PROTO "Host: [2001:db8::1]:8083\r\n" END, "mqtt");
    accepted(LINE UPGRADE CONNECT KEY VERSION PROTO "Host:\r\n" END, "mqtt");
}

static void request_with_a_body_is_rejected(void **state)
{
    static const char fault[] = "an upgrade request must not have a body";
    (void)state;
    refused(LINE REST "Content-Length: 5\r\n" END, 400, fault);
    refused(LINE REST "Content-Length: 00\r\n" END, 400, fault);
    refused(LINE REST "Content-Length: 0\r\nContent-Length: 1\r\n" END, 400, fault);
    refused(LINE REST "Content-Length: 1\r\nContent-Length: 0\r\n" END, 400, fault);
    refused(LINE REST "Content-Length: 0, 0\r\n" END, 400, fault);
    refused(LINE REST "Transfer-Encoding: chunked\r\n" END, 400, fault);
    refused(LINE REST "Transfer-Encoding:\r\n" END, 400, fault);
    accepted(LINE REST "Content-Length: 0\r\n" END, "mqtt");
}

static void older_http_is_rejected_and_a_newer_minor_version_accepted(void **state)
{
    (void)state;
    refused("GET /mqtt HTTP/1.0\r\n" REST END, 400, "not HTTP/1.1");
    accepted("GET /mqtt HTTP/1.2\r\n" REST END, "mqtt");
}

static void folded_line_and_bare_line_feed_are_rejected(void **state)
{
    (void)state;
    refused(LINE REST "X-A: b\r\n\tc\r\n" END, 400, "folded field");
    refused(LINE REST "X-A: b\n" END, 400, "control character in a field");
}

static void plain_mqtt_is_rejected_on_the_first_byte(void **state)
{
    struct ws_upgrade u;
    (void)state;
    ws_upgrade_init(&u, &conf);
    assert_int_equal(ws_upgrade_read(&u, (const uint8_t *)"\x10", 1), PARSE_BAD);
    assert_int_equal(u.status, 400);
    assert_string_equal(u.fault, "not HTTP: the client speaks MQTT");
}

/* Every rejected prefix reports the same error. */
static void other_protocols_are_reported_the_same_for_every_split(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *fault;
        size_t n;
    } rows[] = {
        {"\x10\x0d\0\x04MQTT", "not HTTP: the client speaks MQTT", 8},
        {"\x16\x03\x01\x02\0\x01", "not HTTP: the client speaks TLS", 6},
        {"\r\n\r\n\0\r\nQUIT\n!", "not HTTP: the client speaks PROXY protocol", 13},
        {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "not HTTP: the client speaks PROXY protocol", 32},
        {"\r\n\r\nX\0", "not an HTTP request", 6},
        {"PROXIED\0", "not an HTTP request", 8},
        {"\x80\x64", "not an HTTP request", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned refused = 0;
        for (size_t n = 1; n <= rows[i].n; n++) {
            struct ws_upgrade u;
            ws_upgrade_init(&u, &conf);
            if (ws_upgrade_read(&u, (const uint8_t *)rows[i].bytes, n) != PARSE_BAD)
                continue;
            assert_string_equal(u.fault, rows[i].fault);
            refused++;
        }
        assert_true(refused > 0);
    }
}

static void request_is_plain_http_only_without_websocket_headers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool plain;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" HOST END, true},
        {"OPTIONS / HTTP/1.0\r\n" END, true},
        {LINE HOST END, true},
        {LINE HOST "Connection: keep-alive\r\n" END, true},
        {LINE HOST "Upgrade: websocket\r\n" END, false},
        {LINE HOST "Connection: Upgrade\r\n" END, false},
        {LINE HOST "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" END, false},
        {LINE HOST "Sec-WebSocket-Version: 13\r\n" END, false},
        {"GET / HTTP/1.1\r\nbad header" END, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ws_upgrade u;
        ws_upgrade_init(&u, &conf);
        assert_int_equal(ws_upgrade_read(&u, (const uint8_t *)rows[i].text, strlen(rows[i].text)),
                         PARSE_BAD);
        assert_int_equal(u.plain_http, rows[i].plain);
    }
}

static void head_at_the_size_limit_is_431(void **state)
{
    char text[WS_UPGRADE_HEAD_MAX + 1];
    struct ws_upgrade u;
    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, LINE, sizeof(LINE) - 1);
    ws_upgrade_init(&u, &conf);
    assert_int_equal(ws_upgrade_read(&u, (uint8_t *)text, WS_UPGRADE_HEAD_MAX - 1), PARSE_MORE);
    assert_int_equal(ws_upgrade_read(&u, (uint8_t *)text, WS_UPGRADE_HEAD_MAX), PARSE_BAD);
    assert_int_equal(u.status, 431);
}

static void origin_and_extensions_are_ignored(void **state)
{
    (void)state;
    accepted(LINE REST "Origin: https://evil.example\r\n"
                       "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                       "X-Empty:\r\n" END,
             "mqtt");
}

/* Check the list that results from a request with these header lines. */
static void forwards(const char *lines, const char *want)
{
    char *request = malloc(TEXT_MAX);
    assert_non_null(request);
    snprintf(request, TEXT_MAX, LINE REST "%s" END, lines);
    struct ws_upgrade u = accepted(request, "mqtt");
    struct span list = ws_upgrade_forwarded(&u);
    assert_int_equal(list.p != NULL, want != NULL);
    assert_true(span_equal(list, span_of_str(want)));
    free(request);
}

static void forwarded_addresses_of_all_headers_are_joined(void **state)
{
    (void)state;
    conf.client_address_header = span_of_str("X-Forwarded-For");
    forwards("", NULL);
    forwards("x-forwarded-for: 203.0.113.5, 10.0.0.1\r\n", "203.0.113.5, 10.0.0.1");
    forwards("X-Forwarded-For: a\r\nX-Real-IP: z\r\nX-FORWARDED-FOR:  b , c \r\n", "a, b , c");
    forwards("X-Forwarded-For:\r\n", "");
    forwards("X-Forwarded-For: a\r\nX-Forwarded-For:\r\n", "a, ");
    conf.client_address_header = (struct span){0};
    forwards("X-Forwarded-For: a\r\n", NULL);
}

static void long_list_keeps_its_last_complete_elements(void **state)
{
    char lines[2048], want[WS_UPGRADE_FORWARDED_MAX + 1];
    (void)state;
    conf.client_address_header = span_of_str("X-Forwarded-For");
    /* one header: 600 bytes of garbage, then two addresses */
    snprintf(lines, sizeof(lines), "X-Forwarded-For: %0600d, 192.0.2.1, 192.0.2.2\r\n", 7);
    forwards(lines, "192.0.2.1, 192.0.2.2");
    /* several headers; part of the first header is dropped */
    snprintf(lines, sizeof(lines), "X-Forwarded-For: zzz\r\nX-Forwarded-For: %0508d\r\n", 7);
    snprintf(want, sizeof(want), "%0508d", 7);
    forwards(lines, want);
    snprintf(lines, sizeof(lines), "X-Forwarded-For: 1st, 2nd\r\nX-Forwarded-For: %0505d\r\n", 7);
    snprintf(want, sizeof(want), "2nd, %0505d", 7);
    forwards(lines, want);
    snprintf(lines, sizeof(lines), "X-Forwarded-For: zz,%0506d\r\nX-Forwarded-For: 9\r\n", 7);
    snprintf(want, sizeof(want), "zz,%0506d, 9", 7);
    forwards(lines, want); /* 512 bytes: all are kept */
    snprintf(lines, sizeof(lines), "X-Forwarded-For: %0600d\r\n", 7);
    forwards(lines, ""); /* no element is complete */
    conf.client_address_header = (struct span){0};
}

static void many_empty_headers_do_not_exceed_the_list_limit(void **state)
{
    char *lines = malloc(TEXT_MAX);
    (void)state;
    assert_non_null(lines);
    conf.client_address_header = span_of_str("X");
    lines[0] = '\0';
    for (size_t i = 0; i < 1500; i++)
        strcpy(lines + 4 * i, "X:\r\n");
    strcpy(lines + 6000, "X: end\r\n");
    char *request = malloc(TEXT_MAX);
    assert_non_null(request);
    snprintf(request, TEXT_MAX, LINE REST "%s" END, lines);
    struct ws_upgrade u = read_split(request, strlen(request), 0);
    assert_int_equal(u.status, 101);
    struct span list = ws_upgrade_forwarded(&u);
    assert_in_range(list.n, WS_UPGRADE_FORWARDED_MAX - 4, WS_UPGRADE_FORWARDED_MAX);
    assert_memory_equal(list.p + list.n - 3, "end", 3);
    conf.client_address_header = (struct span){0};
    free(request);
    free(lines);
}

static void assert_response(const char *request, const char *accept, const char *want)
{
    uint8_t out[WS_UPGRADE_RESPONSE_MAX];
    struct ws_upgrade u = read_split(request, strlen(request), 0);
    size_t n = ws_upgrade_respond(&u, accept, out);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(out, want, n);
}

static void response_to_an_accepted_request_is_as_in_the_rfc(void **state)
{
    (void)state;
    assert_response(LINE REST END, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                    "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
}

static void error_responses_have_the_headers_of_their_status(void **state)
{
    (void)state;
    assert_response("\x10", NULL,
                    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
                    "Content-Length: 33\r\n\r\nnot HTTP: the client speaks MQTT\n");
    assert_response("GET / HTTP/1.1\r\n" HOST END, NULL,
                    "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/plain\r\n"
                    "Content-Length: 13\r\n\r\nno such path\n");
    assert_response("PUT /mqtt HTTP/1.1\r\n" HOST END, NULL,
                    "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\n"
                    "Content-Type: text/plain\r\nContent-Length: 18\r\n\r\nmethod is not GET\n");
    assert_response(
        LINE HOST END, NULL,
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
        "Content-Type: text/plain\r\nContent-Length: 22\r\n\r\nno Upgrade: websocket\n");
}

static void response_to_head_has_no_body(void **state)
{
    (void)state;
    assert_response("HEAD /mqtt HTTP/1.1\r\n" HOST END, NULL,
                    "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\n"
                    "Content-Type: text/plain\r\nContent-Length: 18\r\n\r\n");
}

int main(void)
{
    guard = guard_page_new(TEXT_MAX);
    conf.path = span_of_str("/mqtt");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_request_is_accepted_with_its_key),
        cmocka_unit_test(incomplete_valid_request_returns_more),
        cmocka_unit_test(bytes_after_the_head_are_not_read),
        cmocka_unit_test(names_and_tokens_are_compared_without_case),
        cmocka_unit_test(upgrade_and_connection_may_be_lists),
        cmocka_unit_test(mqtt_is_preferred_among_several_subprotocols),
        cmocka_unit_test(request_without_an_mqtt_subprotocol_is_rejected),
        cmocka_unit_test(path_is_compared_byte_for_byte_without_its_query),
        cmocka_unit_test(absolute_target_without_a_path_means_the_root_path),
        cmocka_unit_test(other_method_is_405_for_plain_http_and_400_in_a_handshake),
        cmocka_unit_test(version_must_be_13_and_must_not_be_repeated),
        cmocka_unit_test(key_must_have_sixteen_bytes_and_must_not_be_repeated),
        cmocka_unit_test(host_must_be_valid_and_must_not_be_repeated),
        cmocka_unit_test(request_with_a_body_is_rejected),
        cmocka_unit_test(older_http_is_rejected_and_a_newer_minor_version_accepted),
        cmocka_unit_test(folded_line_and_bare_line_feed_are_rejected),
        cmocka_unit_test(plain_mqtt_is_rejected_on_the_first_byte),
        cmocka_unit_test(other_protocols_are_reported_the_same_for_every_split),
        cmocka_unit_test(request_is_plain_http_only_without_websocket_headers),
        cmocka_unit_test(head_at_the_size_limit_is_431),
        cmocka_unit_test(origin_and_extensions_are_ignored),
        cmocka_unit_test(forwarded_addresses_of_all_headers_are_joined),
        cmocka_unit_test(long_list_keeps_its_last_complete_elements),
        cmocka_unit_test(many_empty_headers_do_not_exceed_the_list_limit),
        cmocka_unit_test(response_to_an_accepted_request_is_as_in_the_rfc),
        cmocka_unit_test(error_responses_have_the_headers_of_their_status),
        cmocka_unit_test(response_to_head_has_no_body),
    };
    int failed = cmocka_run_group_tests_name("ws_upgrade", tests, NULL, NULL);
    guard_page_free(&guard);
    return failed;
}
