/*
 * test_check.c - checks of a healthy node, of misbehaving nodes, and without a node.
 *
 * The packets of an MQTT check are tested in test/unit/wire, TLS in test_check_tls.c.
 */
#include "check_node.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "wire/proxy/read.h"

static const uint8_t connect_packet[] = {0x10, 19, 0, 4,   'M', 'Q', 'T', 'T', 4,   2,  0,
                                         12,   0,  7, 'c', 'h', 'e', 'c', 'k', '-', '1'};
static const uint8_t disconnect_packet[] = {0xe0, 0};
static const uint8_t accepted[] = {0x20, 2, 0, 0};

struct world {
    struct ev_loop *loop;
    struct node node;
    struct asker asker;
};

static unsigned sends; /* number of send() calls since a test set it to 0 */

/* Overrides the C library's send(), to count the calls. */
ssize_t send(int fd, const void *p, size_t n, int flags)
{
    sends++;
    return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
}

static void world_init(struct world *w, enum check_type type, const char *at)
{
    signal(SIGPIPE, SIG_IGN);
    w->loop = ev_loop_new(0);
    assert_non_null(w->loop);
    node_init(&w->node, w->loop, at);
    asker_init(&w->asker, w->loop, type, &w->node.at);
}

static void world_fini(struct world *w)
{
    node_fini(&w->node);
    ev_loop_destroy(w->loop);
}

static void says(struct world *w, const void *bytes, size_t n)
{
    w->node.says = bytes;
    w->node.says_n = n;
}

/* Expect that the node received these bytes and the end of stream, without an error. */
static void expect_heard(struct world *w, const void *bytes, size_t n)
{
    run_until(w->loop, NULL, &w->node.ended);
    assert_null(w->node.fault);
    assert_int_equal(w->node.heard_n, n);
    assert_memory_equal(w->node.heard, bytes, n);
}

/* ---- mqtt ------------------------------------------------------------------------------ */

static void mqtt_check_sends_connect_and_disconnect_and_closes_cleanly(void **state)
{
    struct world w;
    uint8_t heard[sizeof(connect_packet) + sizeof(disconnect_packet)];
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    says(&w, accepted, sizeof(accepted));
    expect_verdict(&w.asker, CHECK_GOOD, "CONNACK return code 0");
    memcpy(heard, connect_packet, sizeof(connect_packet));
    memcpy(heard + sizeof(connect_packet), disconnect_packet, sizeof(disconnect_packet));
    expect_heard(&w, heard, sizeof(heard));
    world_fini(&w);
}

static void mqtt_check_sends_user_name_and_password(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    says(&w, accepted, sizeof(accepted));
    w.asker.target.username = "u";
    w.asker.target.password = "pw";
    expect_verdict(&w.asker, CHECK_GOOD, "CONNACK return code 0");
    run_until(w.loop, NULL, &w.node.ended);
    assert_int_equal(w.node.heard[9], 0xc2); /* MQTT 3.1.1 figure 3.4 */
    assert_memory_equal(w.node.heard + sizeof(connect_packet), "\0\1u\0\2pw\xe0\0", 9);
    world_fini(&w);
}

static void return_code_decides_and_is_reported(void **state)
{
    static const enum check_result results[] = {CHECK_GOOD, CHECK_GOOD, CHECK_GOOD, CHECK_NO_NEW,
                                                CHECK_GOOD, CHECK_GOOD, CHECK_BAD};
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    for (uint8_t code = 1; code < ARRAY_LEN(results); code++) {
        const uint8_t refused[] = {0x20, 2, 0, code};
        char why[64];
        node_again(&w.node);
        says(&w, refused, sizeof(refused));
        snprintf(why, sizeof(why), "CONNACK return code %u", code);
        expect_verdict(&w.asker, results[code], why);
        expect_heard(&w, connect_packet, sizeof(connect_packet)); /* no DISCONNECT */
    }
    world_fini(&w);
}

static void connack_can_arrive_in_pieces_and_followed_by_more_data(void **state)
{
    static const uint8_t chatter[] = {0x20, 2, 0, 0, 0xd0, 0, 0xd0, 0, 0xd0, 0, 0xd0, 0};
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    w.node.in_pieces = true;
    says(&w, chatter, sizeof(chatter));
    expect_verdict(&w.asker, CHECK_GOOD, "CONNACK return code 0");
    run_until(w.loop, NULL, &w.node.ended);
    assert_null(w.node.fault);
    assert_int_equal(w.node.said_in_all, sizeof(chatter));
    world_fini(&w);
}

static void other_answers_than_connack_are_bad(void **state)
{
    static const char *const garbage[] = {"SSH-2.0-OpenSSH", "\x20\x02\x02\x05",
                                          "HTTP/1.1 400 Bad"};
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        node_again(&w.node);
        says(&w, garbage[i], strlen(garbage[i]));
        expect_verdict(&w.asker, CHECK_BAD, "the response is not a valid CONNACK");
        run_until(w.loop, NULL, &w.node.ended);
    }
    world_fini(&w);
}

static void node_that_closes_before_its_connack_is_bad(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    for (size_t n = 0; n < sizeof(accepted); n++) {
        says(&w, accepted, n);
        w.node.then = NODE_CLOSES;
        node_again(&w.node);
        expect_verdict(&w.asker, CHECK_BAD, "closed before the CONNACK");
        w.node.then = NODE_RESETS;
        node_again(&w.node);
        expect_verdict(&w.asker, CHECK_BAD, "before the CONNACK: Connection reset by peer");
    }
    world_fini(&w);
}

static void node_that_does_not_answer_times_out(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    w.asker.health.timeout_ms = 500;
    for (size_t n = 0; n < sizeof(accepted); n++) {
        node_again(&w.node);
        says(&w, accepted, n);
        expect_verdict(&w.asker, CHECK_TIMEOUT, "no CONNACK within 500 ms");
        run_until(w.loop, NULL, &w.node.ended);
    }
    world_fini(&w);
}

/* ---- closing --------------------------------------------------------------------------- */

static void node_that_never_closes_does_not_delay_the_result(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    says(&w, accepted, sizeof(accepted));
    w.node.then = NODE_IGNORES;
    expect_verdict(&w.asker, CHECK_GOOD, "CONNACK return code 0");
    world_fini(&w);
}

static void node_that_never_stops_sending_is_closed(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    static uint8_t endless[8192] = {0x20, 2, 0, 0};
    says(&w, endless, sizeof(endless));
    w.node.endless = true;
    w.node.then = NODE_IGNORES;
    expect_verdict(&w.asker, CHECK_GOOD, "CONNACK return code 0");
    assert_true(w.node.said_in_all < 1u << 20); /* 64 KiB, and data in flight */
    world_fini(&w);
}

/* The loop is busy until after the deadline, but the answer has been received. */
static void answer_received_in_time_counts_even_if_the_loop_is_late(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    w.asker.health.timeout_ms = 20;
    says(&w, accepted, sizeof(accepted));
    assert_non_null(asker_start(&w.asker));
    int fd = accept(w.node.listen_fd, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, accepted, sizeof(accepted)), sizeof(accepted));
    for (double begun = ev_time(); ev_time() < begun + 0.05;)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    run_until(w.loop, &w.asker.calls, NULL);
    assert_string_equal(w.asker.why, "CONNACK return code 0");
    assert_int_equal(w.asker.result, CHECK_GOOD);
    close(fd);
    world_fini(&w);
}

/* ---- the PROXY header ------------------------------------------------------------------ */

/* Return the header that the node received before the CONNECT. One send() contains both. */
static struct proxy_header heard_header(struct world *w)
{
    struct proxy_header header = {0};
    size_t n = 0;
    node_again(&w->node);
    says(w, accepted, sizeof(accepted));
    sends = 0;
    expect_verdict(&w->asker, CHECK_GOOD, "CONNACK return code 0");
    assert_int_equal(sends, 3); /* CONNECT, the node's CONNACK, DISCONNECT */
    run_until(w->loop, NULL, &w->node.ended);
    const struct span heard = span_of(w->node.heard, w->node.heard_n);
    while (proxy_read(heard, &header, &n) == PARSE_MORE)
        fail_msg("half a header");
    assert_int_equal(heard.n, n + sizeof(connect_packet) + sizeof(disconnect_packet));
    assert_memory_equal(heard.p + n, connect_packet, sizeof(connect_packet));
    assert_true(header.has_address); /* neither LOCAL nor UNKNOWN */
    return header;
}

static void expect_address(const struct proxy_endpoint *got, const struct address *want)
{
    assert_int_equal(got->is_ipv6, want->sa.sa_family == AF_INET6);
    if (got->is_ipv6)
        assert_memory_equal(got->ip, &want->in6.sin6_addr, 16);
    else
        assert_memory_equal(got->ip, &want->in.sin_addr, 4);
    assert_int_equal(ntohs(got->port_be), address_port(want));
}

static void expect_own_addresses(const char *at, enum proxy_protocol version)
{
    struct world w;
    world_init(&w, CHECK_TYPE_MQTT, at);
    w.asker.cluster.proxy_protocol = version;
    struct proxy_header header = heard_header(&w);
    assert_int_equal(header.version, version == PROXY_PROTOCOL_V1 ? 1 : 2);
    expect_address(&header.source, &w.node.peer);
    expect_address(&header.destination, &w.node.at.address);
    assert_false(header.facts.crc32c);
    world_fini(&w);
}

static void proxy_header_contains_the_routers_own_addresses(void **state)
{
    (void)state;
    expect_own_addresses("127.0.0.1:0", PROXY_PROTOCOL_V1);
    expect_own_addresses("127.0.0.1:0", PROXY_PROTOCOL_V2);
    expect_own_addresses("[::1]:0", PROXY_PROTOCOL_V1);
    expect_own_addresses("[::1]:0", PROXY_PROTOCOL_V2);
}

static void proxy_header_has_a_checksum_if_configured(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    w.asker.cluster.proxy_protocol = PROXY_PROTOCOL_V2;
    w.asker.cluster.proxy_protocol_tlvs = PROXY_TLV_CRC32C;
    assert_true(heard_header(&w).facts.crc32c);
    world_fini(&w);
}

static void proxy_header_to_a_unix_socket_contains_loopback_addresses(void **state)
{
    struct world w;
    char at[96];
    struct address stand_in;
    (void)state;
    snprintf(at, sizeof(at), "unix:/tmp/mqtt-router-test-check-%d.sock", (int)getpid());
    world_init(&w, CHECK_TYPE_MQTT, at);
    assert_true(address_parse("127.0.0.1:1883", false, &stand_in));
    for (int version = PROXY_PROTOCOL_V1; version <= PROXY_PROTOCOL_V2; version++) {
        w.asker.cluster.proxy_protocol = (enum proxy_protocol)version;
        struct proxy_header header = heard_header(&w);
        expect_address(&header.source, &stand_in);
        expect_address(&header.destination, &stand_in);
    }
    world_fini(&w);
}

/* ---- tcp ------------------------------------------------------------------------------- */

static void tcp_check_sends_nothing(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_TCP, "127.0.0.1:0");
    w.asker.cluster.proxy_protocol = PROXY_PROTOCOL_NONE;
    expect_verdict(&w.asker, CHECK_GOOD, "connected");
    expect_heard(&w, "", 0);
    world_fini(&w);
}

static void tcp_check_sends_the_proxy_header_if_configured(void **state)
{
    (void)state;
    for (int version = PROXY_PROTOCOL_V1; version <= PROXY_PROTOCOL_V2; version++) {
        struct world w;
        struct proxy_header header;
        size_t used = 0;
        world_init(&w, CHECK_TYPE_TCP, "127.0.0.1:0");
        w.asker.cluster.proxy_protocol = (enum proxy_protocol)version;
        expect_verdict(&w.asker, CHECK_GOOD, "connected");
        run_until(w.loop, NULL, &w.node.ended);
        const struct span heard = span_of(w.node.heard, w.node.heard_n);
        assert_int_equal(proxy_read(heard, &header, &used), PARSE_DONE);
        assert_int_equal(used, w.node.heard_n);
        assert_int_equal(header.version, version);
        assert_true(header.has_address);
        expect_address(&header.source, &w.node.peer);
        expect_address(&header.destination, &w.node.at.address);
        assert_null(w.node.fault); /* no reset: the check closes cleanly */
        world_fini(&w);
    }
}

static void tcp_check_is_good_even_if_the_node_resets_after_the_header(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_TCP, "127.0.0.1:0");
    w.asker.cluster.proxy_protocol = PROXY_PROTOCOL_V1;
    w.node.then = NODE_RESETS;
    expect_verdict(&w.asker, CHECK_GOOD, "connected");
    world_fini(&w);
}

static void check_connects_from_its_source_address(void **state)
{
    struct world w;
    struct address source;
    char text[ADDRESS_TEXT_MAX];
    (void)state;
    world_init(&w, CHECK_TYPE_TCP, "127.0.0.1:0");
    assert_true(address_parse_host("127.0.0.77", &source));
    w.asker.target.source = &source;
    expect_verdict(&w.asker, CHECK_GOOD, "connected");
    run_until(w.loop, NULL, &w.node.ended);
    assert_string_equal(address_format_host(&w.node.peer, text), "127.0.0.77");
    world_fini(&w);
}

static void source_address_of_another_family_is_ignored(void **state)
{
    struct world w;
    struct address source;
    (void)state;
    world_init(&w, CHECK_TYPE_TCP, "[::1]:0");
    assert_true(address_parse_host("127.0.0.77", &source));
    w.asker.target.source = &source;
    expect_verdict(&w.asker, CHECK_GOOD, "connected");
    world_fini(&w);
}

/* ---- no node --------------------------------------------------------------------------- */

static void refused_connection_is_bad_with_a_reason(void **state)
{
    struct world w;
    struct endpoint nobody;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    nobody = w.node.at;
    ev_io_stop(w.loop, &w.node.accepting);
    assert_int_equal(shutdown(w.node.listen_fd, SHUT_RDWR), 0); /* the port stays in use */
    w.asker.target.endpoint = &nobody;
    expect_verdict(&w.asker, CHECK_BAD, "connect: Connection refused");
    world_fini(&w);
}

static void immediate_connect_failure_is_reported_from_the_loop(void **state)
{
    struct world w;
    struct endpoint nobody;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    assert_true(endpoint_parse("unix:/tmp/mqtt-router-test-nobody.sock", false, &nobody));
    w.asker.target.endpoint = &nobody;
    expect_verdict(&w.asker, CHECK_BAD, "connect: No such file or directory");
    struct check *check = asker_start(&w.asker); /* must not call done */
    check_cancel(check);
    ev_run(w.loop, EVRUN_NOWAIT);
    assert_int_equal(w.asker.calls, 0);
    world_fini(&w);
}

/* Connections are not accepted, so the kernel drops those that do not fit in the queue. */
static void connection_without_an_answer_times_out(void **state)
{
    struct world w;
    int fds[8];
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    ev_io_stop(w.loop, &w.node.accepting);
    assert_int_equal(listen(w.node.listen_fd, 0), 0);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = socket_dial(&w.node.at, NULL);
    w.asker.health.timeout_ms = 500;
    expect_verdict(&w.asker, CHECK_TIMEOUT, "not connected within 500 ms");
    assert_int_equal(w.asker.contact, CHECK_UNREACHED);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    world_fini(&w);
}

static void without_descriptors_no_check_starts(void **state)
{
    struct world w;
    struct rlimit old, none;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT, "127.0.0.1:0");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct check *check = check_start(w.loop, &w.asker.target, asker_done, &w.asker);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_null(check);
    ev_run(w.loop, EVRUN_NOWAIT);
    assert_int_equal(w.asker.calls, 0);
    world_fini(&w);
}

/* ---- http ------------------------------------------------------------------------------ */

static void http_check_sends_one_request_and_reads_the_status(void **state)
{
    static const struct {
        const char *answer;
        enum check_result result;
        const char *why;
    } answers[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", CHECK_GOOD, "HTTP 200"},
        {"HTTP/1.0 204\r\n\r\n", CHECK_GOOD, "HTTP 204"},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\n", CHECK_NO_NEW, "HTTP 503"},
        {"HTTP/1.1 500 Internal Server Error\r\n\r\n", CHECK_BAD, "HTTP 500"},
        {"SSH-2.0-OpenSSH\r\n", CHECK_BAD, "the response is not a valid HTTP status"},
        {"HTTP/1.1 2", CHECK_BAD, "closed before the HTTP status"},
    };
    struct world w;
    char request[200], address[ENDPOINT_TEXT_MAX];
    (void)state;
    world_init(&w, CHECK_TYPE_HTTP, "127.0.0.1:0");
    w.asker.cluster.proxy_protocol = PROXY_PROTOCOL_V2; /* for the MQTT port only */
    w.node.then = NODE_CLOSES;
    snprintf(request, sizeof(request),
             "GET /status HTTP/1.1\r\nHost: %s\r\nUser-Agent: mqtt-router\r\n"
             "Connection: close\r\n\r\n",
             endpoint_format(&w.node.at, address));
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        for (int pieces = 0; pieces < 2; pieces++) {
            node_again(&w.node);
            w.node.in_pieces = pieces;
            says(&w, answers[i].answer, strlen(answers[i].answer));
            expect_verdict(&w.asker, answers[i].result, answers[i].why);
            assert_int_equal(w.node.heard_n, strlen(request));
            assert_memory_equal(w.node.heard, request, strlen(request));
        }
    world_fini(&w);
}

static void http_body_is_read_so_that_the_server_gets_no_reset(void **state)
{
    static char long_answer[40000] = "HTTP/1.1 200 OK\r\nContent-Length: 39961\r\n\r\n";
    static const char short_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nalive";
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_HTTP, "127.0.0.1:0");
    w.node.then = NODE_CLOSES;
    says(&w, long_answer, sizeof(long_answer));
    expect_verdict(&w.asker, CHECK_GOOD, "HTTP 200");
    assert_int_equal(w.node.said_in_all, sizeof(long_answer));
    node_again(&w.node);
    says(&w, short_answer, strlen(short_answer));
    w.node.in_pieces = true;
    expect_verdict(&w.asker, CHECK_GOOD, "HTTP 200");
    assert_int_equal(w.node.said_in_all, strlen(short_answer));
    assert_null(w.node.fault);
    assert_false(w.node.heard_end); /* the node closed first */
    world_fini(&w);
}

static void silent_http_server_times_out(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_HTTP, "127.0.0.1:0");
    w.asker.health.timeout_ms = 500;
    expect_verdict(&w.asker, CHECK_TIMEOUT, "no HTTP status within 500 ms");
    assert_int_not_equal(w.asker.contact, CHECK_UNREACHED);
    world_fini(&w);
}

/* ---- cancelling ------------------------------------------------------------------------ */

static void cancelling_at_any_time_leaks_nothing(void **state)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\n\r\n";
    (void)state;
    for (int type = 0; type < CHECK_TYPE_COUNT; type++) {
        struct world w;
        world_init(&w, (enum check_type)type, "127.0.0.1:0");
        says(&w, accepted, sizeof(accepted));
        if (type == CHECK_TYPE_HTTP)
            says(&w, ok, sizeof(ok) - 1);
        w.node.in_pieces = true;
        w.asker.cluster.proxy_protocol = PROXY_PROTOCOL_V2;
        /* tcp ends in the first iteration; the others wait for each byte of the answer */
        assert_true(cancel_at_every_turn(&w.asker, &w.node) >= (type == CHECK_TYPE_TCP ? 1 : 6));
        world_fini(&w);
    }
    check_cancel(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mqtt_check_sends_connect_and_disconnect_and_closes_cleanly),
        cmocka_unit_test(mqtt_check_sends_user_name_and_password),
        cmocka_unit_test(return_code_decides_and_is_reported),
        cmocka_unit_test(connack_can_arrive_in_pieces_and_followed_by_more_data),
        cmocka_unit_test(other_answers_than_connack_are_bad),
        cmocka_unit_test(node_that_closes_before_its_connack_is_bad),
        cmocka_unit_test(node_that_does_not_answer_times_out),
        cmocka_unit_test(node_that_never_closes_does_not_delay_the_result),
        cmocka_unit_test(node_that_never_stops_sending_is_closed),
        cmocka_unit_test(answer_received_in_time_counts_even_if_the_loop_is_late),
        cmocka_unit_test(proxy_header_contains_the_routers_own_addresses),
        cmocka_unit_test(proxy_header_has_a_checksum_if_configured),
        cmocka_unit_test(proxy_header_to_a_unix_socket_contains_loopback_addresses),
        cmocka_unit_test(tcp_check_sends_nothing),
        cmocka_unit_test(tcp_check_sends_the_proxy_header_if_configured),
        cmocka_unit_test(tcp_check_is_good_even_if_the_node_resets_after_the_header),
        cmocka_unit_test(check_connects_from_its_source_address),
        cmocka_unit_test(source_address_of_another_family_is_ignored),
        cmocka_unit_test(refused_connection_is_bad_with_a_reason),
        cmocka_unit_test(immediate_connect_failure_is_reported_from_the_loop),
        cmocka_unit_test(connection_without_an_answer_times_out),
        cmocka_unit_test(without_descriptors_no_check_starts),
        cmocka_unit_test(http_check_sends_one_request_and_reads_the_status),
        cmocka_unit_test(http_body_is_read_so_that_the_server_gets_no_reset),
        cmocka_unit_test(silent_http_server_times_out),
        cmocka_unit_test(cancelling_at_any_time_leaks_nothing),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
