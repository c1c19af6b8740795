/*
 * ws_testing.h - shared code of the WebSocket stream tests: requests, client frames, and a stream
 * over a scripted stream.
 */
#ifndef UNIT_NET_WS_WS_TESTING_H
#define UNIT_NET_WS_WS_TESTING_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/stream_memory.h"
#include "net/ws/stream.h"
#include "unit.h"

#define WS_REQUEST_HEAD                                                                            \
    "GET /mqtt HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"                     \
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                       \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n"
#define WS_REQUEST_TEXT WS_REQUEST_HEAD "\r\n"

/* The accept value of the example key in RFC 6455 section 1.3. */
#define WS_RESPONSE_TEXT                                                                           \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

enum { FIN = 0x80, CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* A growing array of bytes. */
struct bytes {
    uint8_t *p; /* owned */
    size_t n, room;
};

static inline void bytes_add(struct bytes *b, const void *p, size_t n)
{
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n);
        b->p = realloc(b->p, b->room);
        assert_non_null(b->p);
    }
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

static inline void bytes_free(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){0};
}

static inline struct span bytes_span(const struct bytes *b)
{
    return span_of(b->p, b->n);
}

/* Append a client's frame (RFC 6455 section 5.2), masked with the key of section 5.7. */
static inline void add_frame(struct bytes *b, unsigned first, const void *payload, size_t n)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t header[10] = {(uint8_t)first};
    size_t length_n = n < 126 ? 0 : n < 65536 ? 2 : 8;
    header[1] = (uint8_t)(0x80 | (length_n == 0 ? n : length_n == 2 ? 126 : 127));
    for (size_t i = 0; i < length_n; i++)
        header[2 + i] = (uint8_t)((uint64_t)n >> (8 * (length_n - 1 - i)));
    bytes_add(b, header, 2 + length_n);
    bytes_add(b, mask, 4);
    size_t at = b->n;
    bytes_add(b, payload, n);
    for (size_t i = 0; i < n; i++)
        b->p[at + i] ^= mask[i % 4];
}

static inline void add_text_frame(struct bytes *b, unsigned first, const char *payload)
{
    add_frame(b, first, payload, strlen(payload));
}

static inline void add_close(struct bytes *b, unsigned code, const char *reason)
{
    char payload[125];
    size_t n = strlen(reason);
    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    memcpy(payload + 2, reason, n);
    add_frame(b, FIN | CLOSE, payload, 2 + n);
}

static const struct stream_ws_conf ws_conf = {
    .upgrade = {.path = {(const uint8_t *)"/mqtt", 5},
                .client_address_header = {(const uint8_t *)"X-Forwarded-For", 15}}};

/* Create a WebSocket stream over a scripted stream. */
static inline struct stream *ws_over(struct stream_memory_script script)
{
    struct stream *inner = stream_memory_new(&script);
    assert_non_null(inner);
    struct stream *st = stream_ws_accept(inner, &ws_conf);
    assert_non_null(st);
    return st;
}

/* Does this result mean "call again"? Scripted streams need no waiting. */
static inline bool is_want(enum stream_result r)
{
    return r == STREAM_WANT_READ || r == STREAM_WANT_WRITE;
}

/* After this many calls without input, a stream makes no more progress. */
#define WS_TRIES 16

/* Open as far as the script's input allows. Consumes output if the stream needs room. */
static inline enum stream_result open_fully(struct stream *st)
{
    struct stream *inner = stream_ws_inner(st);
    enum stream_result r;
    size_t idle = 0;
    while (is_want(r = stream_open(st)) && idle < WS_TRIES) {
        idle = stream_memory_unread(inner) == 0 && r == STREAM_WANT_READ ? idle + 1 : 0;
        if (r == STREAM_WANT_WRITE)
            stream_memory_consume(inner, stream_memory_output(inner).n);
    }
    return r;
}

/* Create and open a stream. No input is left, and the 101 response is consumed. */
static inline struct stream *ws_opened(struct stream_memory_script script)
{
    script.input = span_of_str(WS_REQUEST_TEXT);
    struct stream *st = ws_over(script);
    assert_int_equal(open_fully(st), STREAM_OK);
    struct stream *inner = stream_ws_inner(st);
    stream_memory_consume(inner, stream_memory_output(inner).n);
    return st;
}

/*
 * Read all payload, at most n bytes per call. Stops when the script has no more input. Returns the
 * last result.
 */
static inline enum stream_result read_fully(struct stream *st, size_t n, struct bytes *payload)
{
    uint8_t piece[32768];
    enum stream_result r;
    size_t idle = 0;
    assert_true(n <= sizeof(piece));
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

/* Write all bytes like a relay, which repeats the rest after a partial write. */
static inline void write_fully(struct stream *st, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t put = 0;
        enum stream_result r = stream_write(st, (const uint8_t *)p + at, n - at, &put);
        if (r == STREAM_OK) {
            assert_in_range(put, 1, n - at);
            at += put;
        } else {
            assert_true(is_want(r));
        }
    }
}

static inline enum stream_result close_fully(struct stream *st)
{
    enum stream_result r;
    do
        r = stream_close_write(st);
    while (is_want(r));
    return r;
}

static inline struct span output_of(struct stream *st)
{
    return stream_memory_output(stream_ws_inner(st));
}

static inline void assert_bytes(struct span got, const void *want, size_t n)
{
    assert_int_equal(got.n, n);
    if (n > 0)
        assert_memory_equal(got.p, want, n);
}

static inline void assert_output(struct stream *st, const void *want, size_t n)
{
    assert_bytes(output_of(st), want, n);
}

/* A server's frame, removed from the front of `left`. */
struct sent_frame {
    unsigned first; /* FIN, reserved bits and opcode */
    struct span payload;
};

/*
 * Parse the next complete frame of the output. The frame must be well-formed and unmasked, and must
 * have the shortest form of its length.
 */
static inline bool next_sent(struct span *left, struct sent_frame *out)
{
    if (left->n == 0)
        return false;
    assert_true(left->n >= 2);
    size_t header_n = 2, n = left->p[1];
    if (n == 126) {
        assert_true(left->n >= 4);
        header_n = 4;
        n = (size_t)left->p[2] << 8 | left->p[3];
        assert_true(n >= 126);
    } else {
        assert_true(n < 126);
    }
    assert_true(left->n >= header_n + n);
    *out = (struct sent_frame){.first = left->p[0], .payload = span_of(left->p + header_n, n)};
    *left = span_of(left->p + header_n + n, left->n - header_n - n);
    return true;
}

#endif
