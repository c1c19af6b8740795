/*
 * Tests of upgrade.c and of a WebSocket stream as a whole: the upgrade, a rejected upgrade, facts,
 * and the number of calls to the inner stream.
 */
#include "ws_testing.h"

static void response_has_the_accept_value_of_the_rfc_example(void **state)
{
    (void)state;
    struct stream *st =
        ws_over((struct stream_memory_script){.input = span_of_str(WS_REQUEST_TEXT)});
    assert_int_equal(stream_open(st), STREAM_OK);
    assert_output(st, WS_RESPONSE_TEXT, strlen(WS_RESPONSE_TEXT));
    stream_free(st);
}

static void upgrade_succeeds_for_any_sizes_of_reads_and_writes(void **state)
{
    (void)state;
    for (unsigned wait_every = 0; wait_every < 4; wait_every++) {
        if (wait_every == 1)
            continue; /* no progress yet */
        struct stream *st =
            ws_over((struct stream_memory_script){.input = span_of_str(WS_REQUEST_TEXT),
                                                  .read_max = 1,
                                                  .write_max = 1,
                                                  .wait_every = wait_every,
                                                  .open_waits = 3});
        enum stream_result r;
        while (is_want(r = stream_open(st)))
            ;
        assert_int_equal(r, STREAM_OK);
        assert_output(st, WS_RESPONSE_TEXT, strlen(WS_RESPONSE_TEXT));
        stream_free(st);
    }
}

static void response_waits_for_room_and_is_then_continued(void **state)
{
    struct bytes all = {0};
    (void)state;
    struct stream *st =
        ws_over((struct stream_memory_script){.input = span_of_str(WS_REQUEST_TEXT), .room = 7});
    enum stream_result r;
    while ((r = stream_open(st)) == STREAM_WANT_WRITE) {
        bytes_add(&all, output_of(st).p, output_of(st).n);
        stream_memory_consume(stream_ws_inner(st), output_of(st).n);
    }
    assert_int_equal(r, STREAM_OK);
    bytes_add(&all, output_of(st).p, output_of(st).n);
    assert_bytes(bytes_span(&all), WS_RESPONSE_TEXT, strlen(WS_RESPONSE_TEXT));
    bytes_free(&all);
    stream_free(st);
}

/*
 * Check that a rejected stream returns the reason, accepts writes without sending them, and
 * discards further input.
 */
static void check_refused(const char *request, const char *words, const char *status_line)
{
    char more[8192];
    size_t put = 0, got = 0;
    struct stream *st = ws_over((struct stream_memory_script){.input = span_of_str(request)});
    struct stream *inner = stream_ws_inner(st);
    assert_int_equal(open_fully(st), STREAM_ERR);
    assert_string_equal(stream_error(st), words);
    assert_int_equal(stream_open(st), STREAM_ERR);
    assert_int_equal(stream_read(st, more, sizeof(more), &got), STREAM_ERR);
    struct span answer = output_of(st);
    assert_memory_equal(answer.p, status_line, strlen(status_line));
    assert_int_equal(stream_write(st, "x", 1, &put), STREAM_OK);
    assert_int_equal(put, 1);
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_true(stream_memory_write_closed(inner));
    assert_int_equal(output_of(st).n, answer.n);

    memset(more, 'x', sizeof(more));
    stream_memory_feed(inner, span_of(more, sizeof(more)), false);
    assert_int_equal(stream_read(st, more, 100, &got), STREAM_WANT_READ);
    assert_int_equal(stream_memory_unread(inner), 0);
    stream_memory_feed(inner, (struct span){0}, true);
    assert_int_equal(stream_read(st, more, 100, &got), STREAM_EOF);
    assert_int_equal(stream_read(st, more, 100, &got), STREAM_EOF);
    stream_free(st);
}

static void rejected_request_is_answered_and_further_input_is_discarded(void **state)
{
    (void)state;
    check_refused("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http 404: no such path",
                  "HTTP/1.1 404 Not Found\r\n");
    check_refused("\x10\x0c", "http 400: not HTTP: the client speaks MQTT",
                  "HTTP/1.1 400 Bad Request\r\n");
    check_refused("GET /mqtt HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\n\r\n",
                  "http 400: exactly one valid Sec-WebSocket-Key is required",
                  "HTTP/1.1 400 Bad Request\r\n");
}

static void head_above_the_size_limit_is_rejected(void **state)
{
    char *text = malloc(20000);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', 20000);
    memcpy(text, "GET /mqtt?", 10);
    struct stream *st = ws_over((struct stream_memory_script){.input = span_of(text, 20000)});
    assert_int_equal(stream_open(st), STREAM_ERR);
    assert_string_equal(stream_error(st), "http 431: request head too large");
    assert_int_equal(stream_memory_unread(stream_ws_inner(st)), 20000 - WS_UPGRADE_HEAD_MAX);
    stream_free(st);
    free(text);
}

static void close_by_the_client_during_the_upgrade_is_reported(void **state)
{
    char byte;
    size_t got;
    (void)state;
    struct stream *st =
        ws_over((struct stream_memory_script){.input = span_of_str("GET /mq"), .eof = true});
    assert_int_equal(stream_open(st), STREAM_ERR);
    assert_string_equal(stream_error(st), "the client closed the connection during the upgrade");
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_int_equal(output_of(st).n, 0);
    assert_int_equal(stream_read(st, &byte, 1, &got), STREAM_EOF);
    stream_free(st);
}

static void deadline_in_the_upgrade_closes_without_a_response(void **state)
{
    char byte;
    size_t put, got;
    (void)state;
    struct stream *st = ws_over((struct stream_memory_script){.input = span_of_str("GET /mq")});
    assert_int_equal(stream_open(st), STREAM_WANT_READ);
    assert_int_equal(stream_write(st, "x", 1, &put), STREAM_OK);
    stream_ws_set_close_code(st, WS_CLOSE_GOING_AWAY);
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_int_equal(output_of(st).n, 0);
    assert_int_equal(stream_read(st, &byte, 1, &got), STREAM_WANT_READ);
    stream_free(st);
}

static void deadline_before_the_inner_stream_is_open_reads_nothing(void **state)
{
    char byte;
    size_t got;
    (void)state;
    struct stream *st = ws_over((struct stream_memory_script){.open_waits = 2});
    assert_int_equal(stream_open(st), STREAM_WANT_READ);
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_int_equal(stream_read(st, &byte, 1, &got), STREAM_ERR);
    stream_free(st);
}

static void faults_of_the_inner_stream_are_returned(void **state)
{
    static const struct stream_memory_script scripts[] = {
        {.open_fails = true},
        {.read_fails = true, .read_fails_at = 9},
        {.write_fails = true, .write_fails_at = 9},
    };
    static const char *const words[] = {"scripted open fault", "scripted read fault",
                                        "scripted write fault"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct stream_memory_script script = scripts[i];
        char byte;
        size_t n;
        script.input = span_of_str(WS_REQUEST_TEXT);
        struct stream *st = ws_over(script);
        assert_int_equal(open_fully(st), STREAM_ERR);
        assert_string_equal(stream_error(st), words[i]);
        assert_int_equal(stream_open(st), STREAM_ERR);
        assert_int_equal(stream_write(st, "x", 1, &n), STREAM_ERR);
        assert_int_equal(stream_close_write(st), STREAM_OK);
        assert_int_equal(stream_read(st, &byte, 1, &n), STREAM_ERR);
        stream_free(st);
    }
}

static void frames_received_with_the_request_are_read_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= 20; piece++) {
        struct bytes input = {0}, payload = {0};
        bytes_add(&input, WS_REQUEST_TEXT, strlen(WS_REQUEST_TEXT));
        add_text_frame(&input, FIN | BINARY, "first");
        add_text_frame(&input, FIN | BINARY, "second");
        struct stream *st = ws_over((struct stream_memory_script){.input = bytes_span(&input)});
        assert_int_equal(stream_open(st), STREAM_OK);
        assert_int_equal(stream_memory_unread(stream_ws_inner(st)), 0);
        assert_int_equal(read_fully(st, piece, &payload), STREAM_WANT_READ);
        assert_bytes(bytes_span(&payload), "firstsecond", 11);
        stream_free(st);
        bytes_free(&input);
        bytes_free(&payload);
    }
}

static void facts_contain_subprotocol_and_forwarded_addresses(void **state)
{
    struct ws_facts facts;
    (void)state;
    struct stream *st = ws_over((struct stream_memory_script){
        .input = span_of_str(WS_REQUEST_HEAD "x-forwarded-for: 192.0.2.1\r\n"
                                             "X-Forwarded-For: 10.0.0.1\r\n\r\n")});
    stream_ws_facts(st, &facts);
    assert_null(facts.subprotocol);
    assert_null(facts.forwarded.p);
    assert_int_equal(facts.status, 0);
    assert_int_equal(stream_open(st), STREAM_OK);
    stream_ws_facts(st, &facts);
    assert_string_equal(facts.subprotocol, "mqtt");
    assert_bytes(facts.forwarded, "192.0.2.1, 10.0.0.1", 19);
    assert_int_equal(facts.status, 101);
    assert_int_equal(facts.close_code_received, 0);
    assert_int_equal(facts.close_code_sent, 0);
    stream_free(st);

    st = ws_opened((struct stream_memory_script){0});
    stream_ws_facts(st, &facts);
    assert_null(facts.forwarded.p);
    stream_free(st);
}

static void freeing_a_stream_without_an_upgrade_frees_its_inner_stream(void **state)
{
    (void)state; /* checked by the leak sanitizer */
    stream_free(ws_over((struct stream_memory_script){0}));
    struct stream *st = ws_over((struct stream_memory_script){.input = span_of_str("GET ")});
    assert_int_equal(stream_open(st), STREAM_WANT_READ);
    stream_free(st);
    struct bytes input = {0};
    size_t got = 0;
    char piece[64];
    bytes_add(&input, WS_REQUEST_TEXT, strlen(WS_REQUEST_TEXT));
    add_text_frame(&input, FIN | BINARY, "half a frame");
    st = ws_over((struct stream_memory_script){.input = span_of(input.p, input.n - 3)});
    assert_int_equal(stream_open(st), STREAM_OK);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &got), STREAM_OK);
    stream_free(st);
    bytes_free(&input);
}

/* A stream that counts the calls and passes them on to an inner stream, which it owns. */
struct counting {
    struct stream stream;
    struct stream *inner;
    unsigned reads, writes;
};

static enum stream_result counting_open(struct stream *st)
{
    return stream_open(CONTAINER_OF(st, struct counting, stream)->inner);
}

static enum stream_result counting_read(struct stream *st, void *p, size_t n, size_t *got)
{
    struct counting *c = CONTAINER_OF(st, struct counting, stream);
    c->reads++;
    return stream_read(c->inner, p, n, got);
}

static enum stream_result counting_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct counting *c = CONTAINER_OF(st, struct counting, stream);
    c->writes++;
    return stream_write(c->inner, p, n, put);
}

static enum stream_result counting_close_write(struct stream *st)
{
    return stream_close_write(CONTAINER_OF(st, struct counting, stream)->inner);
}

static void counting_free(struct stream *st)
{
    stream_free(CONTAINER_OF(st, struct counting, stream)->inner);
}

static const char *counting_error(const struct stream *st)
{
    return stream_error(CONTAINER_OF(st, const struct counting, stream)->inner);
}

static const struct stream_ops counting_ops = {.open = counting_open,
                                               .read = counting_read,
                                               .write = counting_write,
                                               .close_write = counting_close_write,
                                               .free = counting_free,
                                               .error = counting_error};

static void small_message_takes_one_inner_call_per_direction(void **state)
{
    struct bytes input = {0};
    uint8_t message[100] = {0}, piece[16384];
    size_t n = 0;
    (void)state;
    struct stream_memory_script script = {.input = span_of_str(WS_REQUEST_TEXT)};
    struct counting counting = {.stream = {.ops = &counting_ops},
                                .inner = stream_memory_new(&script)};
    struct stream *st = stream_ws_accept(&counting.stream, &ws_conf);
    assert_int_equal(stream_open(st), STREAM_OK);
    assert_int_equal(counting.reads, 1);
    assert_int_equal(counting.writes, 1);
    add_frame(&input, FIN | BINARY, message, sizeof(message));
    stream_memory_feed(counting.inner, bytes_span(&input), false);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &n), STREAM_OK);
    assert_int_equal(n, sizeof(message));
    assert_int_equal(counting.reads, 2);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &n), STREAM_WANT_READ);
    assert_int_equal(counting.reads,
                     3); /* TCP and TLS return from some of these without a system call */
    assert_int_equal(stream_write(st, message, sizeof(message), &n), STREAM_OK);
    assert_int_equal(n, sizeof(message));
    assert_int_equal(counting.writes, 2);
    stream_free(st);
    bytes_free(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(response_has_the_accept_value_of_the_rfc_example),
        cmocka_unit_test(upgrade_succeeds_for_any_sizes_of_reads_and_writes),
        cmocka_unit_test(response_waits_for_room_and_is_then_continued),
        cmocka_unit_test(rejected_request_is_answered_and_further_input_is_discarded),
        cmocka_unit_test(head_above_the_size_limit_is_rejected),
        cmocka_unit_test(close_by_the_client_during_the_upgrade_is_reported),
        cmocka_unit_test(deadline_in_the_upgrade_closes_without_a_response),
        cmocka_unit_test(deadline_before_the_inner_stream_is_open_reads_nothing),
        cmocka_unit_test(faults_of_the_inner_stream_are_returned),
        cmocka_unit_test(frames_received_with_the_request_are_read_in_pieces_of_any_size),
        cmocka_unit_test(facts_contain_subprotocol_and_forwarded_addresses),
        cmocka_unit_test(freeing_a_stream_without_an_upgrade_frees_its_inner_stream),
        cmocka_unit_test(small_message_takes_one_inner_call_per_direction),
    };
    return cmocka_run_group_tests_name("stream_ws", tests, NULL, NULL);
}
