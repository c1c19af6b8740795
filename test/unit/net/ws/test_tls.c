/*
 * Tests of WebSocket over TLS over a socket (wss). The client reads few bytes at a time, so that
 * TLS records are partly sent: the same bytes must then be repeated, including the frame header.
 */
#include "net/tls/tls_link.h"
#include "ws_testing.h"

#define STEPS_MAX 100000

/* A server over TLS that has accepted the client's upgrade. */
struct wss {
    struct link link;
    struct stream *st; /* owns the link's server */
    struct bytes down; /* bytes that the client has read */
};

/* The client reads all bytes that have arrived. */
static void take(struct wss *w)
{
    uint8_t piece[4096];
    size_t got = 0;
    peer_carry(&w->link.peer);
    ERR_clear_error();
    while (SSL_read_ex(w->link.peer.ssl, piece, sizeof(piece), &got) == 1)
        bytes_add(&w->down, piece, got);
}

static void give(struct wss *w, const void *p, size_t n)
{
    size_t put = 0;
    assert_int_equal(SSL_write_ex(w->link.peer.ssl, p, n, &put), 1);
    assert_int_equal(put, n);
}

static void wss_open(struct wss *w, struct world *world, int version)
{
    enum stream_result r;
    *w = (struct wss){.st = NULL};
    link_open(&w->link, world->ctx, version);
    w->link.peer.chunk = 700;
    w->st = stream_ws_accept(w->link.server, &ws_conf);
    assert_non_null(w->st);
    w->link.server = NULL;
    give(w, WS_REQUEST_TEXT, strlen(WS_REQUEST_TEXT));
    for (int i = 0; is_want(r = stream_open(w->st)) && i < STEPS_MAX; i++)
        take(w);
    assert_int_equal(r, STREAM_OK);
    for (int i = 0; w->down.n < strlen(WS_RESPONSE_TEXT) && i < STEPS_MAX; i++)
        take(w);
    assert_bytes(bytes_span(&w->down), WS_RESPONSE_TEXT, strlen(WS_RESPONSE_TEXT));
    w->down.n = 0;
}

static void wss_close(struct wss *w)
{
    stream_free(w->st);
    peer_fini(&w->link.peer);
    bytes_free(&w->down);
}

static void check_down(struct world *world, int version)
{
    enum { LENGTH = 300000, STEP = 5000 };
    struct bytes payload = {0};
    struct sent_frame frame = {0};
    uint8_t *p = malloc(LENGTH);
    unsigned waits = 0;
    struct wss w;
    assert_non_null(p);
    for (size_t i = 0; i < LENGTH; i++)
        p[i] = (uint8_t)(i * 13 + i / 256);
    wss_open(&w, world, version);
    for (size_t at = 0, offered = STEP; at < LENGTH;) {
        size_t put = 0;
        enum stream_result r = stream_write(w.st, p + at, offered - at, &put);
        if (r == STREAM_OK)
            at += put;
        else
            assert_int_equal(r, STREAM_WANT_WRITE);
        waits += r == STREAM_WANT_WRITE;
        take(&w);
        /* a repeated write may contain more bytes */
        if (r == STREAM_WANT_WRITE || at == offered)
            offered = size_min(LENGTH, offered + STEP);
    }
    stream_ws_set_close_code(w.st, WS_CLOSE_GOING_AWAY);
    for (int i = 0; is_want(stream_close_write(w.st)) && i < STEPS_MAX; i++)
        take(&w);
    for (int i = 0; !w.link.peer.saw_fin && i < STEPS_MAX; i++)
        take(&w);
    assert_true(SSL_get_shutdown(w.link.peer.ssl) & SSL_RECEIVED_SHUTDOWN);
    struct span left = bytes_span(&w.down);
    while (next_sent(&left, &frame))
        if (left.n > 0)
            bytes_add(&payload, frame.payload.p, frame.payload.n);
    assert_int_equal(frame.first, FIN | CLOSE);
    assert_memory_equal(frame.payload.p, "\x03\xe9", 2);
    assert_bytes(bytes_span(&payload), p, LENGTH);
    assert_true(waits > 0);
    wss_close(&w);
    bytes_free(&payload);
    free(p);
}

static void bytes_to_a_slow_client_arrive_complete(void **state)
{
    check_down(*state, TLS1_2_VERSION);
    check_down(*state, TLS1_3_VERSION);
}

static void bytes_from_a_client_that_sends_pings_arrive_complete(void **state)
{
    enum { FRAMES = 40, LENGTH = 3000 };
    struct bytes input = {0}, want = {0}, payload = {0};
    uint8_t chunk[LENGTH], piece[2048];
    struct wss w;
    wss_open(&w, *state, TLS1_3_VERSION);
    for (size_t i = 0; i < FRAMES; i++) {
        memset(chunk, (int)i, sizeof(chunk));
        add_frame(&input, FIN | BINARY, chunk, sizeof(chunk));
        bytes_add(&want, chunk, sizeof(chunk));
        add_frame(&input, FIN | PING, &chunk[0], 1);
    }
    add_close(&input, 1000, "");
    for (size_t at = 0; at < input.n; at += 16000)
        give(&w, input.p + at, size_min(16000, input.n - at));
    enum stream_result r = STREAM_WANT_READ;
    for (int i = 0; (is_want(r) || r == STREAM_OK) && i < STEPS_MAX; i++) {
        size_t got = 0;
        take(&w);
        r = stream_read(w.st, piece, sizeof(piece), &got);
        if (r == STREAM_OK)
            bytes_add(&payload, piece, got);
    }
    assert_int_equal(r, STREAM_EOF);
    assert_bytes(bytes_span(&payload), want.p, want.n);
    take(&w);
    struct span left = bytes_span(&w.down);
    struct sent_frame frame = {0};
    while (next_sent(&left, &frame))
        assert_int_equal(frame.first, FIN | (left.n > 0 ? PONG : CLOSE));
    wss_close(&w);
    bytes_free(&input);
    bytes_free(&want);
    bytes_free(&payload);
}

static void tls_facts_are_available_from_the_inner_stream(void **state)
{
    struct tls_facts facts;
    struct wss w;
    wss_open(&w, *state, TLS1_3_VERSION);
    stream_tls_facts(stream_ws_inner(w.st), &facts);
    assert_string_equal(facts.version, "TLSv1.3");
    wss_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_to_a_slow_client_arrive_complete),
        cmocka_unit_test(bytes_from_a_client_that_sends_pings_arrive_complete),
        cmocka_unit_test(tls_facts_are_available_from_the_inner_stream),
    };
    return cmocka_run_group_tests_name("stream_ws_tls", tests, world_setup, world_teardown);
}
