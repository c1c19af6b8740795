/*
 * Tests of records.c and ciphers.c: known answers, and every rule for a received record. Records
 * that end at an inaccessible page come from a second implementation (tls_raw.h).
 */
#include "tls_raw.h"

#include <jansson.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard_page.h"
#include "hex.h"
#include "net/tls/records.h"

#define VECTORS SOURCE_DIR "/test/unit/net/tls/records_vectors.jsonl"

static struct tls_ciphers *ciphers;
static struct guard_page page;
static uint8_t room[TLS_RECORD_MAX];

static int setup(void **state)
{
    (void)state;
    ciphers = tls_ciphers_new(NULL);
    assert_non_null(ciphers);
    page = guard_page_new(RAW_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_ciphers_free(ciphers);
    guard_page_free(&page);
    return 0;
}

/* ---- known answers ---------------------------------------------------------------------- */

static enum tls_suite suite_named(const char *name)
{
    static const char *const names[TLS_SUITE_COUNT] = {"aes-128-gcm", "aes-256-gcm",
                                                       "chacha20-poly1305"};
    for (size_t i = 0; i < TLS_SUITE_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (enum tls_suite)i;
    fail_msg("unknown suite %s", name);
    return TLS_SUITE_COUNT;
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    assert_non_null(text);
    return text;
}

static size_t bytes_of(const json_t *row, const char *key, uint8_t *out, size_t max)
{
    return hex_decode(text_of(row, key), out, max);
}

static void expect_bytes(const json_t *row, const char *key, const uint8_t *p)
{
    uint8_t expected[64];
    const size_t n = bytes_of(row, key, expected, sizeof(expected));
    assert_memory_equal(p, expected, n);
}

static void check_derive(const json_t *row)
{
    const enum tls_suite suite = suite_named(text_of(row, "suite"));
    struct tls_traffic t = {.sequence = 9};
    assert_int_equal(bytes_of(row, "secret", t.secret, sizeof(t.secret)),
                     tls_suite_secret_size(suite));
    assert_true(tls_traffic_derive(ciphers, suite, &t));
    assert_int_equal(t.sequence, 0);
    expect_bytes(row, "key", t.key);
    expect_bytes(row, "iv", t.iv);
    t.sequence = 9;
    assert_true(tls_traffic_update(ciphers, suite, &t));
    assert_int_equal(t.sequence, 0);
    expect_bytes(row, "next_secret", t.secret);
    expect_bytes(row, "next_key", t.key);
    expect_bytes(row, "next_iv", t.iv);
}

static void check_expand(const json_t *row)
{
    uint8_t master[48], randoms[64];
    struct tls_traffic client = {0}, server = {0};
    (void)bytes_of(row, "master", master, sizeof(master));
    (void)bytes_of(row, "randoms", randoms, sizeof(randoms));
    for (int i = 0; i < 2; i++) { /* the second result must not depend on the first */
        memset(&client, 0, sizeof(client));
        assert_true(tls_traffic_expand_12(ciphers, suite_named(text_of(row, "suite")), master,
                                          randoms, &client, &server));
        expect_bytes(row, "client_key", client.key);
        expect_bytes(row, "server_key", server.key);
        expect_bytes(row, "client_iv", client.iv);
        expect_bytes(row, "server_iv", server.iv);
    }
}

struct known {
    struct tls_records r;
    enum tls_content content;
    size_t plain_n, record_n;
    uint8_t plain[512], record[600];
};

static struct known known_of(const json_t *row)
{
    struct known k = {.r = {.max_fragment = TLS_PLAIN_MAX, .is_server = false}};
    k.r.suite = (uint8_t)suite_named(text_of(row, "suite"));
    k.r.is_tls13 = strcmp(text_of(row, "version"), "1.3") == 0;
    (void)bytes_of(row, "key", k.r.sent.key, sizeof(k.r.sent.key));
    (void)bytes_of(row, "iv", k.r.sent.iv, sizeof(k.r.sent.iv));
    k.r.sent.sequence = (uint64_t)json_integer_value(json_object_get(row, "sequence"));
    k.r.received = k.r.sent;
    k.content = (enum tls_content)json_integer_value(json_object_get(row, "content"));
    k.plain_n = bytes_of(row, "plain", k.plain, sizeof(k.plain));
    k.record_n = bytes_of(row, "record", k.record, sizeof(k.record));
    return k;
}

static bool contains(const uint8_t *p, size_t n, const struct known *k)
{
    return k->plain_n >= 8 && memmem(p, n, k->plain, k->plain_n < 16 ? k->plain_n : 16) != NULL;
}

/* A changed or shortened record gives no plaintext, neither in the record nor in `room`. */
static void expect_not_authentic(struct known k, const uint8_t *record, size_t n)
{
    struct tls_plain plain = {.p = NULL};
    uint8_t *p = (uint8_t *)(uintptr_t)guard_page_put(&page, record, n);
    memset(room, 0xee, sizeof(room));
    const struct tls_record answer =
        tls_record_open(&k.r, ciphers, p, n, (struct span_out){room, sizeof(room)}, &plain);
    assert_int_equal(answer.kind, TLS_RECORD_FAULT);
    assert_int_equal(answer.alert, SSL_AD_BAD_RECORD_MAC);
    assert_null(plain.p);
    assert_false(contains(room, sizeof(room), &k));
    assert_false(contains(p, n, &k));
    tls_records_fini(&k.r, ciphers);
}

static void check_open(struct known k, size_t room_n)
{
    struct tls_plain plain = {.p = NULL};
    uint8_t *p = (uint8_t *)(uintptr_t)guard_page_put(&page, k.record, k.record_n);
    struct tls_record answer;
    assert_int_equal(tls_record_length(&k.r, p, &answer), k.record_n);
    answer = tls_record_open(&k.r, ciphers, p, k.record_n, (struct span_out){room, room_n}, &plain);
    if (k.content == TLS_CONTENT_DATA) {
        assert_int_equal(answer.kind, TLS_RECORD_DATA);
        assert_int_equal(plain.n + plain.rest_n, k.plain_n);
        assert_memory_equal(plain.p, k.plain, plain.n);
        assert_memory_equal(plain.rest, k.plain + plain.n, plain.rest_n);
    }
    tls_records_fini(&k.r, ciphers);
}

static void check_record(const json_t *row)
{
    const struct known k = known_of(row);
    struct known sealed = k;
    uint8_t out[700], changed[600];
    memset(out, 0xee, sizeof(out));
    assert_int_equal(tls_record_seal(&sealed.r, ciphers, k.content, k.plain, k.plain_n, out),
                     k.record_n);
    assert_memory_equal(out, k.record, k.record_n);
    assert_int_equal(out[k.record_n], 0xee);
    assert_int_equal(sealed.r.sent.sequence, k.r.sent.sequence + 1);
    tls_records_fini(&sealed.r, ciphers);
    for (size_t n = 0; n <= k.record_n; n++)
        check_open(k, n);
    for (size_t i = 0; i < k.record_n * 8; i++) {
        /* In TLS 1.2 the length is not part of what is authenticated, but the size is. */
        if (i / 8 == 3 || i / 8 == 4)
            continue;
        memcpy(changed, k.record, k.record_n);
        changed[i / 8] ^= (uint8_t)(1u << i % 8);
        expect_not_authentic(k, changed, k.record_n);
    }
    for (size_t n = TLS_HEADER_SIZE; n < k.record_n; n++) {
        memcpy(changed, k.record, n);
        changed[3] = (uint8_t)((n - TLS_HEADER_SIZE) >> 8);
        changed[4] = (uint8_t)(n - TLS_HEADER_SIZE);
        expect_not_authentic(k, changed, n);
    }
}

static void check_rows(const char *kind, void (*check)(const json_t *row))
{
    FILE *f = fopen(VECTORS, "r");
    char *line = NULL;
    size_t line_room = 0, rows = 0;
    assert_non_null(f);
    while (getline(&line, &line_room, f) > 0) {
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        if (strcmp(text_of(row, "kind"), kind) == 0) {
            check(row);
            rows++;
        }
        json_decref(row);
    }
    assert_true(rows >= 3);
    free(line);
    assert_int_equal(fclose(f), 0);
}

static void traffic_secrets_give_the_known_keys(void **state)
{
    (void)state;
    check_rows("derive", check_derive);
}

static void tls_1_2_master_keys_give_the_known_keys(void **state)
{
    (void)state;
    check_rows("expand", check_expand);
}

static void known_records_are_sealed_and_opened_and_changed_ones_are_rejected(void **state)
{
    (void)state;
    check_rows("record", check_record);
}

/* ---- an end of a connection, and records for it ------------------------------------------ */

struct end {
    struct tls_records r;
    struct raw peer; /* what the peer sends */
    struct tls_plain plain;
};

static struct end end_new(bool is_tls13, bool is_server, enum tls_suite suite)
{
    struct end e = {.r = {.max_fragment = TLS_PLAIN_MAX,
                          .suite = (uint8_t)suite,
                          .is_tls13 = is_tls13,
                          .is_server = is_server}};
    for (size_t i = 0; i < TLS_SECRET_MAX; i++) {
        e.r.received.secret[i] = (uint8_t)(i + 1);
        e.r.sent.secret[i] = (uint8_t)(i + 101);
    }
    assert_true(tls_traffic_derive(ciphers, suite, &e.r.received));
    assert_true(tls_traffic_derive(ciphers, suite, &e.r.sent));
    raw_init(&e.peer, is_tls13, suite, &e.r.received);
    return e;
}

/* The slots of the cipher contexts go by address: an end must not leave one behind. */
static void end_free(struct end *e)
{
    tls_records_fini(&e->r, ciphers);
}

/* Let the end open a record, which ends at an inaccessible page. */
static struct tls_record open_bytes(struct end *e, const uint8_t *record, size_t n, size_t room_n)
{
    struct tls_record answer = {0};
    uint8_t *p = (uint8_t *)(uintptr_t)guard_page_put(&page, record, n);
    e->plain = (struct tls_plain){0};
    const size_t length = tls_record_length(&e->r, p, &answer);
    if (length == 0)
        return answer;
    assert_int_equal(length, n);
    return tls_record_open(&e->r, ciphers, p, n, (struct span_out){room, room_n}, &e->plain);
}

static struct tls_record feed_padded(struct end *e, uint8_t content, const void *p, size_t n,
                                     size_t padding, size_t room_n)
{
    static uint8_t record[RAW_MAX];
    const size_t record_n = raw_seal(&e->peer, content, p, n, padding, record);
    return open_bytes(e, record, record_n, room_n);
}

static struct tls_record feed(struct end *e, uint8_t content, const void *p, size_t n)
{
    return feed_padded(e, content, p, n, 0, sizeof(room));
}

static void expect_fault(struct tls_record answer, int alert, const char *reason)
{
    assert_int_equal(answer.kind, TLS_RECORD_FAULT);
    assert_string_equal(answer.reason, reason);
    assert_int_equal(answer.alert, alert);
}

static void expect_kind(struct tls_record answer, enum tls_record_kind kind)
{
    if (answer.kind == TLS_RECORD_FAULT && kind != TLS_RECORD_FAULT)
        fail_msg("fault: %s", answer.reason);
    assert_int_equal(answer.kind, kind);
}

/* Call `check` for both versions and both roles. */
static void for_each_end(void (*check)(bool is_tls13, bool is_server))
{
    for (int i = 0; i < 4; i++)
        check(i & 1, i & 2);
}

/* ---- headers ---------------------------------------------------------------------------- */

static void check_header(const struct tls_records *r, const uint8_t *header)
{
    struct tls_record out = {0};
    const size_t n = (size_t)header[3] << 8 | header[4];
    const size_t length =
        tls_record_length(r, guard_page_put(&page, header, TLS_HEADER_SIZE), &out);
    const bool valid = header[1] == 3 && header[2] == 3 && n <= 16640 &&
                       (!r->is_tls13 || header[0] == TLS_CONTENT_DATA);
    assert_int_equal(length, valid ? n + 5 : 0);
    if (!valid)
        assert_int_equal(out.kind, TLS_RECORD_FAULT);
}

static void headers_break_one_rule_each(void **state)
{
    (void)state;
    const struct {
        bool is_tls13;
        uint8_t header[5];
        int alert;
        const char *reason;
    } cases[] = {
        {true, {22, 3, 3, 0, 30}, SSL_AD_UNEXPECTED_MESSAGE, "bad record type"},
        {true, {20, 3, 3, 0, 1}, SSL_AD_UNEXPECTED_MESSAGE, "bad record type"},
        {true, {21, 3, 3, 0, 2}, SSL_AD_UNEXPECTED_MESSAGE, "bad record type"},
        {true, {23, 3, 1, 0, 30}, SSL_AD_DECODE_ERROR, "wrong version number"},
        {true, {23, 2, 3, 0, 30}, SSL_AD_PROTOCOL_VERSION, "wrong version number"},
        {true, {23, 3, 3, 0x41, 1}, SSL_AD_RECORD_OVERFLOW, "encrypted length too long"},
        {false, {23, 3, 1, 0, 30}, SSL_AD_PROTOCOL_VERSION, "wrong version number"},
        {false, {23, 3, 4, 0, 30}, SSL_AD_PROTOCOL_VERSION, "wrong version number"},
        {false, {23, 4, 3, 0, 30}, SSL_AD_PROTOCOL_VERSION, "wrong version number"},
        {false, {23, 3, 3, 0xff, 0xff}, SSL_AD_RECORD_OVERFLOW, "encrypted length too long"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct tls_records r = {.is_tls13 = cases[i].is_tls13};
        struct tls_record out = {0};
        assert_int_equal(tls_record_length(&r, cases[i].header, &out), 0);
        expect_fault(out, cases[i].alert, cases[i].reason);
    }
}

static void every_header_is_accepted_or_is_a_fault(void **state)
{
    static const uint16_t lengths[] = {0, 1, 16, 17, 16384, 16640, 16641, 18432, 65535};
    (void)state;
    for (unsigned i = 0; i < 2u << 16; i++)
        for (size_t k = 0; k < ARRAY_LEN(lengths); k++) {
            const struct tls_records r = {.is_tls13 = i & 1};
            const uint8_t type = (uint8_t)(i >> 1), version = (uint8_t)(i >> 9);
            check_header(
                &r, (uint8_t[]){type, 3, version, (uint8_t)(lengths[k] >> 8), (uint8_t)lengths[k]});
            check_header(
                &r, (uint8_t[]){type, version, 3, (uint8_t)(lengths[k] >> 8), (uint8_t)lengths[k]});
        }
}

static void check_short_records(bool is_tls13, bool is_server)
{
    for (int suite = 0; suite < TLS_SUITE_COUNT; suite++) {
        const size_t least = (!is_tls13 && suite != TLS_SUITE_CHACHA20_POLY1305 ? 8 : 0) + 16;
        for (size_t n = 0; n < least + is_tls13; n++) {
            struct end e = end_new(is_tls13, is_server, (enum tls_suite)suite);
            uint8_t record[64] = {23, 3, 3, 0, (uint8_t)n};
            expect_fault(open_bytes(&e, record, 5 + n, sizeof(room)), SSL_AD_BAD_RECORD_MAC,
                         "decryption failed or bad record mac");
            end_free(&e);
        }
    }
}

static void record_without_room_for_its_tag_is_rejected(void **state)
{
    (void)state;
    for_each_end(check_short_records);
}

/* ---- content ---------------------------------------------------------------------------- */

static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(1 + i % 251);
}

static void expect_data(struct end *e, struct tls_record answer, const uint8_t *p, size_t n)
{
    if (n == 0) {
        expect_kind(answer, TLS_RECORD_NONE);
        return;
    }
    expect_kind(answer, TLS_RECORD_DATA);
    assert_int_equal(e->plain.n + e->plain.rest_n, n);
    assert_memory_equal(e->plain.p, p, e->plain.n);
    assert_memory_equal(e->plain.rest, p + e->plain.n, e->plain.rest_n);
}

static void padding_of_any_length_is_removed(void **state)
{
    static const size_t sizes[] = {1, 2, 300, 4000, 4096, 4200, 16384};
    static const size_t rooms[] = {0, 1, 299, 4095, 4096, 4099, 16384, 16640};
    static uint8_t data[16384];
    (void)state;
    fill(data, sizeof(data));
    for (int suite = 0; suite < TLS_SUITE_COUNT; suite++)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
            for (size_t k = 0; k < ARRAY_LEN(rooms); k++) {
                struct end e = end_new(true, true, (enum tls_suite)suite);
                const size_t most = 16640 - 17 - sizes[i];
                for (size_t padding = 0; padding <= most; padding += padding < 40 ? 1 : 509)
                    expect_data(
                        &e, feed_padded(&e, TLS_CONTENT_DATA, data, sizes[i], padding, rooms[k]),
                        data, sizes[i]);
                expect_data(&e, feed_padded(&e, TLS_CONTENT_DATA, data, sizes[i], most, rooms[k]),
                            data, sizes[i]);
                end_free(&e);
            }
}

static void record_of_only_zeros_has_no_type(void **state)
{
    static uint8_t record[RAW_MAX];
    static const uint8_t zeros[16000];
    static const size_t rooms[] = {0, 4096, 15999, 16640};
    (void)state;
    for (size_t n = 1; n < sizeof(zeros); n = n * 3 + 1)
        for (size_t k = 0; k < ARRAY_LEN(rooms); k++) {
            struct end e = end_new(true, true, TLS_SUITE_AES_128_GCM);
            const size_t record_n = raw_seal_inner(&e.peer, 23, zeros, n, record);
            expect_fault(open_bytes(&e, record, record_n, rooms[k]), SSL_AD_UNEXPECTED_MESSAGE,
                         "bad record type");
            end_free(&e);
        }
}

static void check_fragment_limit(bool is_tls13, bool is_server)
{
    static const uint16_t limits[] = {512, 1024, 2048, 4096, 16384};
    static uint8_t data[17000];
    fill(data, sizeof(data));
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        for (int k = 0; k < 3; k++) {
            const size_t room_n = (size_t[]){0, limits[i], sizeof(room)}[k];
            struct end e = end_new(is_tls13, is_server, TLS_SUITE_AES_128_GCM);
            e.r.max_fragment = limits[i];
            expect_data(&e, feed_padded(&e, TLS_CONTENT_DATA, data, limits[i], 30, room_n), data,
                        limits[i]);
            expect_fault(feed_padded(&e, TLS_CONTENT_DATA, data, limits[i] + 1u, 30, room_n),
                         SSL_AD_RECORD_OVERFLOW, "data length too long");
            assert_null(e.plain.p);
            end_free(&e);
        }
}

static void content_is_at_most_as_long_as_negotiated(void **state)
{
    (void)state;
    for_each_end(check_fragment_limit);
}

static void check_empty_records(bool is_tls13, bool is_server)
{
    struct end e = end_new(is_tls13, is_server, TLS_SUITE_AES_256_GCM);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 32; i++)
            expect_kind(feed_padded(&e, TLS_CONTENT_DATA, NULL, 0, (size_t)i, sizeof(room)),
                        TLS_RECORD_NONE);
        expect_data(&e, feed(&e, TLS_CONTENT_DATA, "x", 1), (const uint8_t *)"x", 1);
    }
    for (int i = 0; i < 32; i++)
        expect_kind(feed(&e, TLS_CONTENT_DATA, NULL, 0), TLS_RECORD_NONE);
    expect_fault(feed(&e, TLS_CONTENT_DATA, NULL, 0), SSL_AD_UNEXPECTED_MESSAGE,
                 "record too small");
    end_free(&e);
}

static void consecutive_empty_records_are_limited(void **state)
{
    (void)state;
    for_each_end(check_empty_records);
}

static void empty_alerts_and_handshake_messages_are_rejected_in_tls_1_3(void **state)
{
    (void)state;
    for (int content = TLS_CONTENT_ALERT; content <= TLS_CONTENT_HANDSHAKE; content++) {
        struct end e = end_new(true, true, TLS_SUITE_AES_128_GCM);
        expect_fault(feed_padded(&e, (uint8_t)content, NULL, 0, 20, sizeof(room)),
                     SSL_AD_UNEXPECTED_MESSAGE, "bad length");
        end_free(&e);
    }
}

static void check_unknown_types(bool is_tls13, bool is_server)
{
    for (int content = 0; content < 256; content++) {
        if (content >= TLS_CONTENT_ALERT && content <= TLS_CONTENT_DATA)
            continue;
        struct end e = end_new(is_tls13, is_server, TLS_SUITE_AES_128_GCM);
        expect_fault(feed(&e, (uint8_t)content, "\1", 1), SSL_AD_UNEXPECTED_MESSAGE,
                     is_tls13                                    ? "bad record type"
                     : content == TLS_CONTENT_CHANGE_CIPHER_SPEC ? "ccs received early"
                                                                 : "unexpected record");
        assert_int_not_equal(e.r.received.sequence, 0);
        end_free(&e);
    }
}

static void unknown_content_types_and_change_cipher_spec_are_rejected(void **state)
{
    (void)state;
    for_each_end(check_unknown_types);
}

/* ---- alerts ----------------------------------------------------------------------------- */

static struct tls_record feed_alert(struct end *e, int level, int code)
{
    return feed(e, TLS_CONTENT_ALERT, (uint8_t[]){(uint8_t)level, (uint8_t)code}, 2);
}

static void check_alert(bool is_tls13, bool is_server, int level, int code)
{
    struct end e = end_new(is_tls13, is_server, TLS_SUITE_AES_128_GCM);
    const struct tls_record answer = feed_alert(&e, level, code);
    if (is_tls13 && code == SSL_AD_USER_CANCELLED) {
        expect_kind(answer, TLS_RECORD_NONE);
    } else if (code == SSL_AD_CLOSE_NOTIFY && (is_tls13 || level == 1)) {
        expect_kind(answer, TLS_RECORD_CLOSE_NOTIFY);
    } else if (is_tls13 || level == 2) {
        expect_kind(answer, TLS_RECORD_ALERT);
        assert_int_equal(answer.alert, code);
    } else if (code == SSL_AD_NO_RENEGOTIATION) {
        expect_fault(answer, SSL_AD_HANDSHAKE_FAILURE, "no renegotiation");
    } else if (level == 1) {
        expect_kind(answer, TLS_RECORD_NONE);
    } else {
        expect_fault(answer, SSL_AD_ILLEGAL_PARAMETER, "unknown alert type");
    }
    end_free(&e);
}

static void check_alerts(bool is_tls13, bool is_server)
{
    for (int level = 0; level <= 3; level++)
        for (int code = 0; code < 256; code++)
            check_alert(is_tls13, is_server, level, code);
    for (size_t n = 1; n <= 5; n++) {
        struct end e = end_new(is_tls13, is_server, TLS_SUITE_AES_128_GCM);
        if (n != 2)
            expect_fault(feed(&e, TLS_CONTENT_ALERT, "\1\0\1\0\1", n), SSL_AD_UNEXPECTED_MESSAGE,
                         "invalid alert");
        end_free(&e);
    }
}

static void alerts_of_every_level_and_code_have_their_result(void **state)
{
    (void)state;
    for_each_end(check_alerts);
}

static void check_warnings(bool is_tls13, bool is_server)
{
    struct end e = end_new(is_tls13, is_server, TLS_SUITE_AES_128_GCM);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            expect_kind(feed_alert(&e, 1, SSL_AD_USER_CANCELLED), TLS_RECORD_NONE);
        expect_kind(feed(&e, TLS_CONTENT_DATA, "x", 1), TLS_RECORD_DATA);
    }
    for (int i = 0; i < 4; i++)
        expect_kind(feed_alert(&e, 1, SSL_AD_USER_CANCELLED), TLS_RECORD_NONE);
    expect_fault(feed_alert(&e, 1, SSL_AD_USER_CANCELLED), SSL_AD_UNEXPECTED_MESSAGE,
                 "too many warn alerts");
    end_free(&e);
}

static void consecutive_warnings_are_limited(void **state)
{
    (void)state;
    for_each_end(check_warnings);
}

/* ---- handshake messages ------------------------------------------------------------------ */

static const uint8_t update_message[] = {24, 0, 0, 1, 0}, request_message[] = {24, 0, 0, 1, 1};
static const uint8_t hello_request[] = {0, 0, 0, 0};
static const uint8_t ticket_message[] = {4, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9};
static const uint8_t client_hello[] = {1, 0, 0, 6, 3, 3, 1, 2, 3, 4};

/* Move both directions of the records of `raw` to the next key. */
static void raw_update(struct raw *raw, struct tls_traffic t)
{
    assert_true(tls_traffic_update(ciphers, (enum tls_suite)raw->suite, &t));
    raw_init(raw, true, (enum tls_suite)raw->suite, &t);
}

static void check_updates(bool requested, enum tls_suite suite)
{
    struct end e = end_new(true, true, suite);
    for (int i = 0; i < 10; i++) {
        const struct tls_traffic before = e.r.received;
        const struct tls_record answer =
            feed(&e, TLS_CONTENT_HANDSHAKE, requested ? request_message : update_message, 5);
        expect_kind(answer, TLS_RECORD_NONE);
        assert_int_equal(answer.update, requested);
        assert_false(answer.no_renegotiation);
        assert_int_equal(e.r.received.sequence, 0);
        raw_update(&e.peer, before);
        expect_data(&e, feed(&e, TLS_CONTENT_DATA, "after", 5), (const uint8_t *)"after", 5);
    }
    end_free(&e);
}

static void key_update_changes_the_key_of_the_next_record(void **state)
{
    (void)state;
    for (int suite = 0; suite < TLS_SUITE_COUNT; suite++) {
        check_updates(false, (enum tls_suite)suite);
        check_updates(true, (enum tls_suite)suite);
    }
}

static void key_update_is_not_answered_after_close_notify(void **state)
{
    (void)state;
    struct end e = end_new(true, true, TLS_SUITE_AES_128_GCM);
    e.r.notified = true;
    const struct tls_record answer = feed(&e, TLS_CONTENT_HANDSHAKE, request_message, 5);
    expect_kind(answer, TLS_RECORD_NONE);
    assert_false(answer.update);
    end_free(&e);
}

static void expect_message_fault(bool is_tls13, bool is_server, const uint8_t *p, size_t n,
                                 int alert, const char *reason)
{
    struct end e = end_new(is_tls13, is_server, TLS_SUITE_AES_128_GCM);
    expect_fault(feed(&e, TLS_CONTENT_HANDSHAKE, p, n), alert, reason);
    end_free(&e);
}

static void invalid_key_updates_are_rejected(void **state)
{
    (void)state;
    for (int is_server = 0; is_server < 2; is_server++) {
        const uint8_t twice[] = {24, 0, 0, 1, 0, 24, 0, 0, 1, 0};
        const uint8_t trailing[] = {24, 0, 0, 1, 0, 24};
        expect_message_fault(true, is_server, twice, sizeof(twice), SSL_AD_UNEXPECTED_MESSAGE,
                             "not on record boundary");
        expect_message_fault(true, is_server, trailing, sizeof(trailing), SSL_AD_UNEXPECTED_MESSAGE,
                             "not on record boundary");
        expect_message_fault(true, is_server, (uint8_t[]){24, 0, 0, 0}, 4, SSL_AD_DECODE_ERROR,
                             "bad key update");
        expect_message_fault(true, is_server, (uint8_t[]){24, 0, 0, 2, 0, 0}, 6,
                             SSL_AD_ILLEGAL_PARAMETER, "excessive message size");
        for (int value = 2; value < 256; value++)
            expect_message_fault(true, is_server, (uint8_t[]){24, 0, 0, 1, (uint8_t)value}, 5,
                                 SSL_AD_ILLEGAL_PARAMETER, "bad key update");
        expect_message_fault(false, is_server, update_message, 5, SSL_AD_UNEXPECTED_MESSAGE,
                             "unexpected message");
    }
}

static void ticket_is_ignored_from_a_server_and_rejected_from_a_client(void **state)
{
    (void)state;
    struct end e = end_new(true, false, TLS_SUITE_CHACHA20_POLY1305);
    for (int i = 0; i < 3; i++) {
        const struct tls_record answer =
            feed(&e, TLS_CONTENT_HANDSHAKE, ticket_message, sizeof(ticket_message));
        expect_kind(answer, TLS_RECORD_NONE);
        assert_false(answer.update || answer.no_renegotiation);
    }
    end_free(&e);
    expect_message_fault(true, true, ticket_message, sizeof(ticket_message),
                         SSL_AD_UNEXPECTED_MESSAGE, "unexpected message");
    expect_message_fault(false, true, ticket_message, sizeof(ticket_message),
                         SSL_AD_UNEXPECTED_MESSAGE, "unexpected message");
    expect_message_fault(false, false, ticket_message, sizeof(ticket_message),
                         SSL_AD_UNEXPECTED_MESSAGE, "unexpected message");
    expect_message_fault(true, false, (uint8_t[]){4, 2, 1, 0x0b}, 4, SSL_AD_ILLEGAL_PARAMETER,
                         "excessive message size");
}

static void every_other_message_is_unexpected(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        for (int type = 0; type < 256; type++) {
            const bool is_tls13 = i & 1, is_server = i & 2;
            if (is_tls13 ? type == 24 || (type == 4 && !is_server) : type == (is_server ? 1 : 0))
                continue;
            expect_message_fault(is_tls13, is_server, (uint8_t[]){(uint8_t)type, 0, 0, 0}, 4,
                                 SSL_AD_UNEXPECTED_MESSAGE, "unexpected message");
        }
}

/* What a connection gets renegotiation requests as. */
struct request {
    bool is_server;
    const uint8_t *p;
    size_t n;
};

static const struct request requests[] = {{false, hello_request, sizeof(hello_request)},
                                          {true, client_hello, sizeof(client_hello)}};

static void renegotiation_is_declined_in_both_roles_and_limited(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct request *q = &requests[i];
        struct end e = end_new(false, q->is_server, TLS_SUITE_AES_128_GCM);
        for (int k = 0; k < 64; k++) {
            const struct tls_record answer = feed(&e, TLS_CONTENT_HANDSHAKE, q->p, q->n);
            expect_kind(answer, TLS_RECORD_NONE);
            assert_true(answer.no_renegotiation);
            assert_false(answer.update);
        }
        expect_kind(feed(&e, TLS_CONTENT_DATA, "x", 1), TLS_RECORD_DATA);
        for (int k = 0; k < 64; k++)
            expect_kind(feed(&e, TLS_CONTENT_HANDSHAKE, q->p, q->n), TLS_RECORD_NONE);
        expect_fault(feed(&e, TLS_CONTENT_HANDSHAKE, q->p, q->n), TLS_ALERT_NONE,
                     "too many key updates or renegotiations");
        end_free(&e);
    }
}

static void renegotiation_is_ignored_after_close_notify(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct end e = end_new(false, requests[i].is_server, TLS_SUITE_AES_128_GCM);
        e.r.notified = true;
        const struct tls_record answer =
            feed(&e, TLS_CONTENT_HANDSHAKE, requests[i].p, requests[i].n);
        expect_kind(answer, TLS_RECORD_NONE);
        assert_false(answer.no_renegotiation);
        end_free(&e);
    }
}

/* Feed messages in two records, cut at `cut`; the sum of the answers. */
static struct tls_record feed_split(struct end *e, const uint8_t *p, size_t n, size_t cut)
{
    const struct tls_record first = feed(e, TLS_CONTENT_HANDSHAKE, p, cut);
    expect_kind(first, TLS_RECORD_NONE);
    struct tls_record second = feed(e, TLS_CONTENT_HANDSHAKE, p + cut, n - cut);
    expect_kind(second, TLS_RECORD_NONE);
    second.update |= first.update;
    second.no_renegotiation |= first.no_renegotiation;
    return second;
}

static void messages_may_be_split_anywhere_and_share_records(void **state)
{
    uint8_t two[2 * sizeof(ticket_message) + sizeof(request_message)];
    const size_t tickets = 2 * sizeof(ticket_message);
    (void)state;
    memcpy(two, ticket_message, sizeof(ticket_message));
    memcpy(two + sizeof(ticket_message), ticket_message, sizeof(ticket_message));
    memcpy(two + tickets, request_message, sizeof(request_message));
    for (size_t cut = 1; cut < sizeof(two); cut++) {
        struct end e = end_new(true, false, TLS_SUITE_AES_128_GCM);
        assert_true(feed_split(&e, two, sizeof(two), cut).update);
        assert_int_equal(e.r.received.sequence, 0);
        end_free(&e);
    }
    for (size_t cut = 1; cut < sizeof(client_hello); cut++) {
        struct end e = end_new(false, true, TLS_SUITE_AES_128_GCM);
        assert_true(feed_split(&e, client_hello, sizeof(client_hello), cut).no_renegotiation);
        end_free(&e);
    }
    struct end e = end_new(true, false, TLS_SUITE_AES_128_GCM);
    for (size_t i = 0; i + 1 < sizeof(two); i++)
        assert_false(feed(&e, TLS_CONTENT_HANDSHAKE, two + i, 1).update);
    assert_true(feed(&e, TLS_CONTENT_HANDSHAKE, two + sizeof(two) - 1, 1).update);
    end_free(&e);
}

/* The room divides the content: a message may lie on both sides. */
static void messages_in_a_large_record_are_read_wherever_its_content_is(void **state)
{
    enum { N = 4400 };
    static uint8_t messages[N];
    (void)state;
    messages[0] = 4;
    messages[2] = (N - 4 - 5) >> 8;
    messages[3] = (N - 4 - 5) & 255;
    memcpy(messages + N - 5, request_message, 5);
    for (size_t room_n = 4096; room_n <= N + 1; room_n++) {
        struct end e = end_new(true, false, TLS_SUITE_AES_128_GCM);
        const struct tls_record answer =
            feed_padded(&e, TLS_CONTENT_HANDSHAKE, messages, N, 3, room_n);
        expect_kind(answer, TLS_RECORD_NONE);
        assert_true(answer.update);
        end_free(&e);
    }
}

static void data_inside_a_handshake_message_is_rejected(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < sizeof(ticket_message); cut++) {
        struct end e = end_new(true, false, TLS_SUITE_AES_128_GCM);
        expect_kind(feed(&e, TLS_CONTENT_HANDSHAKE, ticket_message, cut), TLS_RECORD_NONE);
        expect_fault(feed(&e, TLS_CONTENT_DATA, "x", 1), SSL_AD_UNEXPECTED_MESSAGE,
                     cut < 4 ? "mixed handshake and non handshake data" : "unexpected record");
        end_free(&e);
    }
}

/* ---- numbers and limits ------------------------------------------------------------------ */

static void check_last_number(bool is_tls13, bool is_server)
{
    for (int suite = 0; suite < TLS_SUITE_COUNT; suite++) {
        struct end e = end_new(is_tls13, is_server, (enum tls_suite)suite);
        uint8_t out[64];
        e.r.received.sequence = e.peer.sequence = e.r.sent.sequence = UINT64_MAX - 1;
        expect_kind(feed(&e, TLS_CONTENT_DATA, "x", 1), TLS_RECORD_DATA);
        expect_fault(feed(&e, TLS_CONTENT_DATA, "x", 1), TLS_ALERT_NONE, "too many records");
        assert_true(tls_record_seal(&e.r, ciphers, TLS_CONTENT_DATA, "x", 1, out) > 0);
        for (int i = 0; i < 2; i++)
            assert_int_equal(tls_record_seal(&e.r, ciphers, TLS_CONTENT_DATA, "x", 1, out), 0);
        assert_true(e.r.sent.sequence == UINT64_MAX && e.r.received.sequence == UINT64_MAX);
        end_free(&e);
    }
}

static void record_numbers_never_wrap(void **state)
{
    (void)state;
    for_each_end(check_last_number);
}

static void check_key_limit(bool is_tls13, bool is_server)
{
    for (int suite = 0; suite < TLS_SUITE_COUNT; suite++) {
        struct end e = end_new(is_tls13, is_server, (enum tls_suite)suite);
        const bool limited = suite != TLS_SUITE_CHACHA20_POLY1305;
        assert_false(tls_records_key_is_used_up(&e.r));
        e.r.sent.sequence = (1u << 24) - 1;
        assert_false(tls_records_key_is_used_up(&e.r));
        e.r.sent.sequence++;
        assert_int_equal(tls_records_key_is_used_up(&e.r), limited);
        e.r.sent.sequence = UINT64_MAX;
        assert_int_equal(tls_records_key_is_used_up(&e.r), limited);
        end_free(&e);
    }
}

static void key_is_used_up_after_its_limit_of_records(void **state)
{
    (void)state;
    for_each_end(check_key_limit);
}

/* Two ends of a connection, which open what the other one seals. */
static void sent_key_update_is_understood_and_the_next_key_is_used(void **state)
{
    (void)state;
    for (int suite = 0; suite < TLS_SUITE_COUNT; suite++) {
        struct end a = end_new(true, true, (enum tls_suite)suite);
        struct end b = end_new(true, false, (enum tls_suite)suite);
        b.r.received = a.r.sent;
        for (int i = 0; i < 5; i++) {
            uint8_t out[TLS_KEY_UPDATE_SIZE + 1];
            memset(out, 0xee, sizeof(out));
            size_t n = tls_record_seal(&a.r, ciphers, TLS_CONTENT_DATA, "data", 4, out);
            expect_data(&b, open_bytes(&b, out, n, sizeof(room)), (const uint8_t *)"data", 4);
            n = tls_record_seal_update(&a.r, ciphers, out);
            assert_in_range(n, 1, TLS_KEY_UPDATE_SIZE);
            assert_int_equal(out[TLS_KEY_UPDATE_SIZE], 0xee);
            const struct tls_record answer = open_bytes(&b, out, n, sizeof(room));
            expect_kind(answer, TLS_RECORD_NONE);
            assert_false(answer.update); /* or they would answer each other forever */
            assert_memory_equal(a.r.sent.key, b.r.received.key, sizeof(a.r.sent.key));
        }
        end_free(&a);
        end_free(&b);
    }
}

static void explicit_nonces_count_up_over_all_eight_bytes(void **state)
{
    (void)state;
    struct tls_traffic t = {.iv = {1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}};
    const uint8_t last[] = {1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint8_t first[] = {1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0};
    tls_traffic_next_nonce(&t);
    assert_memory_equal(t.iv, last, sizeof(last));
    tls_traffic_next_nonce(&t);
    assert_memory_equal(t.iv, first, sizeof(first));
}

/* More connections than slots: each use of a slot by another one changes its key. */
static void connections_share_cipher_contexts_without_mixing_keys(void **state)
{
    enum { N = 400 };
    struct end *ends = calloc(N, sizeof(*ends));
    (void)state;
    assert_non_null(ends);
    for (size_t i = 0; i < N; i++) {
        ends[i] = end_new(i & 1, i & 2, (enum tls_suite)(i % TLS_SUITE_COUNT));
        ends[i].r.received.key[0] = ends[i].peer.key[0] = (uint8_t)i;
        ends[i].r.received.key[1] = ends[i].peer.key[1] = (uint8_t)(i >> 8);
    }
    unsigned seed = 1;
    for (size_t i = 0; i < 20 * N; i++) {
        struct end *e = &ends[(seed = seed * 1103515245u + 12345u) / 65536 % N];
        uint8_t out[64];
        expect_data(e, feed(e, TLS_CONTENT_DATA, "hello", 5), (const uint8_t *)"hello", 5);
        assert_true(tls_record_seal(&e->r, ciphers, TLS_CONTENT_DATA, "x", 1, out) > 0);
    }
    for (size_t i = 0; i < N; i++)
        end_free(&ends[i]);
    free(ends);
}

static void keys_are_wiped_at_the_end(void **state)
{
    static const struct tls_records zero;
    (void)state;
    struct end e = end_new(true, true, TLS_SUITE_AES_256_GCM);
    expect_kind(feed(&e, TLS_CONTENT_DATA, "x", 1), TLS_RECORD_DATA);
    tls_records_fini(&e.r, ciphers);
    assert_memory_equal(&e.r, &zero, sizeof(zero));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traffic_secrets_give_the_known_keys),
        cmocka_unit_test(tls_1_2_master_keys_give_the_known_keys),
        cmocka_unit_test(known_records_are_sealed_and_opened_and_changed_ones_are_rejected),
        cmocka_unit_test(headers_break_one_rule_each),
        cmocka_unit_test(every_header_is_accepted_or_is_a_fault),
        cmocka_unit_test(record_without_room_for_its_tag_is_rejected),
        cmocka_unit_test(padding_of_any_length_is_removed),
        cmocka_unit_test(record_of_only_zeros_has_no_type),
        cmocka_unit_test(content_is_at_most_as_long_as_negotiated),
        cmocka_unit_test(consecutive_empty_records_are_limited),
        cmocka_unit_test(empty_alerts_and_handshake_messages_are_rejected_in_tls_1_3),
        cmocka_unit_test(unknown_content_types_and_change_cipher_spec_are_rejected),
        cmocka_unit_test(alerts_of_every_level_and_code_have_their_result),
        cmocka_unit_test(consecutive_warnings_are_limited),
        cmocka_unit_test(key_update_changes_the_key_of_the_next_record),
        cmocka_unit_test(key_update_is_not_answered_after_close_notify),
        cmocka_unit_test(invalid_key_updates_are_rejected),
        cmocka_unit_test(ticket_is_ignored_from_a_server_and_rejected_from_a_client),
        cmocka_unit_test(every_other_message_is_unexpected),
        cmocka_unit_test(renegotiation_is_declined_in_both_roles_and_limited),
        cmocka_unit_test(renegotiation_is_ignored_after_close_notify),
        cmocka_unit_test(messages_may_be_split_anywhere_and_share_records),
        cmocka_unit_test(messages_in_a_large_record_are_read_wherever_its_content_is),
        cmocka_unit_test(data_inside_a_handshake_message_is_rejected),
        cmocka_unit_test(record_numbers_never_wrap),
        cmocka_unit_test(key_is_used_up_after_its_limit_of_records),
        cmocka_unit_test(sent_key_update_is_understood_and_the_next_key_is_used),
        cmocka_unit_test(explicit_nonces_count_up_over_all_eight_bytes),
        cmocka_unit_test(connections_share_cipher_contexts_without_mixing_keys),
        cmocka_unit_test(keys_are_wiped_at_the_end),
    };
    return cmocka_run_group_tests_name("records", tests, setup, teardown);
}
