/*
 * Tests of frames_in.c and of reading: payload of frames, ping and close frames, and each rule of
 * RFC 6455 that a client can violate.
 *
 * Inputs are read whole, byte by byte and split at every point, with large and small read sizes.
 * The split must not affect the result, except which of several pings is answered.
 */
#include "guard_page.h"
#include "ws_testing.h"

#define PIECE_MAX 32768u

struct outcome {
    enum stream_result result; /* of the last read */
    char error[64];            /* set if the result is STREAM_ERR */
    struct bytes payload;
    struct bytes output; /* frames written, including those of close_write() */
    unsigned received;   /* close code */
};

/* Read all input, in pieces of at most n bytes that end at a guard page. */
static enum stream_result read_guarded(struct stream *st, size_t n, struct bytes *payload)
{
    static struct guard_page guard;
    enum stream_result r;
    unsigned idle = 0;
    if (!guard.base)
        guard = guard_page_new(PIECE_MAX);
    uint8_t *piece = guard.base + guard.room - n;
    do {
        size_t got = 0;
        r = stream_read(st, piece, n, &got);
        if (r == STREAM_OK) {
            assert_in_range(got, 1, n);
            bytes_add(payload, piece, got);
        }
        idle = is_want(r) && stream_memory_unread(stream_ws_inner(st)) == 0 ? idle + 1 : 0;
    } while (r == STREAM_OK || (is_want(r) && idle < WS_TRIES));
    return r;
}

/* Feed the input in two parts split at `cut`, or byte by byte if `cut` is SIZE_MAX. */
static struct outcome run(struct span input, size_t cut, size_t piece,
                          struct stream_memory_script script)
{
    struct outcome o = {.result = STREAM_WANT_READ};
    struct ws_facts facts;
    bool eof = script.eof;
    script.eof = false;
    struct stream *st = ws_opened(script);
    for (size_t at = 0, end; at < input.n && is_want(o.result); at = end) {
        end = cut == SIZE_MAX ? at + 1 : at < cut ? size_min(cut, input.n) : input.n;
        stream_memory_feed(stream_ws_inner(st), span_of(input.p + at, end - at),
                           eof && end == input.n);
        o.result = read_guarded(st, piece, &o.payload);
    }
    if (o.result == STREAM_ERR)
        snprintf(o.error, sizeof(o.error), "%s", stream_error(st));
    assert_int_equal(close_fully(st), STREAM_OK);
    stream_ws_facts(st, &facts);
    o.received = facts.close_code_received;
    bytes_add(&o.output, output_of(st).p, output_of(st).n);
    stream_free(st);
    return o;
}

static void outcome_free(struct outcome *o)
{
    bytes_free(&o->payload);
    bytes_free(&o->output);
}

/* The code in the last frame written, which is the only close frame. */
static unsigned close_code_of(const struct outcome *o)
{
    struct span left = bytes_span(&o->output);
    struct sent_frame frame = {0};
    while (next_sent(&left, &frame))
        assert_int_equal(frame.first, FIN | (left.n == 0 ? CLOSE : PONG));
    assert_int_equal(frame.payload.n, 2);
    return (unsigned)frame.payload.p[0] << 8 | frame.payload.p[1];
}

struct expected {
    const char *payload;
    enum stream_result result;
    const char *error;
    unsigned sent, received; /* close codes */
};

static void check(struct outcome o, const struct expected *want)
{
    assert_bytes(bytes_span(&o.payload), want->payload, strlen(want->payload));
    assert_int_equal(o.result, want->result);
    assert_string_equal(o.error, want->error ? want->error : "");
    assert_int_equal(close_code_of(&o), want->sent);
    assert_int_equal(o.received, want->received);
    outcome_free(&o);
}

/* Check that the result is the same for every split of the input. Frees the input. */
static void reads(struct bytes *input, struct expected want)
{
    static const size_t pieces[] = {PIECE_MAX, 1, 3};
    const struct stream_memory_script script = {.eof = want.received == WS_CLOSE_ABNORMAL};
    struct stream_memory_script dribble = script;
    dribble.read_max = 2;
    dribble.write_max = 1;
    dribble.wait_every = 3;
    if (want.sent == 0)
        want.sent = WS_CLOSE_NORMAL;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        check(run(bytes_span(input), SIZE_MAX, pieces[i], script), &want);
        check(run(bytes_span(input), input->n, pieces[i], dribble), &want);
        for (size_t cut = 1; cut <= input->n; cut++)
            check(run(bytes_span(input), cut, pieces[i], script), &want);
    }
    bytes_free(input);
}

static void reads_payload(struct bytes *input, const char *payload)
{
    reads(input, (struct expected){.payload = payload, .result = STREAM_WANT_READ});
}

/*
 * Check that the frame `bad` is rejected after a valid frame, whose payload is still read.
 */
static void refused(struct bytes *bad, const char *error, unsigned code)
{
    struct bytes input = {0};
    add_text_frame(&input, FIN | BINARY, "good");
    bytes_add(&input, bad->p, bad->n);
    bytes_free(bad);
    reads(&input,
          (struct expected){.payload = "good", .result = STREAM_ERR, .error = error, .sent = code});
}

static void refused_frame(unsigned first, const char *payload, const char *error, unsigned code)
{
    struct bytes bad = {0};
    add_text_frame(&bad, first, payload);
    refused(&bad, error, code);
}

static void refused_bytes(const char *p, size_t n, const char *error)
{
    struct bytes bad = {0};
    bytes_add(&bad, p, n);
    refused(&bad, error, WS_CLOSE_PROTOCOL_ERROR);
}

/* RFC 6455 section 5.7, with binary frames instead of text frames. */
static void masked_example_frame_of_the_rfc_is_read(void **state)
{
    struct bytes input = {0};
    (void)state;
    bytes_add(&input, "\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    reads_payload(&input, "Hello");
}

static void packets_may_span_frames_and_share_a_frame(void **state)
{
    struct bytes input = {0};
    (void)state;
    add_text_frame(&input, FIN | BINARY, "\x30");
    add_text_frame(&input, FIN | BINARY, "\x05");
    add_text_frame(&input, FIN | BINARY, "");
    add_text_frame(&input, FIN | BINARY, "topic\x30\x04next");
    reads_payload(&input, "\x30\x05topic\x30\x04next");
}

static void fragments_with_control_frames_between_them_are_joined(void **state)
{
    struct bytes input = {0};
    (void)state;
    add_text_frame(&input, BINARY, "one ");
    add_text_frame(&input, FIN | PONG, "unsolicited");
    add_text_frame(&input, CONTINUATION, "");
    add_text_frame(&input, CONTINUATION, "message ");
    add_text_frame(&input, FIN | PONG, "");
    add_text_frame(&input, FIN | CONTINUATION, "in four");
    add_text_frame(&input, FIN | BINARY, "; another");
    reads_payload(&input, "one message in four; another");
}

static void all_three_length_forms_are_read(void **state)
{
    static const size_t lengths[] = {125, 126, 127, 300, 65535, 65536, 70000};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct bytes input = {0};
        char *payload = malloc(lengths[i]);
        assert_non_null(payload);
        for (size_t k = 0; k < lengths[i]; k++)
            payload[k] = (char)(k * 7 + k / 251);
        add_frame(&input, FIN | BINARY, payload, lengths[i]);
        for (size_t cut = 0; cut <= 15; cut++) {
            struct outcome o =
                run(bytes_span(&input), cut, 1000 + cut, (struct stream_memory_script){0});
            assert_int_equal(o.result, STREAM_WANT_READ);
            assert_bytes(bytes_span(&o.payload), payload, lengths[i]);
            outcome_free(&o);
        }
        free(payload);
        bytes_free(&input);
    }
}

static void one_megabyte_frame_is_read_through_a_small_buffer(void **state)
{
    enum { LENGTH = 1 << 20 };
    struct bytes input = {0}, payload = {0};
    uint8_t piece[512], *all = malloc(LENGTH);
    enum stream_result r;
    size_t got = 0;
    (void)state;
    assert_non_null(all);
    for (size_t i = 0; i < LENGTH; i++)
        all[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
    add_frame(&input, FIN | BINARY, all, LENGTH);
    struct stream *st = ws_opened((struct stream_memory_script){0});
    stream_memory_feed(stream_ws_inner(st), bytes_span(&input), true);
    while ((r = stream_read(st, piece, sizeof(piece), &got)) == STREAM_OK)
        bytes_add(&payload, piece, got);
    assert_int_equal(r, STREAM_EOF);
    assert_bytes(bytes_span(&payload), all, LENGTH);
    stream_free(st);
    bytes_free(&input);
    bytes_free(&payload);
    free(all);
}

/* Check the output after the input has been read, without close_write(). */
static void answers(struct bytes *input, const char *payload, const void *want, size_t want_n)
{
    struct bytes got = {0};
    struct stream *st = ws_opened((struct stream_memory_script){0});
    stream_memory_feed(stream_ws_inner(st), bytes_span(input), false);
    (void)!read_fully(st, PIECE_MAX, &got);
    assert_bytes(bytes_span(&got), payload, strlen(payload));
    assert_output(st, want, want_n);
    stream_free(st);
    bytes_free(input);
    bytes_free(&got);
}

static void ping_is_answered_with_its_payload(void **state)
{
    char payload[125];
    struct bytes input = {0};
    (void)state;
    add_text_frame(&input, FIN | PING, "Hello");
    answers(&input, "", "\x8a\x05Hello", 7); /* RFC 6455 section 5.7 */
    add_text_frame(&input, FIN | PING, "");
    answers(&input, "", "\x8a\x00", 2);
    add_text_frame(&input, FIN | BINARY, "data");
    add_text_frame(&input, FIN | PING, "x");
    answers(&input, "data", "\x8a\x01x", 3);
    memset(payload, 'p', sizeof(payload));
    add_frame(&input, FIN | PING, payload, sizeof(payload));
    struct outcome o = run(bytes_span(&input), SIZE_MAX, 1, (struct stream_memory_script){0});
    assert_int_equal(o.output.n, 2 + sizeof(payload) + 4);
    assert_memory_equal(o.output.p, "\x8a\x7d", 2);
    assert_memory_equal(o.output.p + 2, payload, sizeof(payload));
    outcome_free(&o);
    bytes_free(&input);
}

static void only_the_last_of_several_pings_read_together_is_answered(void **state)
{
    struct bytes input = {0};
    char text[8];
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        snprintf(text, sizeof(text), "%u", i);
        add_text_frame(&input, FIN | PING, text);
    }
    add_text_frame(&input, FIN | BINARY, "data");
    answers(&input, "data",
            "\x8a\x03"
            "499",
            5);
}

static void each_ping_read_on_its_own_is_answered(void **state)
{
    struct bytes want = {0};
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){0});
    for (unsigned i = 0; i < 500; i++) {
        struct bytes input = {0}, none = {0};
        const uint8_t pong[3] = {FIN | PONG, 1, (uint8_t)i};
        add_frame(&input, FIN | PING, pong + 2, 1);
        stream_memory_feed(stream_ws_inner(st), bytes_span(&input), false);
        assert_int_equal(read_fully(st, 100, &none), STREAM_WANT_READ);
        bytes_add(&want, pong, sizeof(pong));
        bytes_free(&input);
    }
    assert_output(st, want.p, want.n);
    bytes_free(&want);
    stream_free(st);
}

static void reading_waits_while_a_pong_cannot_be_sent(void **state)
{
    struct bytes input = {0};
    char piece[64];
    size_t got = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 3});
    struct stream *inner = stream_ws_inner(st);
    add_text_frame(&input, FIN | PING, "Hello");
    add_text_frame(&input, FIN | BINARY, "x");
    stream_memory_feed(inner, bytes_span(&input), false);
    assert_int_equal(stream_read(st, piece, 11, &got), STREAM_WANT_WRITE);
    assert_int_equal(stream_read(st, piece, 11, &got), STREAM_WANT_WRITE);
    assert_int_equal(stream_memory_unread(inner), 7); /* not read while the pong waits */
    assert_output(st, "\x8a\x05H", 3);
    stream_memory_consume(inner, 3);
    assert_int_equal(stream_read(st, piece, 11, &got), STREAM_WANT_WRITE);
    assert_output(st, "ell", 3);
    stream_memory_consume(inner, 3);
    assert_int_equal(stream_read(st, piece, 11, &got), STREAM_OK);
    assert_int_equal(got, 1);
    assert_output(st, "o", 1);
    stream_free(st);
    bytes_free(&input);
}

static void payload_is_returned_before_waiting_to_send_a_pong(void **state)
{
    struct bytes input = {0};
    char piece[64];
    size_t got = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){.room = 1});
    add_text_frame(&input, FIN | PING, "p");
    add_text_frame(&input, FIN | BINARY, "data");
    stream_memory_feed(stream_ws_inner(st), bytes_span(&input), false);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &got), STREAM_OK);
    assert_int_equal(got, 4);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &got), STREAM_WANT_WRITE);
    stream_free(st);
    bytes_free(&input);
}

static void flood_without_payload_yields_to_other_sessions(void **state)
{
    struct bytes input = {0};
    char piece[16384];
    size_t got = 0;
    (void)state;
    for (unsigned i = 0; i < 40000; i++)
        add_text_frame(&input, FIN | PONG, "");
    struct stream *st = ws_opened((struct stream_memory_script){0});
    stream_memory_feed(stream_ws_inner(st), bytes_span(&input), false);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &got), STREAM_WANT_WRITE);
    assert_int_equal(stream_memory_unread(stream_ws_inner(st)), input.n - 65536);
    struct bytes none = {0};
    assert_int_equal(read_fully(st, sizeof(piece), &none), STREAM_WANT_READ);
    assert_int_equal(none.n, 0);
    stream_free(st);
    bytes_free(&input);
}

static void close_frame_is_answered_with_its_code_and_ends_reading(void **state)
{
    static const unsigned codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                     1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct bytes input = {0};
        add_text_frame(&input, FIN | BINARY, "last");
        add_close(&input, codes[i],
                  i % 2 ? "Gr\xc3\xbc\xc3\x9f"
                          "e"
                        : "");
        reads(&input,
              (struct expected){
                  .payload = "last", .result = STREAM_EOF, .sent = codes[i], .received = codes[i]});
    }
}

static void close_frame_without_a_code_is_answered_with_1000(void **state)
{
    struct bytes input = {0};
    (void)state;
    add_text_frame(&input, FIN | CLOSE, "");
    reads(&input,
          (struct expected){.payload = "", .result = STREAM_EOF, .received = WS_CLOSE_NO_STATUS});
}

static void close_frame_is_answered_immediately(void **state)
{
    struct bytes input = {0};
    (void)state;
    add_close(&input, 1001, "bye");
    answers(&input, "", "\x88\x02\x03\xe9", 4);
}

static void close_between_the_fragments_of_a_message_is_accepted(void **state)
{
    struct bytes input = {0};
    (void)state;
    add_text_frame(&input, BINARY, "half");
    add_close(&input, 1000, "");
    reads(&input,
          (struct expected){.payload = "half", .result = STREAM_EOF, .received = WS_CLOSE_NORMAL});
}

static void bytes_after_a_close_frame_are_not_read(void **state)
{
    struct bytes input = {0};
    (void)state;
    add_close(&input, 1000, "");
    add_text_frame(&input, FIN | BINARY, "more");
    add_text_frame(&input, FIN | TEXT, "and broken rules");
    reads(&input,
          (struct expected){.payload = "", .result = STREAM_EOF, .received = WS_CLOSE_NORMAL});
}

static void end_without_a_close_frame_is_reported_as_1006(void **state)
{
    struct bytes input = {0};
    (void)state;
    add_text_frame(&input, FIN | BINARY, "last");
    reads(&input, (struct expected){
                      .payload = "last", .result = STREAM_EOF, .received = WS_CLOSE_ABNORMAL});
    add_text_frame(&input, FIN | BINARY, "last");
    bytes_add(&input, "\x82\x87\x37", 3);
    reads(&input, (struct expected){
                      .payload = "last", .result = STREAM_EOF, .received = WS_CLOSE_ABNORMAL});
    add_text_frame(&input, FIN | BINARY, "lost");
    input.n -= 2;
    reads(&input,
          (struct expected){.payload = "lo", .result = STREAM_EOF, .received = WS_CLOSE_ABNORMAL});
}

static void unmasked_frame_is_rejected(void **state)
{
    (void)state;
    refused_bytes("\x82\x05Hello", 7, "unmasked frame");
    refused_bytes("\x82\x00", 2, "unmasked frame");
    refused_bytes("\x89\x00", 2, "unmasked frame");
}

static void reserved_bits_are_rejected(void **state)
{
    (void)state;
    for (unsigned bit = 0x10; bit <= 0x40; bit <<= 1) {
        refused_frame(FIN | bit | BINARY, "x", "reserved bit in a frame", 1002);
        refused_frame(FIN | bit | PING, "", "reserved bit in a frame", 1002);
    }
}

static void reserved_opcodes_are_rejected(void **state)
{
    (void)state;
    for (unsigned opcode = 3; opcode <= 15; opcode++)
        if (opcode < CLOSE || opcode > PONG)
            refused_frame(FIN | opcode, "", "reserved opcode", 1002);
}

static void text_frame_is_rejected_with_1003(void **state)
{
    (void)state;
    refused_frame(FIN | TEXT, "hello", "text frame", 1003);
    refused_frame(TEXT, "", "text frame", 1003);
}

static void messages_fragmented_incorrectly_are_rejected(void **state)
{
    struct bytes bad = {0};
    (void)state;
    refused_frame(FIN | CONTINUATION, "x", "continuation frame without a message", 1002);
    refused_frame(CONTINUATION, "", "continuation frame without a message", 1002);
    add_text_frame(&bad, BINARY, "");
    add_text_frame(&bad, FIN | BINARY, "x");
    refused(&bad, "new message inside a fragmented message", 1002);
}

static void fragmented_or_long_control_frames_are_rejected(void **state)
{
    char payload[127];
    struct bytes bad = {0};
    (void)state;
    memset(payload, 'x', sizeof(payload) - 1);
    payload[126] = '\0';
    refused_frame(PING, "x", "invalid frame header", 1002);
    refused_frame(CLOSE, "", "invalid frame header", 1002);
    add_text_frame(&bad, FIN | PING, payload);
    refused(&bad, "invalid frame header", 1002);
}

static void lengths_not_in_the_shortest_form_are_rejected(void **state)
{
    (void)state;
    refused_bytes("\x82\xfe\x00\x7d\x37\xfa\x21\x3d", 8, "invalid frame header");
    refused_bytes("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x37\xfa\x21\x3d", 14,
                  "invalid frame header");
    refused_bytes("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", 10, "invalid frame header");
    refused_bytes("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, "invalid frame header");
}

static void close_codes_that_must_not_be_sent_are_rejected(void **state)
{
    static const unsigned codes[] = {0,    1,    999,  1004, 1005, 1006,
                                     1015, 1016, 2000, 2999, 5000, 65535};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct bytes bad = {0};
        add_close(&bad, codes[i], "");
        refused(&bad, "invalid close code", 1002);
    }
    refused_frame(FIN | CLOSE, "\x03", "close frame with a payload of one byte", 1002);
}

static void close_reason_that_is_not_utf8_is_rejected(void **state)
{
    static const char *const reasons[] = {"\xff", "\xc3", "a\xe2\x82", "\xed\xa0\x80", "\xc0\x80"};
    struct bytes good = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        struct bytes bad = {0};
        add_close(&bad, 1000, reasons[i]);
        refused(&bad, "close reason is not UTF-8", 1002);
    }
    add_frame(&good, FIN | CLOSE, "\x03\xe8nul\0is a character", 21); /* RFC 3629 */
    reads(&good,
          (struct expected){.payload = "", .result = STREAM_EOF, .received = WS_CLOSE_NORMAL});
}

static void payload_of_the_longest_possible_frame_is_read(void **state)
{
    struct bytes input = {0};
    (void)state;
    bytes_add(&input, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0abc", 17);
    reads_payload(&input, "abc");
}

static void input_is_discarded_after_a_protocol_violation(void **state)
{
    char piece[64], more[1000];
    struct bytes input = {0};
    size_t got = 0;
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){0});
    struct stream *inner = stream_ws_inner(st);
    add_text_frame(&input, FIN | TEXT, "x");
    stream_memory_feed(inner, bytes_span(&input), false);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &got), STREAM_ERR);
    assert_output(st, "\x88\x02\x03\xeb", 4); /* sent immediately */
    assert_int_equal(stream_read(st, piece, sizeof(piece), &got), STREAM_ERR);
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_output(st, "\x88\x02\x03\xeb", 4);
    assert_true(stream_memory_write_closed(inner));
    memset(more, 'x', sizeof(more));
    stream_memory_feed(inner, span_of(more, sizeof(more)), true);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &got), STREAM_EOF);
    assert_int_equal(stream_read(st, piece, sizeof(piece), &got), STREAM_EOF);
    stream_free(st);
    bytes_free(&input);
}

static void payload_is_still_read_after_our_close_frame(void **state)
{
    struct bytes input = {0}, payload = {0};
    (void)state;
    struct stream *st = ws_opened((struct stream_memory_script){0});
    assert_int_equal(stream_close_write(st), STREAM_OK);
    add_text_frame(&input, FIN | BINARY, "on its way");
    add_text_frame(&input, FIN | PING, "nobody answers");
    add_close(&input, 1000, "");
    add_text_frame(&input, FIN | BINARY, "dropped");
    stream_memory_feed(stream_ws_inner(st), bytes_span(&input), true);
    assert_int_equal(read_fully(st, 100, &payload), STREAM_EOF);
    assert_bytes(bytes_span(&payload), "on its way", 10);
    assert_output(st, "\x88\x02\x03\xe8", 4);
    stream_free(st);
    bytes_free(&input);
    bytes_free(&payload);
}

/* paho-python answers our close frame with an unmasked frame. */
static void invalid_frame_after_our_close_frame_ends_the_stream(void **state)
{
    (void)state;
    static const char *const frames[] = {"\x88\x02\x03\xe8", "\x81\x01x", "\xff\xff\xff\xff"};
    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        struct stream *st = ws_opened((struct stream_memory_script){0});
        struct ws_facts facts;
        struct bytes payload = {0};
        assert_int_equal(close_fully(st), STREAM_OK);
        stream_memory_feed(stream_ws_inner(st), span_of(frames[i], 4), false);
        assert_int_equal(read_guarded(st, 64, &payload), STREAM_EOF);
        assert_int_equal(payload.n, 0);
        stream_ws_facts(st, &facts);
        assert_int_equal(facts.close_code_received, WS_CLOSE_ABNORMAL);
        assert_int_equal(facts.close_code_sent, WS_CLOSE_NORMAL);
        stream_free(st);
    }
}

static void faults_of_the_inner_stream_are_returned_after_the_bytes_before_them(void **state)
{
    struct bytes input = {0}, payload = {0};
    char byte;
    size_t got;
    (void)state;
    add_text_frame(&input, FIN | BINARY, "Hello");
    struct stream *st = ws_opened((struct stream_memory_script){
        .read_fails = true, .read_fails_at = strlen(WS_REQUEST_TEXT) + 8});
    stream_memory_feed(stream_ws_inner(st), bytes_span(&input), false);
    assert_int_equal(read_fully(st, 100, &payload), STREAM_ERR);
    assert_bytes(bytes_span(&payload), "He", 2);
    assert_string_equal(stream_error(st), "scripted read fault");
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_int_equal(output_of(st).n, 0);
    assert_int_equal(stream_read(st, &byte, 1, &got), STREAM_ERR);
    stream_free(st);
    bytes_free(&input);
    bytes_free(&payload);
}

/*
 * A client that has closed its socket answers our pong with RST. The bytes that it sent before can
 * still be read.
 */
static void frames_are_read_when_a_pong_cannot_be_written(void **state)
{
    struct bytes input = {0}, payload = {0};
    char byte;
    size_t n;
    (void)state;
    add_text_frame(&input, FIN | PING, "Hello");
    add_text_frame(&input, FIN | BINARY, "last");
    add_text_frame(&input, FIN | PING, "Hello");
    add_text_frame(&input, FIN | BINARY, "words");
    add_text_frame(&input, FIN | CLOSE, "\x03\xe8");
    struct stream *st = ws_opened((struct stream_memory_script){
        .write_fails = true, .read_max = 7, .write_fails_at = strlen(WS_RESPONSE_TEXT) + 2});
    stream_memory_feed(stream_ws_inner(st), bytes_span(&input), true);
    assert_int_equal(read_fully(st, 100, &payload), STREAM_EOF);
    assert_bytes(bytes_span(&payload), "lastwords", 9);
    assert_int_equal(stream_write(st, "x", 1, &n), STREAM_ERR);
    assert_string_equal(stream_error(st), "scripted write fault");
    assert_int_equal(stream_close_write(st), STREAM_OK);
    assert_int_equal(stream_read(st, &byte, 1, &n), STREAM_EOF);
    stream_free(st);
    bytes_free(&input);
    bytes_free(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masked_example_frame_of_the_rfc_is_read),
        cmocka_unit_test(packets_may_span_frames_and_share_a_frame),
        cmocka_unit_test(fragments_with_control_frames_between_them_are_joined),
        cmocka_unit_test(all_three_length_forms_are_read),
        cmocka_unit_test(one_megabyte_frame_is_read_through_a_small_buffer),
        cmocka_unit_test(ping_is_answered_with_its_payload),
        cmocka_unit_test(only_the_last_of_several_pings_read_together_is_answered),
        cmocka_unit_test(each_ping_read_on_its_own_is_answered),
        cmocka_unit_test(reading_waits_while_a_pong_cannot_be_sent),
        cmocka_unit_test(payload_is_returned_before_waiting_to_send_a_pong),
        cmocka_unit_test(flood_without_payload_yields_to_other_sessions),
        cmocka_unit_test(close_frame_is_answered_with_its_code_and_ends_reading),
        cmocka_unit_test(close_frame_without_a_code_is_answered_with_1000),
        cmocka_unit_test(close_frame_is_answered_immediately),
        cmocka_unit_test(close_between_the_fragments_of_a_message_is_accepted),
        cmocka_unit_test(bytes_after_a_close_frame_are_not_read),
        cmocka_unit_test(end_without_a_close_frame_is_reported_as_1006),
        cmocka_unit_test(unmasked_frame_is_rejected),
        cmocka_unit_test(reserved_bits_are_rejected),
        cmocka_unit_test(reserved_opcodes_are_rejected),
        cmocka_unit_test(text_frame_is_rejected_with_1003),
        cmocka_unit_test(messages_fragmented_incorrectly_are_rejected),
        cmocka_unit_test(fragmented_or_long_control_frames_are_rejected),
        cmocka_unit_test(lengths_not_in_the_shortest_form_are_rejected),
        cmocka_unit_test(close_codes_that_must_not_be_sent_are_rejected),
        cmocka_unit_test(close_reason_that_is_not_utf8_is_rejected),
        cmocka_unit_test(payload_of_the_longest_possible_frame_is_read),
        cmocka_unit_test(input_is_discarded_after_a_protocol_violation),
        cmocka_unit_test(payload_is_still_read_after_our_close_frame),
        cmocka_unit_test(invalid_frame_after_our_close_frame_ends_the_stream),
        cmocka_unit_test(faults_of_the_inner_stream_are_returned_after_the_bytes_before_them),
        cmocka_unit_test(frames_are_read_when_a_pong_cannot_be_written),
    };
    return cmocka_run_group_tests_name("stream_ws_read", tests, NULL, NULL);
}
