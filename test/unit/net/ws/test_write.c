/*
 * Tests of frames_out.c and of writing: data frames, control frames between them, and the close.
 *
 * The scripted inner stream asserts that a write that has returned WANT_WRITE is repeated with the
 * same bytes.
 */
#include "ws_testing.h"

/*
 * Append the payload of all frames in `left` to *payload. The frames must be complete, final and
 * binary. Returns their number.
 */
static size_t unframe(struct span left, struct bytes *payload)
{
    struct sent_frame frame;
    size_t n = 0;
    for (; next_sent(&left, &frame); n++) {
        assert_int_equal(frame.first, FIN | BINARY);
        bytes_add(payload, frame.payload.p, frame.payload.n);
    }
    return n;
}

static uint8_t *counting_bytes(size_t n)
{
    uint8_t *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 31 + i / 256);
    return p;
}

/* Make the stream read a frame. The caller still owns the frame. */
static enum stream_result give_frame(struct stream *st, struct bytes *frame)
{
    char piece[64];
    size_t got = 0;
    bytes_free(frame);
    add_text_frame(frame, FIN | PING, "ping");
    stream_memory_feed(stream_ws_inner(st), bytes_span(frame), false);
    return stream_read(st, piece, sizeof(piece), &got);
}

static void example_of_the_rfc_is_written_as_an_unmasked_frame(void **state)
{
    size_t put = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){0});
    assert_int_equal(stream_write(st, "Hello", 5, &put), STREAM_OK);
    assert_int_equal(put, 5);
    assert_output(st, "\x82\x05Hello", 7); /* RFC 6455 section 5.7, binary */
    stream_free(st);
}

static void each_write_becomes_one_frame_of_the_same_length(void **state)
{
    static const size_t lengths[] = {1, 125, 126, 127, 255, 256, 16383, 16384, 16385, 40000};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct bytes payload = {0};
        size_t put = 0, n = lengths[i];
        uint8_t *p = counting_bytes(n);
        struct stream *st = ws_opened((struct stream_memory_script){0});
        assert_int_equal(stream_write(st, p, n, &put), STREAM_OK);
        assert_int_equal(put, size_min(n, WS_FRAME_PAYLOAD_MAX));
        assert_int_equal(unframe(output_of(st), &payload), 1);
        assert_bytes(bytes_span(&payload), p, put);
        stream_free(st);
        bytes_free(&payload);
        free(p);
    }
}

static void all_bytes_are_written_for_any_amount_of_room(void **state)
{
    static const struct stream_memory_script scripts[] = {
        {.write_max = 1},  {.write_max = 3, .wait_every = 2},    {.write_max = 7, .wait_every = 3},
        {.wait_every = 2}, {.write_max = 4000, .wait_every = 5},
    };
    enum { LENGTH = 40000 };
    uint8_t *p = counting_bytes(LENGTH);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct bytes payload = {0};
        struct stream *st = ws_opened(scripts[i]);
        write_fully(st, p, 100);
        write_fully(st, p + 100, LENGTH - 100);
        assert_int_equal(unframe(output_of(st), &payload), 4);
        assert_bytes(bytes_span(&payload), p, LENGTH);
        assert_int_equal(close_fully(st), STREAM_OK);
        stream_free(st);
        bytes_free(&payload);
    }
    free(p);
}

static void repeated_write_may_grow_and_keeps_its_frame_length(void **state)
{
    struct bytes all = {0}, payload = {0};
    size_t put = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 1});
    struct stream *inner = stream_ws_inner(st);
    assert_int_equal(stream_write(st, "0123456789", 4, &put), STREAM_WANT_WRITE);
    assert_output(st, "\x82", 1); /* no payload has been written */
    for (size_t at = 0; at < 10;) {
        bytes_add(&all, output_of(st).p, output_of(st).n);
        stream_memory_consume(inner, output_of(st).n);
        if (stream_write(st, &"0123456789"[at], 10 - at, &put) == STREAM_OK)
            at += put;
    }
    bytes_add(&all, output_of(st).p, output_of(st).n);
    assert_int_equal(unframe(bytes_span(&all), &payload), 2); /* one of 4 bytes and one of 6 */
    assert_bytes(bytes_span(&payload), "0123456789", 10);
    assert_int_equal(all.p[1], 4);
    stream_free(st);
    bytes_free(&all);
    bytes_free(&payload);
}

static void incomplete_frame_is_completed_by_the_next_writes(void **state)
{
    size_t put = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 5});
    assert_int_equal(stream_write(st, "abcdef", 6, &put), STREAM_OK);
    assert_int_equal(put, 3);
    stream_memory_consume(stream_ws_inner(st), 5);
    assert_int_equal(stream_write(st, "d", 1, &put), STREAM_OK);
    assert_output(st, "d", 1);
    assert_int_equal(stream_write(st, "XYZ", 3, &put), STREAM_OK);
    assert_int_equal(put, 2); /* only the rest of the frame */
    assert_output(st, "dXY", 3);
    stream_free(st);
}

static void pong_waits_for_the_end_of_a_data_frame(void **state)
{
    struct bytes frame = {0};
    size_t put = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 20});
    struct stream *inner = stream_ws_inner(st);
    assert_int_equal(stream_write(st, "0123456789abcdefghijklmnop", 26, &put), STREAM_OK);
    assert_int_equal(put, 18);
    assert_int_equal(give_frame(st, &frame), STREAM_WANT_WRITE);
    stream_memory_consume(inner, 20);
    assert_int_equal(give_frame(st, &frame),
                     STREAM_WANT_WRITE); /* the data frame is still incomplete */
    assert_output(st, "", 0);
    assert_int_equal(stream_write(st, "ijklmnop", 8, &put), STREAM_OK);
    assert_int_equal(put, 8);
    assert_output(st, "ijklmnop\x8a\x04ping", 14);
    stream_free(st);
    bytes_free(&frame);
}

static void data_frame_waits_for_the_end_of_a_pong(void **state)
{
    struct bytes frame = {0};
    size_t put = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 4});
    struct stream *inner = stream_ws_inner(st);
    assert_int_equal(give_frame(st, &frame), STREAM_WANT_WRITE);
    assert_output(st, "\x8a\x04pi", 4);
    assert_int_equal(stream_write(st, "data", 4, &put), STREAM_WANT_WRITE);
    stream_memory_consume(inner, 4);
    assert_int_equal(stream_write(st, "data", 4, &put), STREAM_WANT_WRITE);
    assert_output(st, "ng\x82\x04", 4);
    stream_memory_consume(inner, 4);
    assert_int_equal(stream_write(st, "data", 4, &put), STREAM_OK);
    assert_output(st, "data", 4);
    stream_free(st);
    bytes_free(&frame);
}

static void close_write_sends_code_1000_once(void **state)
{
    struct ws_facts facts;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){0});
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_output(st, "\x88\x02\x03\xe8", 4);
    assert_true(stream_memory_write_closed(stream_ws_inner(st)));
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_output(st, "\x88\x02\x03\xe8", 4);
    stream_ws_facts(st, &facts);
    assert_int_equal(facts.close_code_sent, 1000);
    stream_free(st);
}

static void close_write_sends_the_code_that_was_set(void **state)
{
    size_t put = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){0});
    assert_int_equal(stream_write(st, "\x20\x02\x00\x05", 4, &put), STREAM_OK);
    stream_ws_set_close_code(st, WS_CLOSE_POLICY_VIOLATION);
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_output(st, "\x82\x04\x20\x02\x00\x05\x88\x02\x03\xf0", 10);
    stream_free(st);
}

static void partly_written_close_frame_is_continued(void **state)
{
    struct bytes all = {0}, frame = {0};
    enum stream_result r;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 3});
    struct stream *inner = stream_ws_inner(st);
    assert_int_equal(give_frame(st, &frame), STREAM_WANT_WRITE); /* starts with a pong */
    while ((r = stream_close_write(st)) == STREAM_WANT_WRITE) {
        assert_false(stream_memory_write_closed(inner));
        bytes_add(&all, output_of(st).p, output_of(st).n);
        stream_memory_consume(inner, output_of(st).n);
    }
    assert_int_equal(r, STREAM_OK);
    bytes_add(&all, output_of(st).p, output_of(st).n);
    assert_bytes(bytes_span(&all), "\x8a\x04ping\x88\x02\x03\xe8", 10);
    stream_free(st);
    bytes_free(&all);
    bytes_free(&frame);
}

static void reading_works_while_a_data_frame_is_incomplete(void **state)
{
    struct bytes frame = {0};
    char piece[64];
    size_t n = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 10});
    struct stream *inner = stream_ws_inner(st);
    assert_int_equal(give_frame(st, &frame), STREAM_WANT_READ); /* its pong has been sent */
    assert_int_equal(stream_write(st, "abcdef", 6, &n), STREAM_OK);
    assert_int_equal(n, 2);
    bytes_free(&frame);
    add_text_frame(&frame, FIN | BINARY, "up");
    stream_memory_feed(inner, bytes_span(&frame), false);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &n), STREAM_OK);
    assert_int_equal(n, 2);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &n), STREAM_WANT_READ);
    stream_free(st);
    bytes_free(&frame);
}

static void no_close_frame_is_written_into_an_incomplete_frame(void **state)
{
    struct bytes frame = {0};
    struct ws_facts facts;
    char piece[64];
    size_t put = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 5});
    struct stream *inner = stream_ws_inner(st);
    assert_int_equal(stream_write(st, "abcdef", 6, &put), STREAM_OK);
    assert_int_equal(give_frame(st, &frame),
                     STREAM_WANT_WRITE); /* a pong waits for the end of the frame */
    stream_memory_consume(inner, 5);
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_true(stream_memory_write_closed(inner));
    bytes_free(&frame);
    add_close(&frame, 4000, "");
    stream_memory_feed(inner, bytes_span(&frame), false);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &put), STREAM_EOF);
    assert_output(st, "", 0);
    stream_ws_facts(st, &facts);
    assert_int_equal(facts.close_code_received, 4000);
    assert_int_equal(facts.close_code_sent, 0);
    stream_free(st);
    bytes_free(&frame);
}

static void nothing_is_sent_after_a_close_frame(void **state)
{
    struct bytes frame = {0};
    char piece[64];
    size_t n = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){0});
    add_close(&frame, 4000, "");
    stream_memory_feed(stream_ws_inner(st), bytes_span(&frame), false);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &n), STREAM_EOF);
    assert_int_equal(stream_write(st, "late", 4, &n), STREAM_OK);
    assert_int_equal(n, 4);
    assert_output(st, "\x88\x02\x0f\xa0", 4);
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_output(st, "\x88\x02\x0f\xa0", 4);
    stream_free(st);
    bytes_free(&frame);
}

/* The client closes or violates the protocol while a data frame is partly written. */
static void close_frame_is_sent_after_the_incomplete_frame(void **state)
{
    struct bytes frame = {0};
    char piece[64];
    size_t n = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 5});
    struct stream *inner = stream_ws_inner(st);
    assert_int_equal(stream_write(st, "abcdef", 6, &n), STREAM_OK);
    assert_int_equal(n, 3);
    add_text_frame(&frame, FIN | PING, "lost to the close frame");
    add_text_frame(&frame, FIN | CONTINUATION, "");
    stream_memory_feed(inner, bytes_span(&frame), false);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &n), STREAM_ERR);
    assert_string_equal(stream_error(st), "continuation frame without a message");
    stream_memory_consume(inner, 5);
    assert_int_equal(stream_write(st, "def and more", 12, &n), STREAM_OK);
    assert_int_equal(n, 3);
    assert_output(st, "def\x88\x02", 5);
    assert_int_equal(stream_write(st, " and more", 9, &n), STREAM_WANT_WRITE);
    stream_memory_consume(inner, 5);
    assert_int_equal(stream_write(st, " and more", 9, &n), STREAM_OK);
    assert_int_equal(n, 9);
    assert_output(st, "\x03\xea", 2);
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_output(st, "\x03\xea", 2);
    stream_free(st);
    bytes_free(&frame);
}

static void writing_works_after_the_client_ended_without_a_close_frame(void **state)
{
    char byte;
    size_t n = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){0});
    stream_memory_feed(stream_ws_inner(st), (struct span){0}, true);
    assert_int_equal(stream_read(st, &byte, 1, &n), STREAM_EOF);
    assert_int_equal(stream_read(st, &byte, 1, &n), STREAM_EOF);
    assert_int_equal(stream_write(st, "rest", 4, &n), STREAM_OK);
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_output(st, "\x82\x04rest\x88\x02\x03\xe8", 10);
    assert_int_equal(stream_read(st, &byte, 1, &n), STREAM_EOF);
    stream_free(st);
}

static void faults_of_the_inner_stream_are_returned(void **state)
{
    static const size_t places[] = {0, 1, 2, 4, 6};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        char byte;
        size_t at = 0, put = 0, got;
        enum stream_result r = STREAM_OK;
        struct stream *st = ws_opened((struct stream_memory_script){
            .write_fails = true, .write_fails_at = strlen(WS_RESPONSE_TEXT) + places[i]});
        for (; at < 5 && r == STREAM_OK; at += r == STREAM_OK ? put : 0)
            r = stream_write(st, &"Hello"[at], 5 - at, &put);
        assert_int_equal(r, STREAM_ERR);
        assert_string_equal(stream_error(st), "scripted write fault");
        assert_int_equal(stream_write(st, "x", 1, &put), STREAM_ERR);
        assert_int_equal(stream_read(st, &byte, 1, &got),
                         STREAM_WANT_READ); /* reading still works */
        assert_int_equal(stream_close_write(st), STREAM_OK);
        assert_int_equal(output_of(st).n, places[i]);
        stream_free(st);
    }
    struct stream *st = ws_opened((struct stream_memory_script){
        .write_fails = true, .write_fails_at = strlen(WS_RESPONSE_TEXT) + 1});
    assert_int_equal(stream_close_write(st), STREAM_ERR);
    assert_string_equal(stream_error(st), "scripted write fault");
    stream_free(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_of_the_rfc_is_written_as_an_unmasked_frame),
        cmocka_unit_test(each_write_becomes_one_frame_of_the_same_length),
        cmocka_unit_test(all_bytes_are_written_for_any_amount_of_room),
        cmocka_unit_test(repeated_write_may_grow_and_keeps_its_frame_length),
        cmocka_unit_test(incomplete_frame_is_completed_by_the_next_writes),
        cmocka_unit_test(pong_waits_for_the_end_of_a_data_frame),
        cmocka_unit_test(data_frame_waits_for_the_end_of_a_pong),
        cmocka_unit_test(close_write_sends_code_1000_once),
        cmocka_unit_test(close_write_sends_the_code_that_was_set),
        cmocka_unit_test(partly_written_close_frame_is_continued),
        cmocka_unit_test(reading_works_while_a_data_frame_is_incomplete),
        cmocka_unit_test(no_close_frame_is_written_into_an_incomplete_frame),
        cmocka_unit_test(nothing_is_sent_after_a_close_frame),
        cmocka_unit_test(close_frame_is_sent_after_the_incomplete_frame),
        cmocka_unit_test(writing_works_after_the_client_ended_without_a_close_frame),
        cmocka_unit_test(faults_of_the_inner_stream_are_returned),
    };
    return cmocka_run_group_tests_name("stream_ws_write", tests, NULL, NULL);
}
