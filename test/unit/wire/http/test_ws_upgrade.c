/*
 * Tests of ws_upgrade.c and ws_upgrade_respond.c: which requests become WebSocket, and how
 * the others are answered.
 *
 * Every request is read whole, byte by byte and cut at every point, and ends at a forbidden
 * page. Most are the good one with one line changed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "guard_page.h"
#include "unit.h"
#include "wire/http/ws_upgrade.h"

#define TEXT_MAX 16384u

/* RFC 6455 section 1.2's client, with MQTT's subprotocol. */
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

static void good_request_is_taken_with_its_key(void **state)
{
    (void)state;
    struct ws_upgrade u = accepted(LINE REST END, "mqtt");
    assert_string_equal(u.key, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_null(ws_upgrade_forwarded(&u).p);
}

static void beginning_of_a_good_request_asks_for_more(void **state)
{
    static const char request[] = LINE REST END;
    (void)state;
    for (size_t n = 0; n < sizeof(request) - 1; n++)
        assert_int_equal(read_split(request, n, 0).status, 0);
}

static void bytes_behind_the_head_are_not_looked_at(void **state)
{
    static const char request[] = LINE REST END;
    (void)state;
    struct ws_upgrade u = read_every_way(LINE REST END "\x82\x85 garbage \r\n\r\n");
    assert_int_equal(u.status, 101);
    assert_int_equal(u.head_n, sizeof(request) - 1);
}

static void names_and_tokens_have_no_case(void **state)
{
    (void)state;
    accepted(LINE "hOST: a\r\nuPGRADE: WebSocket\r\ncONNECTION: uPGRADE\r\n"
                  "SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
                  "sec-websocket-protocol: mqtt\r\n\r\n",
             "mqtt");
}

static void upgrade_and_connection_are_lists(void **state)
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

static void mqtt_is_chosen_where_several_subprotocols_are_offered(void **state)
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

static void request_without_our_subprotocol_is_refused(void **state)
{
    static const char fault[] = "no subprotocol mqtt";
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

static void root_path_is_meant_by_a_host_alone(void **state)
{
    (void)state;
    conf.path = span_of_str("/");
    accepted("GET http://h HTTP/1.1\r\n" REST END, "mqtt");
    accepted("GET http://h?a=/b HTTP/1.1\r\n" REST END, "mqtt");
    accepted("GET /?a HTTP/1.1\r\n" REST END, "mqtt");
    conf.path = span_of_str("/mqtt");
}

static void another_method_is_405_to_a_visitor_and_400_in_a_handshake(void **state)
{
    (void)state;
    refused("POST /mqtt HTTP/1.1\r\n" REST END, 400, "method is not GET");
    refused("POST /mqtt HTTP/1.1\r\n" HOST END, 405, "method is not GET");
    refused("get /mqtt HTTP/1.1\r\n" HOST END, 405, "method is not GET");
    refused("HEAD /mqtt HTTP/1.1\r\n" HOST END, 405, "method is not GET");
    refused("POST / HTTP/1.1\r\n" HOST END, 404, "no such path");
    refused("GET /mqtt HTTP/1.1\r\n" HOST END, 426, "no Upgrade: websocket");
}

static void version_is_13_and_said_once(void **state)
{
    static const char fault[] = "Sec-WebSocket-Version is not 13";
    (void)state;
    refused(LINE HOST UPGRADE CONNECT KEY PROTO END, 426, fault);
    refused(LINE HOST UPGRADE CONNECT KEY PROTO "Sec-WebSocket-Version: 8\r\n" END, 426, fault);
    refused(LINE HOST UPGRADE CONNECT KEY PROTO "Sec-WebSocket-Version: 13, 8\r\n" END, 426, fault);
    refused(LINE HOST UPGRADE CONNECT KEY PROTO "Sec-WebSocket-Version: 013\r\n" END, 426, fault);
    refused(LINE REST VERSION END, 400, "more than one Sec-WebSocket-Version");
}

static void key_is_sixteen_bytes_and_said_once(void **state)
{
    static const char *const bad[] = {"",
                                      "dGhlIHNhbXBsZSBub25jZQ=",
                                      "dGhlIHNhbXBsZSBub25jZQ===",
                                      "dGhlIHNhbXBsZSBub25jZQAA",
                                      "dGhlIHNhbXBsZSBub25jZQ=A",
                                      "dGhlIHNhbXBsZSBub25jZ===",
                                      "dGhlIHNhbXBsZSBub25j-Q==",
                                      "dGhl IHNhbXBsZSBub25jZ=="};
    static const char fault[] = "must have exactly one valid Sec-WebSocket-Key";
    char request[1024];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(request, sizeof(request),
                 LINE HOST UPGRADE CONNECT VERSION PROTO "Sec-WebSocket-Key: %s\r\n" END, bad[i]);
        refused(request, 400, fault);
    }
    refused(LINE HOST UPGRADE CONNECT VERSION PROTO END, 400, fault);
    refused(LINE REST KEY END, 400, fault);
    struct ws_upgrade u =
        accepted(LINE HOST UPGRADE CONNECT VERSION PROTO
                 "Sec-WebSocket-Key: +/azAZ09+/+/+/+/+/+/+/==\r\n" END, /* spare bits not zero */
                 "mqtt");
    assert_string_equal(u.key, "+/azAZ09+/+/+/+/+/+/+/==");
}

static void host_is_there_once_and_is_a_host(void **state)
{
    static const char fault[] = "must have exactly one valid Host header";
    (void)state;
    refused(LINE UPGRADE CONNECT KEY VERSION PROTO END, 400, fault);
    refused(LINE REST HOST END, 400, fault);
    refused(LINE UPGRADE CONNECT KEY VERSION PROTO "Host: a b\r\n" END, 400, fault);
    refused(LINE UPGRADE CONNECT KEY VERSION PROTO "Host: a/b\r\n" END, 400, fault);
    refused(LINE UPGRADE CONNECT KEY VERSION PROTO "Host: u@b\r\n" END, 400, fault);
    accepted(LINE UPGRADE CONNECT KEY VERSION PROTO "Host: [2001:db8::1]:8083\r\n" END, "mqtt");
    accepted(LINE UPGRADE CONNECT KEY VERSION PROTO "Host:\r\n" END, "mqtt");
}

static void body_is_refused(void **state)
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

static void older_http_is_refused_and_a_newer_minor_version_taken(void **state)
{
    (void)state;
    refused("GET /mqtt HTTP/1.0\r\n" REST END, 400, "not HTTP/1.1");
    accepted("GET /mqtt HTTP/1.2\r\n" REST END, "mqtt");
}

static void folded_line_and_bare_line_feed_are_refused(void **state)
{
    (void)state;
    refused(LINE REST "X-A: b\r\n\tc\r\n" END, 400, "folded field");
    refused(LINE REST "X-A: b\n" END, 400, "control character in a field");
}

static void plain_mqtt_is_refused_on_its_first_byte(void **state)
{
    struct ws_upgrade u;
    (void)state;
    ws_upgrade_init(&u, &conf);
    assert_int_equal(ws_upgrade_read(&u, (const uint8_t *)"\x10", 1), PARSE_BAD);
    assert_int_equal(u.status, 400);
    assert_string_equal(u.fault, "not HTTP: the client speaks MQTT");
}

/* However they are cut: each of the beginnings that are refused has the same words. */
static void other_protocols_are_named_the_same_however_they_are_cut(void **state)
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

static void only_a_request_without_any_sign_of_websocket_is_plain_http(void **state)
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

static void endless_head_is_431_at_its_limit(void **state)
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

static void origin_and_extensions_change_nothing(void **state)
{
    (void)state;
    accepted(LINE REST "Origin: https://evil.example\r\n"
                       "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                       "X-Empty:\r\n" END,
             "mqtt");
}

/* The list that a request with these header lines ends up with. */
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

static void forwarded_addresses_of_all_headers_are_one_list(void **state)
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

static void long_list_keeps_its_last_elements_whole(void **state)
{
    char lines[2048], want[WS_UPGRADE_FORWARDED_MAX + 1];
    (void)state;
    conf.client_address_header = span_of_str("X-Forwarded-For");
    /* one header: 600 bytes of garbage, then two addresses */
    snprintf(lines, sizeof(lines), "X-Forwarded-For: %0600d, 192.0.2.1, 192.0.2.2\r\n", 7);
    forwards(lines, "192.0.2.1, 192.0.2.2");
    /* several headers; the first is pushed out in part */
    snprintf(lines, sizeof(lines), "X-Forwarded-For: zzz\r\nX-Forwarded-For: %0508d\r\n", 7);
    snprintf(want, sizeof(want), "%0508d", 7);
    forwards(lines, want);
    snprintf(lines, sizeof(lines), "X-Forwarded-For: 1st, 2nd\r\nX-Forwarded-For: %0505d\r\n", 7);
    snprintf(want, sizeof(want), "2nd, %0505d", 7);
    forwards(lines, want);
    snprintf(lines, sizeof(lines), "X-Forwarded-For: zz,%0506d\r\nX-Forwarded-For: 9\r\n", 7);
    snprintf(want, sizeof(want), "zz,%0506d, 9", 7);
    forwards(lines, want); /* 512 bytes: all of it */
    snprintf(lines, sizeof(lines), "X-Forwarded-For: %0600d\r\n", 7);
    forwards(lines, ""); /* no element is whole */
    conf.client_address_header = (struct span){0};
}

static void many_empty_headers_cost_no_more_than_one(void **state)
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

static void accepted_request_is_answered_as_the_rfc_does(void **state)
{
    (void)state;
    assert_response(LINE REST END, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                    "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
}

static void refusals_bring_the_headers_of_their_status(void **state)
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

static void answer_to_head_has_no_body(void **state)
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
        cmocka_unit_test(good_request_is_taken_with_its_key),
        cmocka_unit_test(beginning_of_a_good_request_asks_for_more),
        cmocka_unit_test(bytes_behind_the_head_are_not_looked_at),
        cmocka_unit_test(names_and_tokens_have_no_case),
        cmocka_unit_test(upgrade_and_connection_are_lists),
        cmocka_unit_test(mqtt_is_chosen_where_several_subprotocols_are_offered),
        cmocka_unit_test(request_without_our_subprotocol_is_refused),
        cmocka_unit_test(path_is_compared_byte_for_byte_without_its_query),
        cmocka_unit_test(root_path_is_meant_by_a_host_alone),
        cmocka_unit_test(another_method_is_405_to_a_visitor_and_400_in_a_handshake),
        cmocka_unit_test(version_is_13_and_said_once),
        cmocka_unit_test(key_is_sixteen_bytes_and_said_once),
        cmocka_unit_test(host_is_there_once_and_is_a_host),
        cmocka_unit_test(body_is_refused),
        cmocka_unit_test(older_http_is_refused_and_a_newer_minor_version_taken),
        cmocka_unit_test(folded_line_and_bare_line_feed_are_refused),
        cmocka_unit_test(plain_mqtt_is_refused_on_its_first_byte),
        cmocka_unit_test(other_protocols_are_named_the_same_however_they_are_cut),
        cmocka_unit_test(only_a_request_without_any_sign_of_websocket_is_plain_http),
        cmocka_unit_test(endless_head_is_431_at_its_limit),
        cmocka_unit_test(origin_and_extensions_change_nothing),
        cmocka_unit_test(forwarded_addresses_of_all_headers_are_one_list),
        cmocka_unit_test(long_list_keeps_its_last_elements_whole),
        cmocka_unit_test(many_empty_headers_cost_no_more_than_one),
        cmocka_unit_test(accepted_request_is_answered_as_the_rfc_does),
        cmocka_unit_test(refusals_bring_the_headers_of_their_status),
        cmocka_unit_test(answer_to_head_has_no_body),
    };
    int failed = cmocka_run_group_tests_name("ws_upgrade", tests, NULL, NULL);
    guard_page_free(&guard);
    return failed;
}
