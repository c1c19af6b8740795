/*
 * Tests of stream.c and stream_socket.c with OpenSSL's own client: handshakes, data, the end of the
 * stream, and errors.
 */
#include "tls_link.h"

#include <netinet/in.h>

#include "net/tls/stream.h"

static uint8_t *pattern(size_t n)
{
    uint8_t *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 131 + (i >> 8) * 7);
    return p;
}

/* Read until the result is not WANT_READ. The client moves bytes in between. */
static enum stream_result read_end(struct link *l)
{
    uint8_t bytes[64];
    size_t got;
    for (int i = 0; i < PEER_STEPS_MAX; i++) {
        if (l->peer.fd >= 0)
            peer_carry(&l->peer);
        enum stream_result answer = stream_read(l->server, bytes, sizeof(bytes), &got);
        if (answer != STREAM_WANT_READ)
            return answer;
    }
    return STREAM_WANT_READ;
}

static void both_ways(struct world *w, int version, size_t chunk, size_t n)
{
    struct link l;
    uint8_t *bytes = pattern(n);
    link_init(&l, w->ctx, version);
    l.peer.chunk = chunk;
    assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
    while (!SSL_is_init_finished(l.peer.ssl)) {
        (void)SSL_do_handshake(l.peer.ssl);
        peer_carry(&l.peer);
    }
    if (link_detaches)
        link_detach(&l);
    send_up(&l.peer, l.server, bytes, n);
    send_down(l.server, &l.peer, bytes, n);
    link_fini(&l);
    free(bytes);
}

static void data_arrives_complete(void **state)
{
    both_ways(*state, TLS1_2_VERSION, 65536, 300000);
    both_ways(*state, TLS1_3_VERSION, 65536, 300000);
}

static void data_arrives_byte_by_byte(void **state)
{
    both_ways(*state, TLS1_2_VERSION, 1, 5000);
    both_ways(*state, TLS1_3_VERSION, 1, 5000);
}

static void facts_contain_the_negotiated_parameters(void **state)
{
    static const unsigned char offer[] = "\x08http/1.1\x04mqtt";
    struct world *w = *state;
    const struct {
        int version;
        const char *name, *cipher;
    } cases[] = {{TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"},
                 {TLS1_3_VERSION, "TLSv1.3", "TLS_AES_128_GCM_SHA256"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct link l;
        struct tls_facts facts;
        link_init(&l, w->ctx, cases[i].version);
        SSL_set_tlsext_host_name(l.peer.ssl, "router.test");
        assert_int_equal(SSL_set_alpn_protos(l.peer.ssl, offer, sizeof(offer) - 1), 0);
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        peer_settle(&l.peer);
        if (link_detaches)
            link_detach(&l);
        stream_tls_facts(l.server, &facts);
        assert_string_equal(facts.version, cases[i].name);
        assert_string_equal(facts.cipher, cases[i].cipher);
        assert_true(span_equal(facts.sni, span_of_str("router.test")));
        assert_int_equal(facts.alpn_n, 4);
        assert_memory_equal(facts.alpn, "mqtt", 4);
        assert_false(facts.resumed);
        link_fini(&l);
    }
}

static void facts_omit_what_the_client_did_not_send(void **state)
{
    struct world *w = *state;
    struct link l;
    struct tls_facts facts;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    stream_tls_facts(l.server, &facts);
    assert_null(facts.sni.p);
    assert_null(facts.alpn);
    assert_int_equal(facts.alpn_n, 0);
    link_fini(&l);
}

/* A CONNECT that is sent with the client's Finished is in the SSL's buffer when open() is done. */
static void data_sent_with_the_last_flight_is_read_immediately(void **state)
{
    struct world *w = *state;
    struct link l;
    uint8_t bytes[16];
    size_t got = 0;
    link_init(&l, w->ctx, TLS1_3_VERSION);
    while (!SSL_is_init_finished(l.peer.ssl)) {
        (void)SSL_do_handshake(l.peer.ssl);
        if (SSL_is_init_finished(l.peer.ssl))
            break;
        peer_carry(&l.peer);
        assert_int_not_equal(stream_open(l.server), STREAM_ERR);
    }
    assert_int_equal(SSL_write(l.peer.ssl, "CONNECT", 7), 7);
    peer_carry(&l.peer);
    assert_int_equal(stream_open(l.server), STREAM_OK);
    assert_int_equal(stream_read(l.server, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(got, 7);
    assert_memory_equal(bytes, "CONNECT", 7);
    link_fini(&l);
}

static void short_read_makes_the_next_read_return_want_read_without_a_system_call(void **state)
{
    struct world *w = *state;
    struct link l;
    uint8_t bytes[64];
    size_t got = 0;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    assert_int_equal(SSL_write(l.peer.ssl, "one", 3), 3);
    peer_carry(&l.peer);
    assert_int_equal(stream_read(l.server, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_int_equal(SSL_write(l.peer.ssl, "two", 3), 3);
    peer_carry(&l.peer);
    assert_int_equal(stream_read(l.server, bytes, sizeof(bytes), &got), STREAM_WANT_READ);
    assert_int_equal(stream_read(l.server, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_memory_equal(bytes, "two", 3);
    link_fini(&l);
}

/*
 * Two records arrive in one segment. After the first has been read, the second is in the SSL's
 * buffer, for which there is no socket event.
 */
static void short_read_continues_while_the_ssl_object_has_more_data(void **state)
{
    struct world *w = *state;
    struct link l;
    uint8_t bytes[64];
    size_t got = 0;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    assert_int_equal(SSL_write(l.peer.ssl, "one", 3), 3);
    assert_int_equal(SSL_write(l.peer.ssl, "two", 3), 3);
    peer_carry(&l.peer);
    assert_int_equal(stream_read(l.server, bytes, sizeof(bytes), &got), STREAM_OK);
    if (link_detaches) { /* it delivers all complete records */
        assert_int_equal(got, 6);
        assert_memory_equal(bytes, "onetwo", 6);
        link_fini(&l);
        return;
    }
    assert_int_equal(got, 3);
    assert_int_equal(stream_read(l.server, bytes, sizeof(bytes), &got), STREAM_OK);
    assert_memory_equal(bytes, "two", 3);
    link_fini(&l);
}

static void repeated_write_may_use_another_buffer(void **state)
{
    enum { N = 2000000 };
    struct world *w = *state;
    struct link l;
    uint8_t *bytes = pattern(N);
    uint8_t *before = NULL; /* the buffer of the last attempt */
    size_t sent = 0, done = 0, waits = 0, parts = 0, put = 0;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    for (int i = 0; i < PEER_STEPS_MAX && done < N; i++) {
        enum stream_result answer = STREAM_OK;
        while (sent < N && answer == STREAM_OK) {
            /* Each attempt uses a new buffer. The previous buffer is overwritten and freed. */
            uint8_t *elsewhere = malloc(N - sent);
            assert_non_null(elsewhere);
            memcpy(elsewhere, bytes + sent, N - sent);
            free(before);
            before = elsewhere;
            answer = stream_write(l.server, elsewhere, N - sent, &put);
            memset(elsewhere, 0, N - sent);
            parts += answer == STREAM_OK && put < N - sent;
            if (answer == STREAM_OK)
                sent += put;
        }
        if (sent < N) {
            assert_int_equal(answer, STREAM_WANT_WRITE);
            waits++;
        }
        take_down(&l.peer, bytes, N, &done);
    }
    assert_int_equal(done, N);
    assert_true(waits > 3);
    assert_true(parts > 3); /* partial writes let the caller free memory early */
    link_fini(&l);
    free(before);
    free(bytes);
}

static void close_notify_is_read_as_eof(void **state)
{
    struct world *w = *state;
    struct link l;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    assert_int_equal(SSL_shutdown(l.peer.ssl), 0);
    peer_carry(&l.peer);
    assert_int_equal(read_end(&l), STREAM_EOF);
    /* The other direction still works. */
    size_t put = 0;
    assert_int_equal(stream_write(l.server, "bye", 3, &put), STREAM_OK);
    link_fini(&l);
}

static void close_without_close_notify_is_read_as_eof(void **state)
{
    struct world *w = *state;
    struct link l;
    link_open(&l, w->ctx, TLS1_2_VERSION);
    peer_hang_up(&l.peer);
    assert_int_equal(read_end(&l), STREAM_EOF);
    link_fini(&l);
}

static void close_write_sends_close_notify_and_then_fin(void **state)
{
    struct world *w = *state;
    struct link l;
    uint8_t byte;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    assert_int_equal(stream_close_write(l.server), STREAM_OK);
    assert_int_equal(stream_close_write(l.server), STREAM_OK);
    peer_settle(&l.peer);
    assert_int_equal(SSL_get_error(l.peer.ssl, SSL_read(l.peer.ssl, &byte, 1)),
                     SSL_ERROR_ZERO_RETURN);
    assert_int_equal(SSL_get_shutdown(l.peer.ssl), SSL_RECEIVED_SHUTDOWN);
    assert_true(l.peer.saw_fin);
    /* Data from the client can still be read. */
    send_up(&l.peer, l.server, (const uint8_t *)"late", 4);
    link_fini(&l);
}

/* After half a record, close_notify cannot be sent: the client must not read a clean end. */
static void close_write_after_a_partial_write_sends_no_close_notify(void **state)
{
    struct world *w = *state;
    struct link l;
    uint8_t *bytes = pattern(2000000);
    uint8_t sink[16384];
    size_t put;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    while (stream_write(l.server, bytes, 2000000, &put) == STREAM_OK)
        ;
    assert_int_equal(stream_close_write(l.server), STREAM_OK);
    for (int i = 0; i < 1000 && !l.peer.saw_fin; i++) {
        peer_carry(&l.peer);
        while (SSL_read(l.peer.ssl, sink, sizeof(sink)) > 0)
            ;
    }
    assert_true(l.peer.saw_fin);
    assert_int_equal(SSL_get_shutdown(l.peer.ssl) & SSL_RECEIVED_SHUTDOWN, 0);
    link_fini(&l);
    free(bytes);
}

static void close_by_the_peer_during_the_handshake_is_reported(void **state)
{
    struct world *w = *state;
    struct link l;
    link_init(&l, w->ctx, TLS1_3_VERSION);
    (void)SSL_do_handshake(l.peer.ssl);
    peer_carry(&l.peer);
    assert_int_equal(stream_open(l.server), STREAM_WANT_READ);
    assert_int_equal(shutdown(l.peer.fd, SHUT_WR), 0);
    assert_int_equal(stream_open(l.server), STREAM_ERR);
    assert_string_equal(stream_error(l.server),
                        "the peer closed the connection during the handshake");
    assert_int_equal(stream_open(l.server), STREAM_ERR);
    assert_int_equal(stream_close_write(l.server), STREAM_OK);
    link_fini(&l);
}

static void tls_1_1_client_is_rejected_and_the_alert_is_reported(void **state)
{
    struct world *w = *state;
    struct link l;
    link_init(&l, w->ctx, TLS1_1_VERSION);
    SSL_set_security_level(l.peer.ssl, 0);
    assert_int_equal(shake(l.server, &l.peer), STREAM_ERR);
    assert_string_equal(stream_error(l.server),
                        "sent alert: protocol version (unsupported protocol)");
    peer_settle(&l.peer);
    ERR_clear_error();
    link_fini(&l);
}

/* The alert arrives after the server's open() in TLS 1.3, and during open() in TLS 1.2. */
static void alert_of_a_client_that_rejects_our_certificate_is_reported(void **state)
{
    struct world *w = *state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link l;
        link_init(&l, w->ctx, version);
        SSL_set_verify(l.peer.ssl, SSL_VERIFY_PEER, NULL);
        enum stream_result answer = shake(l.server, &l.peer);
        if (answer == STREAM_OK)
            answer = read_end(&l);
        assert_int_equal(answer, STREAM_ERR);
        assert_string_equal(stream_error(l.server), "received alert: unknown CA");
        ERR_clear_error();
        link_fini(&l);
    }
}

static void expect_words_for(struct world *w, const void *bytes, size_t n, const char *words)
{
    int fds[2];
    make_pair(fds);
    struct stream *server = stream_tls_accept(w->ctx, fds[0]);
    assert_non_null(server);
    assert_int_equal(send(fds[1], bytes, n, 0), n);
    assert_int_equal(stream_open(server), STREAM_ERR);
    assert_string_equal(stream_error(server), words);
    stream_free(server);
    close(fds[1]);
}

static void client_without_tls_is_reported_with_its_protocol(void **state)
{
    static const char connect[] = "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01"
                                  "a";
    static const char http[] = "GET /mqtt HTTP/1.1\r\n\r\n";
    expect_words_for(*state, connect, sizeof(connect) - 1, "not TLS: the client speaks MQTT");
    expect_words_for(*state, http, sizeof(http) - 1, "not TLS: the client speaks HTTP");
}

static void invalid_record_is_reported_and_fails_the_stream(void **state)
{
    static const uint8_t broken[] = {0x17, 3,  3,  0,  20, 1,  2,  3,  4,  5,  6,  7, 8,
                                     9,    10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    struct world *w = *state;
    struct link l;
    size_t put;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    assert_int_equal(send(l.peer.fd, broken, sizeof(broken), 0), sizeof(broken));
    assert_int_equal(read_end(&l), STREAM_ERR);
    assert_string_equal(stream_error(l.server),
                        "sent alert: bad record mac (decryption failed or bad record mac)");
    assert_int_equal(stream_write(l.server, "x", 1, &put), STREAM_ERR);
    assert_int_equal(read_end(&l), STREAM_ERR);
    assert_int_equal(stream_close_write(l.server), STREAM_OK);
    link_fini(&l);
}

static void key_update_is_answered_and_data_still_passes(void **state)
{
    struct world *w = *state;
    struct link l;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    assert_int_equal(SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    send_up(&l.peer, l.server, (const uint8_t *)"after", 5);
    send_down(l.server, &l.peer, (const uint8_t *)"and back", 8);
    link_fini(&l);
}

static void update_keys(struct link *l, int times)
{
    for (int i = 0; i < times; i++) {
        assert_int_equal(SSL_key_update(l->peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(l->peer.ssl), 1);
    }
    peer_carry(&l->peer);
}

static void consecutive_key_updates_without_data_are_limited(void **state)
{
    struct world *w = *state;
    struct link l;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    for (int i = 0; i < 20; i++) {
        update_keys(&l, 10);
        send_up(&l.peer, l.server, (const uint8_t *)"data", 4);
    }
    update_keys(&l, 1000);
    assert_int_equal(read_end(&l), STREAM_ERR);
    assert_string_equal(stream_error(l.server), "too many key updates or renegotiations");
    link_fini(&l);
}

/* Write until the socket is full. Returns the number of bytes accepted. */
static size_t write_until_blocked(struct stream *server, const uint8_t *p, size_t n)
{
    size_t sent = 0, put = 0;
    enum stream_result r = STREAM_OK;
    while (sent < n && (r = stream_write(server, p + sent, n - sent, &put)) == STREAM_OK)
        sent += put;
    assert_int_equal(r, STREAM_WANT_WRITE);
    return sent;
}

/*
 * Each KeyUpdate requests one from us, which must not be sent before the rest of a partly sent
 * record. If OpenSSL 3.0 itself sent that rest, the write would fail with "bad length".
 */
static void key_updates_during_a_blocked_write_do_not_corrupt_data(void **state)
{
    struct world *w = *state;
    const size_t n = 4u << 20;
    uint8_t *bytes = pattern(n);
    for (int updates = 1; updates <= 6; updates++) {
        struct link l;
        size_t put = 0, done = 0;
        link_open(&l, w->ctx, TLS1_3_VERSION);
        size_t sent = write_until_blocked(l.server, bytes, n);
        for (int i = 0; i < updates; i++) {
            assert_int_equal(SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
            assert_int_equal(SSL_do_handshake(l.peer.ssl), 1);
        }
        assert_int_equal(SSL_write(l.peer.ssl, "up", 2), 2);
        char *waiting;
        long waiting_n = BIO_get_mem_data(l.peer.out, &waiting);
        assert_int_equal(send(l.peer.fd, waiting, (size_t)waiting_n, 0), waiting_n);
        (void)BIO_reset(l.peer.out);
        uint8_t up[8];
        assert_int_equal(stream_read(l.server, up, sizeof(up), &put), STREAM_OK);
        assert_memory_equal(up, "up", 2); /* read while the write is blocked */
        for (int i = 0; i < PEER_STEPS_MAX && done < n; i++) {
            if (sent < n) {
                enum stream_result r = stream_write(l.server, bytes + sent, n - sent, &put);
                assert_true(r == STREAM_OK || r == STREAM_WANT_WRITE);
                sent += r == STREAM_OK ? put : 0;
            }
            take_down(&l.peer, bytes, n, &done);
        }
        assert_int_equal(done, n);
        link_fini(&l);
    }
    free(bytes);
}

/* Send KeyUpdates that request KeyUpdates from us, then a byte of data, which the server reads. */
static enum stream_result ask_for_key_updates(struct link *l, int times)
{
    uint8_t byte;
    size_t got = 0;
    for (int i = 0; i < times; i++) {
        assert_int_equal(SSL_key_update(l->peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(l->peer.ssl), 1);
    }
    assert_int_equal(SSL_write(l->peer.ssl, "x", 1), 1);
    char *waiting;
    long waiting_n = BIO_get_mem_data(l->peer.out, &waiting);
    assert_int_equal(send(l->peer.fd, waiting, (size_t)waiting_n, 0), waiting_n);
    (void)BIO_reset(l->peer.out);
    enum stream_result r = stream_read(l->server, &byte, 1, &got);
    /* if the previous read has emptied the socket, the first read makes no system call */
    return r == STREAM_WANT_READ ? stream_read(l->server, &byte, 1, &got) : r;
}

/* The answers to the KeyUpdates of a peer that never reads must not use up the memory. */
static void reading_stops_if_the_peer_never_reads_our_answers(void **state)
{
    struct world *w = *state;
    const size_t n = 4u << 20;
    uint8_t *bytes = pattern(n);
    struct link l;
    enum stream_result r = STREAM_WANT_READ;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    (void)write_until_blocked(l.server, bytes, n);
    unsigned rounds = 0;
    for (; r != STREAM_WANT_WRITE && rounds < 10000; rounds++) {
        r = ask_for_key_updates(&l, 1);
    }
    assert_in_range(rounds, 100, 9999);
    link_fini(&l);
    free(bytes);
}

/* The memory of sent answers is reused, even if some answers are always unsent. */
static void unsent_answers_stay_bounded_if_the_peer_reads_slowly(void **state)
{
    struct world *w = *state;
    const size_t n = 4u << 20;
    uint8_t *bytes = pattern(n), taken[2048];
    struct link l;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    const struct tls_socket *socket = &tls_base_of(l.server)->socket;
    assert_return_code(setsockopt(socket->fd, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)),
                       errno);
    (void)write_until_blocked(l.server, bytes, n);
    for (unsigned i = 0; i < 2000; i++) { /* about 0.8 MiB of answers in total */
        assert_non_null(socket->unsent);
        if (socket->unsent->n < 40000)
            assert_int_equal(ask_for_key_updates(&l, 20), STREAM_OK);
        else
            assert_true(recv(l.peer.fd, taken, sizeof(taken), 0) > 0);
        (void)tls_socket_flush(&tls_base_of(l.server)->socket);
    }
    assert_in_range(socket->unsent->room, 1, 262144);
    link_fini(&l);
    free(bytes);
}

/*
 * The peer closes its socket without reading all bytes. Our next write fails, but the bytes that
 * the peer sent can still be read.
 */
static void received_data_can_be_read_after_a_write_fails(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct link l;
        uint8_t bytes[64];
        size_t n = 0;
        link_open(&l, w->ctx, versions[i]);
        assert_int_equal(SSL_write(l.peer.ssl, "last words", 10), 10);
        char *waiting;
        long waiting_n = BIO_get_mem_data(l.peer.out, &waiting);
        assert_int_equal(send(l.peer.fd, waiting, (size_t)waiting_n, 0), waiting_n);
        peer_hang_up(&l.peer);
        assert_int_equal(stream_write(l.server, "x", 1, &n), STREAM_ERR);
        assert_string_equal(stream_error(l.server), "Broken pipe");
        assert_int_equal(stream_read(l.server, bytes, sizeof(bytes), &n), STREAM_OK);
        assert_int_equal(n, 10);
        assert_memory_equal(bytes, "last words", 10);
        assert_int_equal(stream_write(l.server, "x", 1, &n), STREAM_ERR);
        assert_int_not_equal(read_end(&l), STREAM_OK);
        link_fini(&l);
    }
}

static void reset_is_reported(void **state)
{
    struct world *w = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    socklen_t n = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, n), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &n), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, n), 0);
    struct stream *server = stream_tls_accept(w->ctx, accept4(listener, NULL, NULL, SOCK_NONBLOCK));
    assert_non_null(server);
    setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(client);
    assert_int_equal(stream_open(server), STREAM_ERR);
    assert_string_equal(stream_error(server), "Connection reset by peer");
    stream_free(server);
    close(listener);
}

static void renegotiation_is_rejected(void **state)
{
    struct world *w = *state;
    struct link l;
    link_open(&l, w->ctx, TLS1_2_VERSION);
    assert_int_equal(SSL_renegotiate(l.peer.ssl), 1);
    (void)SSL_do_handshake(l.peer.ssl);
    peer_carry(&l.peer);
    uint8_t byte;
    size_t got;
    assert_int_equal(stream_read(l.server, &byte, 1, &got), STREAM_WANT_READ);
    peer_carry(&l.peer);
    assert_int_equal(SSL_do_handshake(l.peer.ssl), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    link_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_arrives_complete),
        cmocka_unit_test(data_arrives_byte_by_byte),
        cmocka_unit_test(facts_contain_the_negotiated_parameters),
        cmocka_unit_test(facts_omit_what_the_client_did_not_send),
        cmocka_unit_test(data_sent_with_the_last_flight_is_read_immediately),
        cmocka_unit_test(short_read_makes_the_next_read_return_want_read_without_a_system_call),
        cmocka_unit_test(short_read_continues_while_the_ssl_object_has_more_data),
        cmocka_unit_test(repeated_write_may_use_another_buffer),
        cmocka_unit_test(close_notify_is_read_as_eof),
        cmocka_unit_test(close_without_close_notify_is_read_as_eof),
        cmocka_unit_test(close_write_sends_close_notify_and_then_fin),
        cmocka_unit_test(close_write_after_a_partial_write_sends_no_close_notify),
        cmocka_unit_test(close_by_the_peer_during_the_handshake_is_reported),
        cmocka_unit_test(tls_1_1_client_is_rejected_and_the_alert_is_reported),
        cmocka_unit_test(alert_of_a_client_that_rejects_our_certificate_is_reported),
        cmocka_unit_test(client_without_tls_is_reported_with_its_protocol),
        cmocka_unit_test(invalid_record_is_reported_and_fails_the_stream),
        cmocka_unit_test(key_update_is_answered_and_data_still_passes),
        cmocka_unit_test(consecutive_key_updates_without_data_are_limited),
        cmocka_unit_test(key_updates_during_a_blocked_write_do_not_corrupt_data),
        cmocka_unit_test(reading_stops_if_the_peer_never_reads_our_answers),
        cmocka_unit_test(unsent_answers_stay_bounded_if_the_peer_reads_slowly),
        cmocka_unit_test(received_data_can_be_read_after_a_write_fails),
        cmocka_unit_test(reset_is_reported),
        cmocka_unit_test(renegotiation_is_rejected),
    };
    int failed = cmocka_run_group_tests_name("attached", tests, world_setup, world_teardown);
    link_detaches = true;
    return failed + cmocka_run_group_tests_name("detached", tests, world_setup, world_teardown);
}
