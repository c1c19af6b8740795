/*
 * Tests of detached.c: a detached stream and an attached one get the same bytes, and must give the
 * same data, error text, alert and end. The client is OpenSSL's; what it never sends comes from
 * tls_raw.h.
 */
#include "tls_authority.h"
#include "tls_link.h"
#include "tls_raw.h"

#include "net/tls/ciphers.h"
#include "net/tls/detached.h"
#include "net/tls/internal.h"

static const char *const suites_12[TLS_SUITE_COUNT] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                                       "ECDHE-ECDSA-AES256-GCM-SHA384",
                                                       "ECDHE-ECDSA-CHACHA20-POLY1305"};
static const char *const suites_13[TLS_SUITE_COUNT] = {
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};

static struct tls_ciphers *ciphers; /* of the test */
static uint8_t client_secret[TLS_SECRET_MAX];

static int setup(void **state)
{
    ciphers = tls_ciphers_new(NULL);
    assert_non_null(ciphers);
    link_detaches = true;
    return world_setup(state);
}

static int teardown(void **state)
{
    tls_ciphers_free(ciphers);
    return world_teardown(state);
}

static void note_secret(const SSL *ssl, const char *line)
{
    (void)ssl;
    if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0)
        for (size_t i = 0; i < TLS_SECRET_MAX &&
                           sscanf(strrchr(line, ' ') + 1 + 2 * i, "%2hhx", &client_secret[i]) == 1;
             i++)
            ;
}

/* What the client would encrypt its next record with. */
static struct raw client_raw(SSL *ssl, enum tls_suite suite)
{
    struct tls_traffic t = {0}, server;
    uint8_t master[48], randoms[64];
    struct raw raw;
    const bool is_tls13 = SSL_version(ssl) == TLS1_3_VERSION;
    if (is_tls13) {
        memcpy(t.secret, client_secret, sizeof(t.secret));
        assert_true(tls_traffic_derive(ciphers, suite, &t));
    } else {
        assert_int_equal(SSL_SESSION_get_master_key(SSL_get_session(ssl), master, 48), 48);
        SSL_get_server_random(ssl, randoms, 32);
        SSL_get_client_random(ssl, randoms + 32, 32);
        assert_true(tls_traffic_expand_12(ciphers, suite, master, randoms, &t, &server));
    }
    t.sequence = is_tls13 ? 1 : 2; /* "up" was sent, and in TLS 1.2 Finished */
    raw_init(&raw, is_tls13, suite, &t);
    return raw;
}

/* ---- one case --------------------------------------------------------------------------- */

struct how {
    int version;
    enum tls_suite suite;
    size_t chunk, buffer; /* bytes sent at a time; bytes of a read */
};

/* What a case sends; returns its length. */
typedef size_t make_input(struct raw *raw, const void *arg, uint8_t *out);

struct outcome {
    enum stream_result end; /* of reading */
    char error[160];
    bool has_alert;
    struct tls_alert alert;
    size_t n;
    uint8_t data[40000];
    int client_error, client_reason, client_shutdown;
    size_t client_n;
    bool client_fin;
};

static struct link open_link(struct tls_context *ctx, const struct how *how, bool detach)
{
    struct link l;
    link_init(&l, ctx, how->version);
    SSL_CTX_set_keylog_callback(l.peer.ossl, note_secret);
    assert_int_equal(SSL_set_cipher_list(l.peer.ssl, suites_12[how->suite]), 1);
    assert_int_equal(SSL_set_ciphersuites(l.peer.ssl, suites_13[how->suite]), 1);
    assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
    peer_settle(&l.peer);
    send_up(&l.peer, l.server, (const uint8_t *)"up", 2);
    send_down(l.server, &l.peer, (const uint8_t *)"down", 4);
    if (detach)
        assert_int_equal(stream_settle(&l.server), STREAM_SETTLED);
    return l;
}

/* Read until there is nothing more. */
static void read_all(struct link *l, const struct how *how, struct outcome *o)
{
    unsigned waits = 0;
    while (o->end == STREAM_WANT_READ && waits < 2) {
        size_t got;
        assert_true(o->n + how->buffer <= sizeof(o->data));
        const enum stream_result r = stream_read(l->server, o->data + o->n, how->buffer, &got);
        if (r == STREAM_OK)
            o->n += got;
        else if (r == STREAM_WANT_READ)
            waits++;
        else
            o->end = r;
    }
}

/* What the client sees when the session has ended as the router ends it. */
static void see_end(struct link *l, struct outcome *o)
{
    uint8_t bytes[4096];
    if (stream_close_write(l->server) == STREAM_WANT_WRITE)
        return;
    for (int i = 0; i < 8; i++)
        peer_carry(&l->peer);
    ERR_clear_error();
    int r;
    while ((r = SSL_read(l->peer.ssl, bytes, sizeof(bytes))) > 0)
        o->client_n += (size_t)r;
    o->client_error = SSL_get_error(l->peer.ssl, r);
    o->client_reason = ERR_GET_REASON(ERR_peek_error());
    o->client_shutdown = SSL_get_shutdown(l->peer.ssl);
    o->client_fin = l->peer.saw_fin;
    ERR_clear_error();
}

static void run(struct world *w, const struct how *how, bool detach, make_input *make,
                const void *arg, struct outcome *o)
{
    static uint8_t input[200000];
    struct link l = open_link(w->ctx, how, detach);
    struct raw raw = client_raw(l.peer.ssl, how->suite);
    const size_t n = make(&raw, arg, input);
    memset(o, 0, sizeof(*o));
    o->end = STREAM_WANT_READ;
    for (size_t at = 0; at < n && o->end == STREAM_WANT_READ; at += how->chunk) {
        const size_t part = n - at < how->chunk ? n - at : how->chunk;
        assert_int_equal(send(l.peer.fd, input + at, part, MSG_NOSIGNAL), part);
        read_all(&l, how, o);
    }
    assert_int_equal(shutdown(l.peer.fd, SHUT_WR), 0);
    read_all(&l, how, o);
    if (o->end == STREAM_ERR)
        (void)snprintf(o->error, sizeof(o->error), "%s", stream_error(l.server));
    o->has_alert = stream_tls_alert(l.server, &o->alert);
    see_end(&l, o);
    link_fini(&l);
}

/* The same alert, or the same text. The reason in parentheses may differ: it depends on where
 * OpenSSL finds the fault. */
static bool same_error(const char *attached, const char *detached)
{
    const size_t n = strcspn(attached, "(");
    return n == strcspn(detached, "(") && strncmp(attached, detached, n) == 0;
}

/*
 * Two agreed differences. OpenSSL 3.0 sends internal_error for a TLS 1.2 record that is too short
 * for its cipher; RFC 5246 section 7.2.2 demands bad_record_mac. And attached streams do not count
 * an alert of level warning that ends a TLS 1.3 connection.
 */
static void agree(struct outcome *attached, const struct outcome *detached)
{
    if (attached->alert.code == SSL_AD_INTERNAL_ERROR &&
        detached->alert.code == SSL_AD_BAD_RECORD_MAC) {
        memcpy(attached->error, detached->error, sizeof(attached->error));
        attached->alert.code = detached->alert.code;
        attached->client_reason = detached->client_reason;
    }
    if (!attached->has_alert && strcmp(attached->error, detached->error) == 0 &&
        strncmp(attached->error, "received alert", 14) == 0) {
        attached->has_alert = detached->has_alert;
        attached->alert = detached->alert;
    }
}

/* Run a case attached and detached. */
static void compare_one(struct world *w, const struct how *how, const char *name, make_input *make,
                        const void *arg)
{
    static struct outcome a, d;
    run(w, how, false, make, arg, &a);
    run(w, how, true, make, arg, &d);
    agree(&a, &d);
    const bool same = a.end == d.end && same_error(a.error, d.error) && a.n == d.n &&
                      memcmp(a.data, d.data, a.n) == 0 && a.has_alert == d.has_alert &&
                      a.alert.sent == d.alert.sent && a.alert.code == d.alert.code &&
                      a.client_error == d.client_error && a.client_reason == d.client_reason &&
                      a.client_shutdown == d.client_shutdown && a.client_n == d.client_n &&
                      a.client_fin == d.client_fin;
    if (!same)
        fail_msg("%s, version %x, suite %d, chunk %zu, buffer %zu: end %d %d, error '%s' '%s', "
                 "data %zu %zu, alert %d/%d %d/%d, client %d/%d/%d/%zu/%d %d/%d/%d/%zu/%d",
                 name, how->version, how->suite, how->chunk, how->buffer, a.end, d.end, a.error,
                 d.error, a.n, d.n, a.has_alert, a.alert.code, d.has_alert, d.alert.code,
                 a.client_error, a.client_reason, a.client_shutdown, a.client_n, a.client_fin,
                 d.client_error, d.client_reason, d.client_shutdown, d.client_n, d.client_fin);
}

static void compare(struct world *w, const char *name, make_input *make, const void *arg)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
        for (int suite = 0; suite < TLS_SUITE_COUNT; suite++)
            compare_one(w,
                        &(struct how){.version = version,
                                      .suite = (enum tls_suite)suite,
                                      .chunk = suite == 1 ? 1 : 200000,
                                      .buffer = suite == 2 ? 7 : 4096},
                        name, make, arg);
}

/* ---- records that break rules ------------------------------------------------------------ */

/* Some records; `content` is their type. */
struct step {
    uint8_t content;
    uint8_t n; /* bytes of `p` */
    uint16_t times;
    uint16_t more;    /* bytes of data instead of `p` */
    uint16_t padding; /* in TLS 1.3 */
    bool plain;       /* `p` is sent as it is */
    const char *p;
};

#define CASE_STEPS 4
struct one_case {
    const char *name;
    struct step steps[CASE_STEPS];
};

static size_t make_case(struct raw *raw, const void *arg, uint8_t *out)
{
    static uint8_t data[20000];
    const struct one_case *c = arg;
    size_t n = 0;
    memset(data, 'd', sizeof(data));
    for (size_t i = 0; i < CASE_STEPS; i++) {
        const struct step *s = &c->steps[i];
        for (unsigned k = 0; k < s->times; k++)
            if (s->plain)
                n += (size_t)((uint8_t *)mempcpy(out + n, s->p, s->n) - (out + n));
            else if (s->more > 0)
                n += raw_seal(raw, s->content, data, s->more, s->padding, out + n);
            else
                n += raw_seal(raw, s->content, s->p, s->n, s->padding, out + n);
    }
    return n;
}

#define DATA(text)                                                                                 \
    {                                                                                              \
        .content = 23, .p = text, .n = sizeof(text) - 1, .times = 1                                \
    }
#define SEND(type, bytes)                                                                          \
    {                                                                                              \
        .content = type, .p = bytes, .n = sizeof(bytes) - 1, .times = 1                            \
    }
#define PLAIN(bytes)                                                                               \
    {                                                                                              \
        .plain = true, .p = bytes, .n = sizeof(bytes) - 1, .times = 1                              \
    }
#define HELLO "\1\0\0\6\3\3abcd"

static const struct one_case cases[] = {
    {"data", {DATA("hello"), DATA("world")}},
    {"padding", {{.content = 23, .p = "x", .n = 1, .times = 3, .padding = 1000}}},
    {"longest padding", {{.content = 23, .p = "x", .n = 1, .times = 1, .padding = 16622}}},
    {"padding past the limit", {{.content = 23, .p = "x", .n = 1, .times = 1, .padding = 16623}}},
    {"longest data", {{.content = 23, .more = 16384, .times = 1}, DATA("x")}},
    {"longest data, padded", {{.content = 23, .more = 16384, .times = 1, .padding = 200}}},
    {"data too long", {DATA("x"), {.content = 23, .more = 16385, .times = 1}}},
    {"record too long", {DATA("x"), {.content = 23, .more = 16700, .times = 1}}},
    {"32 empty records", {{.content = 23, .times = 32}, DATA("x")}},
    {"33 empty records", {{.content = 23, .times = 33}, DATA("x")}},
    {"empty records and data",
     {{.content = 23, .times = 20}, DATA("x"), {.content = 23, .times = 20}}},
    {"empty alert", {DATA("x"), {.content = 21, .times = 1}, DATA("y")}},
    {"empty handshake message", {DATA("x"), {.content = 22, .times = 1}, DATA("y")}},
    {"short alert", {DATA("x"), SEND(21, "\1")}},
    {"long alert", {DATA("x"), SEND(21, "\1\0\1")}},
    {"close_notify", {DATA("x"), SEND(21, "\1\0"), DATA("y")}},
    {"close_notify, fatal", {DATA("x"), SEND(21, "\2\0"), DATA("y")}},
    {"user_cancelled", {DATA("x"), SEND(21, "\1\x5a"), DATA("y")}},
    {"user_cancelled, four", {{.content = 21, .p = "\1\x5a", .n = 2, .times = 4}, DATA("y")}},
    {"user_cancelled, five", {{.content = 21, .p = "\1\x5a", .n = 2, .times = 5}, DATA("y")}},
    {"internal_error", {DATA("x"), SEND(21, "\2\x50"), DATA("y")}},
    {"internal_error, warning", {DATA("x"), SEND(21, "\1\x50"), DATA("y")}},
    {"no_renegotiation", {DATA("x"), SEND(21, "\1\x64"), DATA("y")}},
    {"unknown alert level", {DATA("x"), SEND(21, "\3\x50"), DATA("y")}},
    {"ChangeCipherSpec", {DATA("x"), SEND(20, "\1"), DATA("y")}},
    {"unencrypted ChangeCipherSpec", {DATA("x"), PLAIN("\x14\3\3\0\1\1"), DATA("y")}},
    {"unencrypted alert", {DATA("x"), PLAIN("\x15\3\3\0\2\2\x28"), DATA("y")}},
    {"unencrypted data", {DATA("x"), PLAIN("\x17\3\3\0\5hello"), DATA("y")}},
    {"unencrypted long data", {DATA("x"), PLAIN("\x17\3\3\0\x20hello hello hello hello hello hi")}},
    {"unencrypted handshake message", {DATA("x"), PLAIN("\x16\3\3\0\4\0\0\0\0"), DATA("y")}},
    {"empty unencrypted record", {DATA("x"), PLAIN("\x17\3\3\0\0"), DATA("y")}},
    {"version 3.1", {DATA("x"), PLAIN("\x17\3\1\0\x20hello hello hello hello hello hi")}},
    {"version 2.3", {DATA("x"), PLAIN("\x17\2\3\0\x20hello hello hello hello hello hi")}},
    {"text", {DATA("x"), PLAIN("GET / HTTP/1.1\r\nHost: router.test\r\n\r\n")}},
    {"MQTT", {PLAIN("\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a")}},
    {"type 24", {DATA("x"), SEND(24, "\1\0\0"), DATA("y")}},
    {"type 0", {DATA("x"), SEND(0, "\1"), DATA("y")}},
    {"type 255", {DATA("x"), SEND(255, "\1"), DATA("y")}},
    {"no type", {DATA("x"), {.times = 1, .padding = 90}}},
    {"ticket", {DATA("x"), SEND(22, "\4\0\0\5abcde"), DATA("y")}},
    {"Finished", {DATA("x"), SEND(22, "\x14\0\0\0"), DATA("y")}},
    {"Certificate", {DATA("x"), SEND(22, "\x0b\0\0\4\0\0\0\0"), DATA("y")}},
    {"HelloRequest", {DATA("x"), SEND(22, "\0\0\0\0"), DATA("y")}},
    {"ClientHello", {DATA("x"), SEND(22, HELLO), DATA("y")}},
    {"ClientHello in parts", {SEND(22, "\1"), SEND(22, "\0\0\6\3\3a"), SEND(22, "bcd"), DATA("y")}},
    {"data inside a ClientHello", {SEND(22, "\1\0\0\6\3"), DATA("y")}},
    {"data inside a header", {SEND(22, "\1\0"), DATA("y")}},
    {"huge ClientHello", {SEND(22, "\1\xff\xff\xff\3\3"), DATA("y")}},
    {"KeyUpdate of 0 bytes", {DATA("x"), SEND(22, "\x18\0\0\0")}},
    {"KeyUpdate of 2 bytes", {DATA("x"), SEND(22, "\x18\0\0\2\0\0")}},
    {"KeyUpdate of value 2", {DATA("x"), SEND(22, "\x18\0\0\1\2")}},
    {"KeyUpdate and more", {DATA("x"), SEND(22, "\x18\0\0\1\0\x18")}},
    {"KeyUpdate", {DATA("x"), SEND(22, "\x18\0\0\1\0")}},
    {"KeyUpdate, requested", {DATA("x"), SEND(22, "\x18\0\0\1\1")}},
    {"old key after KeyUpdate", {DATA("x"), SEND(22, "\x18\0\0\1\1"), DATA("y")}},
};

static void records_have_the_same_outcome_attached_and_detached(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        compare(*state, cases[i].name, make_case, &cases[i]);
}

/* A data record with a bit flipped (`flip` >= 0), or without its last bytes. */
struct damage {
    int flip;
    size_t cut;
};

static size_t make_damaged(struct raw *raw, const void *arg, uint8_t *out)
{
    const struct damage *damage = arg;
    size_t first = raw_seal(raw, 23, "first", 5, 0, out);
    size_t n = raw_seal(raw, 23, "second record", 13, 5, out + first);
    if (damage->flip >= 0 && (size_t)damage->flip / 8 < n)
        out[first + (size_t)damage->flip / 8] ^= (uint8_t)(1u << damage->flip % 8);
    return first + (damage->cut < n ? n - damage->cut : 0);
}

static void flipped_bits_have_the_same_outcome_attached_and_detached(void **state)
{
    for (int byte = 0; byte < 44; byte++)
        compare(*state, "flipped bit", make_damaged, &(struct damage){.flip = byte * 8 + byte % 8});
    for (int bit = 0; bit < 40 && !SANITIZED; bit++)
        compare(*state, "flipped bit of the header", make_damaged, &(struct damage){.flip = bit});
}

static void truncated_records_have_the_same_outcome_attached_and_detached(void **state)
{
    for (size_t cut = 0; cut < 44; cut++)
        compare(*state, "truncated", make_damaged, &(struct damage){.flip = -1, .cut = cut});
}

/* ---- traffic ---------------------------------------------------------------------------- */

static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * n >> 32);
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 131 + (i >> 8) * 7 + (i >> 16));
}

struct traffic {
    size_t bytes, message_max; /* in each direction */
    size_t buffer;             /* of the server's reads */
    uint8_t fragment;          /* TLSEXT_max_fragment_length_*, 0 = none */
    bool pads, updates;
};

static size_t random_padding(SSL *ssl, int type, size_t n, void *arg)
{
    (void)ssl, (void)type, (void)arg;
    return n < 16000 ? random_below(300) : 0;
}

static void client_sends(struct link *l, const struct traffic *t, size_t *sent)
{
    static uint8_t bytes[16384];
    if (BIO_ctrl_pending(l->peer.out) > 100000 || *sent == t->bytes)
        return;
    size_t n = 1 + random_below((uint32_t)t->message_max), put;
    n = n < t->bytes - *sent ? n : t->bytes - *sent;
    for (size_t i = 0; i < n; i++)
        bytes[i] = byte_at(*sent + i);
    if (t->updates && random_below(20) == 0)
        assert_int_equal(SSL_key_update(l->peer.ssl, (int)random_below(2)), 1);
    assert_int_equal(SSL_write_ex(l->peer.ssl, bytes, n, &put), 1);
    *sent += put;
}

static void client_reads(struct link *l, size_t *got)
{
    uint8_t bytes[4096];
    size_t n;
    while (SSL_read_ex(l->peer.ssl, bytes, sizeof(bytes), &n) == 1)
        for (size_t i = 0; i < n; i++)
            if (bytes[i] != byte_at((*got)++))
                fail_msg("wrong byte %zu from the server", *got - 1);
}

static void server_reads(struct link *l, const struct traffic *t, size_t *got)
{
    static uint8_t bytes[16384];
    size_t n;
    enum stream_result r = stream_read(l->server, bytes, t->buffer, &n);
    if (r != STREAM_OK) {
        if (r == STREAM_ERR)
            fail_msg("%s", stream_error(l->server));
        assert_int_not_equal(r, STREAM_EOF);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != byte_at((*got)++))
            fail_msg("wrong byte %zu from the client", *got - 1);
}

/* `pending`: bytes of a write that must be repeated. */
static void server_sends(struct link *l, const struct traffic *t, size_t *sent, size_t *pending)
{
    static uint8_t bytes[16384];
    if (*sent == t->bytes)
        return;
    size_t n = *pending, put;
    if (n == 0)
        n = 1 + random_below((uint32_t)t->message_max);
    n = n < t->bytes - *sent ? n : t->bytes - *sent;
    for (size_t i = 0; i < n; i++)
        bytes[i] = byte_at(*sent + i);
    const enum stream_result r = stream_write(l->server, bytes, n, &put);
    assert_true(r == STREAM_OK || r == STREAM_WANT_WRITE);
    *pending = r == STREAM_OK ? 0 : n;
    *sent += r == STREAM_OK ? put : 0;
}

static void exchange(struct world *w, const struct how *how, const struct traffic *t)
{
    struct link l;
    size_t up = 0, up_got = 0, down = 0, down_got = 0, pending = 0;
    bool is_paused = false;
    seed = (uint32_t)(how->version + (int)how->suite + (int)t->buffer);
    link_init(&l, w->ctx, how->version);
    SSL_CTX_set_keylog_callback(l.peer.ossl, note_secret);
    assert_int_equal(SSL_set_cipher_list(l.peer.ssl, suites_12[how->suite]), 1);
    assert_int_equal(SSL_set_ciphersuites(l.peer.ssl, suites_13[how->suite]), 1);
    if (t->fragment)
        assert_int_equal(SSL_set_tlsext_max_fragment_length(l.peer.ssl, t->fragment), 1);
    if (t->pads)
        SSL_set_record_padding_callback(l.peer.ssl, random_padding);
    assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
    peer_settle(&l.peer);
    link_detach(&l);
    while (up_got < t->bytes || down_got < t->bytes) {
        if (random_below(500) == 0)
            is_paused = !is_paused; /* back-pressure: the client does not read */
        ERR_clear_error();
        client_sends(&l, t, &up);
        l.peer.chunk = 1 + random_below(65536);
        if (!is_paused || (up == t->bytes && down == t->bytes)) {
            peer_carry(&l.peer);
            client_reads(&l, &down_got);
        }
        for (unsigned k = random_below(8); k > 0; k--)
            server_reads(&l, t, &up_got);
        server_sends(&l, t, &down, &pending);
        if (up_got < t->bytes && up == t->bytes)
            peer_carry(&l.peer);
    }
    assert_true(up_got == t->bytes && down_got == t->bytes);
    link_fini(&l);
}

static void data_of_random_sizes_arrives_complete(void **state)
{
    static const size_t buffers[] = {1, 7, 64, 4096, 16384};
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
        for (int suite = 0; suite < TLS_SUITE_COUNT; suite++)
            for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
                exchange(*state, &(struct how){.version = version, .suite = (enum tls_suite)suite},
                         &(struct traffic){.bytes = buffers[i] < 64 ? 100000 : 1000000,
                                           .message_max = i & 1 ? 16384 : 3000,
                                           .buffer = buffers[i],
                                           .fragment = (uint8_t)(i % 5),
                                           .pads = version == TLS1_3_VERSION,
                                           .updates = version == TLS1_3_VERSION});
}

static void eight_megabytes_and_300_000_messages_arrive_complete(void **state)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
        for (int small = 0; small < 2; small++)
            exchange(*state, &(struct how){.version = version},
                     &(struct traffic){.bytes = small ? (SANITIZED ? 300000 : 9000000) : 8u << 20,
                                       .message_max = small ? 59 : 16384,
                                       .buffer = 16384,
                                       .updates = version == TLS1_3_VERSION && !small});
}

/* ---- facts ------------------------------------------------------------------------------ */

static void facts_are_the_same_before_and_after_detaching(void **state)
{
    static const unsigned char offer[] = "\4mqtt";
    struct world *w = *state;
    char error[TLS_ERROR_MAX];
    struct identity root =
        identity_make(NULL, &(struct identity_spec){.cn = "R", .authority = true});
    struct identity device = identity_make(&root, &(struct identity_spec){.cn = "device-1"});
    struct tls_conf conf = w->conf;
    conf.client_auth = CLIENT_AUTH_REQUIRE;
    conf.client_ca_file = (char *)write_chain(&w->files, "facts-root.pem", &root, NULL);
    struct tls_context *ctx = tls_context_new(w->lib, &conf, w->keys, error);
    assert_non_null(ctx);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link l;
        struct tls_facts before, after;
        link_init(&l, ctx, version);
        SSL_set_tlsext_host_name(l.peer.ssl, "router.test.");
        assert_int_equal(SSL_set_alpn_protos(l.peer.ssl, offer, sizeof(offer) - 1), 0);
        assert_int_equal(SSL_use_certificate(l.peer.ssl, device.x509), 1);
        assert_int_equal(SSL_use_PrivateKey(l.peer.ssl, device.key), 1);
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        peer_settle(&l.peer);
        stream_tls_facts(l.server, &before);
        assert_true(before.client_verified && before.client_certificate && !before.resumed);
        const char *version_before = before.version, *cipher = before.cipher;
        const char *sig_alg = before.sig_alg;
        link_detach(&l);
        stream_tls_facts(l.server, &after);
        assert_string_equal(after.version, version_before);
        assert_string_equal(after.cipher, cipher);
        assert_string_equal(after.sig_alg, sig_alg);
        assert_string_equal(after.key_alg, before.key_alg);
        assert_true(span_equal(after.sni, span_of_str("router.test")));
        assert_true(span_equal(after.cn, span_of_str("device-1")));
        assert_true(span_equal(span_of(after.alpn, after.alpn_n), span_of_str("mqtt")));
        assert_true(after.client_verified && after.client_certificate && !after.resumed);
        link_fini(&l);
    }
    tls_context_free(ctx);
    identity_free(&root);
    identity_free(&device);
}

/* ---- limits ----------------------------------------------------------------------------- */

/* A reader of what a detached stream sends, from its next record on. */
static struct tls_records reader_of(const struct stream_detached *d)
{
    struct tls_records reader = d->records;
    reader.received = d->records.sent;
    reader.is_server = !d->records.is_server;
    return reader;
}

/* Open the next record that the client's socket receives. */
static struct tls_record receive_record(struct tls_records *reader, int fd, uint8_t out[64],
                                        struct tls_plain *plain)
{
    uint8_t bytes[200];
    struct tls_record fault;
    assert_int_equal(recv(fd, bytes, TLS_HEADER_SIZE, 0), TLS_HEADER_SIZE);
    const size_t n = tls_record_length(reader, bytes, &fault);
    assert_in_range(n, TLS_HEADER_SIZE + 1, sizeof(bytes));
    assert_int_equal(recv(fd, bytes + TLS_HEADER_SIZE, n - TLS_HEADER_SIZE, 0),
                     n - TLS_HEADER_SIZE);
    return tls_record_open(reader, ciphers, bytes, n, (struct span_out){out, 64}, plain);
}

static void tls_1_3_key_is_replaced_at_its_limit(void **state)
{
    struct world *w = *state;
    struct link l;
    struct tls_plain plain;
    uint8_t out[64], key[TLS_KEY_MAX];
    size_t put;
    link_open(&l, w->ctx, TLS1_3_VERSION);
    struct stream_detached *d = stream_detached_of(l.server);
    d->records.sent.sequence = (1u << 24) - 1;
    memcpy(key, d->records.sent.key, sizeof(key));
    struct tls_records reader = reader_of(d);
    assert_int_equal(stream_write(l.server, "last", 4, &put), STREAM_OK);
    assert_memory_equal(d->records.sent.key, key, sizeof(key));
    assert_int_equal(stream_write(l.server, "next", 4, &put), STREAM_OK);
    assert_int_equal(receive_record(&reader, l.peer.fd, out, &plain).kind, TLS_RECORD_DATA);
    assert_int_equal(receive_record(&reader, l.peer.fd, out, &plain).kind, TLS_RECORD_NONE);
    assert_int_equal(reader.received.sequence, 0); /* it was a KeyUpdate */
    assert_int_equal(receive_record(&reader, l.peer.fd, out, &plain).kind, TLS_RECORD_DATA);
    assert_memory_equal(plain.p, "next", 4);
    assert_int_equal(d->records.sent.sequence, 1);
    tls_records_fini(&reader, ciphers);
    link_fini(&l);
}

static void tls_1_2_stream_ends_at_the_limit_of_its_key(void **state)
{
    struct world *w = *state;
    struct link l;
    struct tls_plain plain;
    uint8_t out[64];
    size_t put;
    link_open(&l, w->ctx, TLS1_2_VERSION);
    struct stream_detached *d = stream_detached_of(l.server);
    d->records.sent.sequence = 1u << 24;
    struct tls_records reader = reader_of(d);
    assert_int_equal(stream_write(l.server, "more", 4, &put), STREAM_ERR);
    assert_string_equal(stream_error(l.server),
                        "the TLS 1.2 key has reached its limit of encrypted records");
    assert_int_equal(stream_write(l.server, "more", 4, &put), STREAM_ERR);
    assert_int_equal(stream_close_write(l.server), STREAM_OK);
    assert_int_equal(receive_record(&reader, l.peer.fd, out, &plain).kind, TLS_RECORD_CLOSE_NOTIFY);
    assert_int_equal(recv(l.peer.fd, out, sizeof(out), 0), 0);
    /* What the client sent can still be read. */
    send_up(&l.peer, l.server, (const uint8_t *)"late", 4);
    tls_records_fini(&reader, ciphers);
    link_fini(&l);
}

/* A long ClientHello, a byte in each record: the worker serves others in between. */
static void long_message_in_tiny_records_does_not_keep_the_worker(void **state)
{
    static const uint8_t header[] = {1 /* ClientHello */, 1, 0, 0};
    static uint8_t bytes[RAW_MAX];
    struct world *w = *state;
    const struct how how = {TLS1_2_VERSION, TLS_SUITE_AES_128_GCM, 0, 0};
    struct link l = open_link(w->ctx, &how, true);
    struct raw raw = client_raw(l.peer.ssl, how.suite);
    uint8_t byte;
    size_t got, n = raw_seal(&raw, 22, header, sizeof(header), 0, bytes);
    for (int i = 0; i < 600; i++)
        n += raw_seal(&raw, 22, "x", 1, 0, bytes + n);
    assert_int_equal(send(l.peer.fd, bytes, n, 0), n);
    /* The last read may have emptied the socket. */
    enum stream_result r = stream_read(l.server, &byte, 1, &got);
    if (r == STREAM_WANT_READ)
        r = stream_read(l.server, &byte, 1, &got);
    assert_int_equal(r, STREAM_WANT_WRITE);
    for (int i = 0; i < 10 && r == STREAM_WANT_WRITE; i++)
        r = stream_read(l.server, &byte, 1, &got);
    assert_int_equal(r, STREAM_WANT_READ);
    link_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_have_the_same_outcome_attached_and_detached),
        cmocka_unit_test(flipped_bits_have_the_same_outcome_attached_and_detached),
        cmocka_unit_test(truncated_records_have_the_same_outcome_attached_and_detached),
        cmocka_unit_test(data_of_random_sizes_arrives_complete),
        cmocka_unit_test(eight_megabytes_and_300_000_messages_arrive_complete),
        cmocka_unit_test(facts_are_the_same_before_and_after_detaching),
        cmocka_unit_test(tls_1_3_key_is_replaced_at_its_limit),
        cmocka_unit_test(tls_1_2_stream_ends_at_the_limit_of_its_key),
        cmocka_unit_test(long_message_in_tiny_records_does_not_keep_the_worker),
    };
    return cmocka_run_group_tests_name("detached", tests, setup, teardown);
}
