/*
 * Tests of ticket.c and of session tickets: a device that reconnects needs no full handshake, on
 * any worker and any router.
 */
#include "tls_link.h"

#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>

/*
 * Do a handshake with `ctx` in which the client offers `session`. Returns the session for its next
 * handshake.
 */
static SSL_SESSION *resume(struct tls_context *ctx, int version, SSL_SESSION *session, bool resumed)
{
    struct link l;
    struct tls_facts facts;
    link_init(&l, ctx, version);
    SSL_set_tlsext_host_name(l.peer.ssl, "alias.test");
    if (session)
        assert_int_equal(SSL_set_session(l.peer.ssl, session), 1);
    assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
    peer_settle(&l.peer);
    stream_tls_facts(l.server, &facts);
    assert_int_equal(facts.resumed, resumed);
    assert_true(span_equal(facts.sni, span_of_str("alias.test")));
    send_up(&l.peer, l.server, (const uint8_t *)"data", 4);
    SSL_SESSION *next = SSL_get1_session(l.peer.ssl);
    assert_int_equal(SSL_shutdown(l.peer.ssl), 0);
    link_fini(&l);
    SSL_SESSION_free(session);
    return next;
}

static void ticket_is_accepted_by_another_worker(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX];
    struct tls_library *lib = tls_library_new();
    struct tls_context *other = tls_context_new(lib, &w->conf, w->keys, error);
    assert_non_null(other);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = resume(w->ctx, version, NULL, false);
        session = resume(other, version, session, true);
        session = resume(w->ctx, version, session, true);
        SSL_SESSION_free(session);
    }
    tls_context_free(other);
    tls_library_free(lib);
}

static void ticket_of_an_unknown_key_leads_to_a_full_handshake(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX];
    struct tls_ticket_keys *keys = tls_ticket_keys_generate(NULL, 0);
    struct tls_context *other = tls_context_new(w->lib, &w->conf, keys, error);
    tls_ticket_keys_unref(keys);
    assert_non_null(other);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = resume(w->ctx, version, NULL, false);
        SSL_SESSION_free(resume(other, version, session, false));
    }
    tls_context_free(other);
}

static int count_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)session;
    ++*(int *)SSL_get_app_data(ssl);
    return 0;
}

/* Two tickets, OpenSSL's default, would add 20 us to every handshake. */
static void one_ticket_is_sent_per_handshake(void **state)
{
    struct world *w = *state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link l;
        int tickets = 0;
        link_init(&l, w->ctx, version);
        SSL_CTX_set_session_cache_mode(l.peer.ossl, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(l.peer.ossl, count_ticket);
        SSL_set_app_data(l.peer.ssl, &tickets);
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        peer_settle(&l.peer);
        assert_int_equal(tickets, 1);
        link_fini(&l);
    }
}

static void no_ticket_is_sent_without_keys_or_if_tickets_are_off(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX];
    struct tls_conf off = w->conf;
    off.session_tickets_off = true;
    struct tls_context *ctx[] = {tls_context_new(w->lib, &w->conf, NULL, error),
                                 tls_context_new(w->lib, &off, w->keys, error)};
    for (size_t i = 0; i < ARRAY_LEN(ctx); i++) {
        assert_non_null(ctx[i]);
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            struct link l;
            int tickets = 0;
            link_init(&l, ctx[i], version);
            SSL_CTX_set_session_cache_mode(l.peer.ossl, SSL_SESS_CACHE_CLIENT);
            SSL_CTX_sess_set_new_cb(l.peer.ossl, count_ticket);
            SSL_set_app_data(l.peer.ssl, &tickets);
            assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
            peer_settle(&l.peer);
            assert_false(SSL_SESSION_has_ticket(SSL_get0_session(l.peer.ssl)));
            assert_int_equal(tickets, 0);
            link_fini(&l);
        }
    }
    tls_context_set_ticket_keys(ctx[0], w->keys);
    SSL_SESSION_free(
        resume(ctx[0], TLS1_3_VERSION, resume(w->ctx, TLS1_3_VERSION, NULL, false), true));
    tls_context_free(ctx[0]);
    tls_context_free(ctx[1]);
}

static void no_ticket_allows_early_data(void **state)
{
    struct world *w = *state;
    SSL_SESSION *session = resume(w->ctx, TLS1_3_VERSION, NULL, false);
    assert_true(SSL_SESSION_has_ticket(session));
    assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
    SSL_SESSION_free(session);
}

/* ---- rotation -------------------------------------------------------------------------- */

/* Get the name of the key that encrypted a session's ticket. */
static void ticket_name(const SSL_SESSION *session, unsigned char name[16])
{
    const unsigned char *ticket;
    size_t n;
    SSL_SESSION_get0_ticket(session, &ticket, &n);
    assert_true(n > 16);
    memcpy(name, ticket, 16);
}

/* After a rotation, old tickets are still accepted, and replaced by tickets of the new key. */
static void rotated_key_decrypts_tickets_until_it_is_dropped(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX];
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        unsigned char first[16], second[16];
        struct tls_ticket_keys *one = tls_ticket_keys_generate(NULL, 2);
        struct tls_ticket_keys *two = tls_ticket_keys_generate(one, 2);
        struct tls_ticket_keys *three = tls_ticket_keys_generate(two, 1);
        struct tls_context *ctx = tls_context_new(w->lib, &w->conf, one, error);
        SSL_SESSION *old = resume(ctx, version, NULL, false);
        ticket_name(old, first);
        tls_context_set_ticket_keys(ctx, two);
        SSL_SESSION_up_ref(old);
        SSL_SESSION *renewed = resume(ctx, version, old, true);
        ticket_name(renewed, second);
        assert_memory_not_equal(first, second, sizeof(first));
        tls_context_set_ticket_keys(ctx, three); /* without the first key */
        SSL_SESSION_free(resume(ctx, version, renewed, true));
        SSL_SESSION_free(resume(ctx, version, old, false));
        tls_context_free(ctx);
        tls_ticket_keys_unref(one);
        tls_ticket_keys_unref(two);
        tls_ticket_keys_unref(three);
    }
}

static void generated_sets_keep_the_given_number_of_old_keys(void **state)
{
    (void)state;
    struct tls_ticket_keys *keys = tls_ticket_keys_generate(NULL, 2);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(tls_ticket_keys_count(keys), size_min(i, 2) + 1);
        struct tls_ticket_keys *next = tls_ticket_keys_generate(keys, 2);
        tls_ticket_keys_unref(keys);
        keys = next;
    }
    for (size_t i = 0; i < 12; i++) {
        struct tls_ticket_keys *next = tls_ticket_keys_generate(keys, 100);
        tls_ticket_keys_unref(keys);
        keys = next;
    }
    assert_int_equal(tls_ticket_keys_count(keys), TLS_TICKET_KEYS_MAX);
    tls_ticket_keys_unref(keys);
}

/* ---- key files ------------------------------------------------------------------------- */

/* Write a line of a key file, with its newline. */
static void key_line(char line[160], int bytes)
{
    unsigned char random[80];
    assert_true(bytes <= (int)sizeof(random) && RAND_bytes(random, bytes) == 1);
    int n = EVP_EncodeBlock((unsigned char *)line, random, bytes);
    memcpy(line + n, "\n", 2);
}

/* The routers share only the key file. */
static void sessions_resume_on_another_router_with_the_same_key_file(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX], line[3][160], text[480];
    for (int i = 0; i < 3; i++)
        key_line(line[i], i == 1 ? 80 : 48);
    snprintf(text, sizeof(text), "%s%s", line[0], line[1]);
    const char *before = files_write(&w->files, "tickets-1", text);
    snprintf(text, sizeof(text), "%s%s\r\n%s", line[2], line[1], line[0]);
    const char *after = files_write(&w->files, "tickets-2", text);
    snprintf(text, sizeof(text), "%s", line[1]);
    const char *other_size = files_write(&w->files, "tickets-3", text);
    const char *const files[] = {before, after, other_size};
    struct tls_context *ctx[3];
    struct tls_library *lib[3];
    for (int i = 0; i < 3; i++) {
        struct tls_ticket_keys *keys = tls_ticket_keys_load(files[i], error);
        lib[i] = tls_library_new();
        assert_true(keys && lib[i]);
        ctx[i] = tls_context_new(lib[i], &w->conf, keys, error);
        assert_non_null(ctx[i]);
        tls_ticket_keys_unref(keys);
    }
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = resume(ctx[0], version, NULL, false);
        session =
            resume(ctx[1], version, session, true); /* decrypted with its third key, renewed */
        SSL_SESSION_free(
            resume(ctx[0], version, session, false)); /* encrypted with an unknown key */
        session = resume(ctx[2], version, NULL, false);
        SSL_SESSION_free(resume(ctx[1], version, session, true));
    }
    for (int i = 0; i < 3; i++) {
        tls_context_free(ctx[i]);
        tls_library_free(lib[i]);
    }
}

static void key_in_the_first_line_encrypts_tickets(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX], line[2][160], text[320];
    unsigned char raw[96], name[16];
    key_line(line[0], 80);
    key_line(line[1], 80);
    snprintf(text, sizeof(text), "%s%s", line[0], line[1]);
    struct tls_ticket_keys *keys =
        tls_ticket_keys_load(files_write(&w->files, "tickets-first", text), error);
    struct tls_context *ctx = tls_context_new(w->lib, &w->conf, keys, error);
    assert_true(keys && ctx);
    SSL_SESSION *session = resume(ctx, TLS1_3_VERSION, NULL, false);
    ticket_name(session, name);
    assert_true(EVP_DecodeBlock(raw, (unsigned char *)line[0], 108) > 0);
    assert_memory_equal(name, raw, sizeof(name));
    SSL_SESSION_free(session);
    tls_context_free(ctx);
    tls_ticket_keys_unref(keys);
}

/*
 * Decrypt a ticket without our own code, with the layout of RFC 5077 section 4 and the key parts of
 * HAProxy (name, AES, HMAC). With any other layout, the key file could not be shared with other
 * programs.
 */
static void expect_ticket_layout(struct world *w, const char *name, int bytes)
{
    const size_t size = ((size_t)bytes - 16) / 2;
    char error[TLS_ERROR_MAX], line[160];
    unsigned char key[84], mac[32], plain[8192];
    const unsigned char *ticket;
    int done = 0, last = 0;
    size_t n;
    key_line(line, bytes);
    assert_true(EVP_DecodeBlock(key, (unsigned char *)line, (int)strlen(line) - 1) >= bytes);
    struct tls_ticket_keys *keys = tls_ticket_keys_load(files_write(&w->files, name, line), error);
    struct tls_context *ctx = tls_context_new(w->lib, &w->conf, keys, error);
    assert_true(keys && ctx);
    SSL_SESSION *session = resume(ctx, TLS1_2_VERSION, NULL, false);
    SSL_SESSION_get0_ticket(session, &ticket, &n);
    assert_true(n > 64 && n < sizeof(plain));
    assert_memory_equal(ticket, key, 16);
    assert_non_null(HMAC(EVP_sha256(), key + 16 + size, (int)size, ticket, n - 32, mac, NULL));
    assert_memory_equal(ticket + n - 32, mac, 32);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DecryptInit_ex(cipher, size == 32 ? EVP_aes_256_cbc() : EVP_aes_128_cbc(),
                                        NULL, key + 16, ticket + 16),
                     1);
    assert_int_equal(EVP_DecryptUpdate(cipher, plain, &done, ticket + 32, (int)n - 64), 1);
    assert_int_equal(EVP_DecryptFinal_ex(cipher, plain + done, &last), 1);
    assert_int_equal(plain[0], 0x30); /* the session, in DER */
    EVP_CIPHER_CTX_free(cipher);
    SSL_SESSION_free(session);
    tls_context_free(ctx);
    tls_ticket_keys_unref(keys);
}

static void ticket_layout_is_that_of_rfc_5077_and_haproxy(void **state)
{
    expect_ticket_layout(*state, "layout-48", 48);
    expect_ticket_layout(*state, "layout-80", 80);
}

static void expect_bad_file(struct world *w, const char *name, const char *text, const char *rule)
{
    char error[TLS_ERROR_MAX] = "", want[TLS_ERROR_MAX];
    const char *file = files_write(&w->files, name, text);
    assert_null(tls_ticket_keys_load(file, error));
    snprintf(want, sizeof(want), "%s:%s", file, rule);
    assert_string_equal(error, want);
}

static void invalid_key_file_is_reported_with_its_line(void **state)
{
    struct world *w = *state;
    char line[160], text[1600] = "", error[TLS_ERROR_MAX];
    key_line(line, 48);
    expect_bad_file(w, "k-empty", "", "1: contains no session ticket key");
    expect_bad_file(w, "k-blank", "\n \n", "1: contains no session ticket key");
    snprintf(text, sizeof(text), "%s\nhello\n", line);
    expect_bad_file(w, "k-hello", text, "3: must be a base64 key of 48 or 80 bytes");
    key_line(line, 49);
    expect_bad_file(w, "k-49", line, "1: must be a base64 key of 48 or 80 bytes");
    key_line(line, 47);
    expect_bad_file(w, "k-47", line, "1: must be a base64 key of 48 or 80 bytes");
    key_line(line, 48);
    line[10] = '*';
    expect_bad_file(w, "k-star", line, "1: must be a base64 key of 48 or 80 bytes");
    key_line(line, 48);
    text[0] = '\0';
    for (int i = 0; i < 9; i++)
        strcat(text, line);
    expect_bad_file(w, "k-nine", text, "9: more than 8 keys");
    assert_null(tls_ticket_keys_load("/nowhere/keys", error));
    assert_string_equal(
        error, "/nowhere/keys: cannot read the session ticket keys: No such file or directory");
}

/* ---- threads --------------------------------------------------------------------------- */

#define THREAD_ROUNDS 40

/*
 * A worker as in the router, with its own library context and TLS context, and a mailbox for keys.
 */
struct worker_like {
    pthread_t thread;
    struct tls_library *lib;
    struct tls_context *ctx;
    _Atomic(struct tls_ticket_keys *) mail; /* release by main, acquire here; owned */
    _Atomic bool done;
};

static void *shake_on_a_thread(void *arg)
{
    struct worker_like *t = arg;
    SSL_SESSION *session = NULL;
    for (int i = 0; i < THREAD_ROUNDS; i++) {
        struct tls_ticket_keys *keys =
            atomic_exchange_explicit(&t->mail, NULL, memory_order_acquire);
        if (keys)
            tls_context_set_ticket_keys(t->ctx, keys);
        tls_ticket_keys_unref(keys);
        struct link l;
        link_init(&l, t->ctx, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
        if (session && i % 4 >= 2)
            (void)SSL_set_session(l.peer.ssl, session);
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        peer_settle(&l.peer);
        SSL_SESSION_free(session);
        session = SSL_get1_session(l.peer.ssl);
        link_fini(&l);
    }
    SSL_SESSION_free(session);
    atomic_store_explicit(&t->done, true, memory_order_release);
    return NULL;
}

static void handshakes_succeed_while_keys_rotate(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX];
    struct worker_like threads[2] = {0};
    struct tls_ticket_keys *keys = tls_ticket_keys_generate(NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        threads[i].lib = tls_library_new();
        threads[i].ctx = tls_context_new(threads[i].lib, &w->conf, keys, error);
        assert_non_null(threads[i].ctx);
        assert_int_equal(pthread_create(&threads[i].thread, NULL, shake_on_a_thread, &threads[i]),
                         0);
    }
    while (!atomic_load_explicit(&threads[0].done, memory_order_acquire) ||
           !atomic_load_explicit(&threads[1].done, memory_order_acquire)) {
        struct tls_ticket_keys *next = tls_ticket_keys_generate(keys, 2);
        tls_ticket_keys_unref(keys);
        keys = next;
        for (size_t i = 0; i < ARRAY_LEN(threads); i++)
            tls_ticket_keys_unref(atomic_exchange_explicit(
                &threads[i].mail, tls_ticket_keys_ref(keys), memory_order_acq_rel));
        sched_yield();
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
        tls_ticket_keys_unref(atomic_load(&threads[i].mail));
        tls_context_free(threads[i].ctx);
        tls_library_free(threads[i].lib);
    }
    tls_ticket_keys_unref(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticket_is_accepted_by_another_worker),
        cmocka_unit_test(ticket_of_an_unknown_key_leads_to_a_full_handshake),
        cmocka_unit_test(one_ticket_is_sent_per_handshake),
        cmocka_unit_test(no_ticket_is_sent_without_keys_or_if_tickets_are_off),
        cmocka_unit_test(no_ticket_allows_early_data),
        cmocka_unit_test(rotated_key_decrypts_tickets_until_it_is_dropped),
        cmocka_unit_test(generated_sets_keep_the_given_number_of_old_keys),
        cmocka_unit_test(sessions_resume_on_another_router_with_the_same_key_file),
        cmocka_unit_test(key_in_the_first_line_encrypts_tickets),
        cmocka_unit_test(ticket_layout_is_that_of_rfc_5077_and_haproxy),
        cmocka_unit_test(invalid_key_file_is_reported_with_its_line),
        cmocka_unit_test(handshakes_succeed_while_keys_rotate),
    };
    return cmocka_run_group_tests_name("tls_ticket", tests, world_setup, world_teardown);
}
