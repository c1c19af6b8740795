/*
 * Tests of session tickets: a device that comes back is spared the full handshake, on
 * whichever worker it lands.
 */
#include "tls_link.h"

/* Shake hands with `ctx`, offering `session`; the session the client can use next time. */
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
    assert_string_equal(facts.sni, "alias.test");
    send_up(&l.peer, l.server, (const uint8_t *)"data", 4);
    SSL_SESSION *next = SSL_get1_session(l.peer.ssl);
    assert_int_equal(SSL_shutdown(l.peer.ssl), 0);
    link_fini(&l);
    SSL_SESSION_free(session);
    return next;
}

static void a_ticket_resumes_on_another_worker(void **state)
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

static void a_ticket_of_another_key_leads_to_a_full_handshake(void **state)
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

/* Two, OpenSSL's default, would cost every handshake 20 us more. */
static void one_ticket_is_sent(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ticket_resumes_on_another_worker),
        cmocka_unit_test(a_ticket_of_another_key_leads_to_a_full_handshake),
        cmocka_unit_test(one_ticket_is_sent),
    };
    return cmocka_run_group_tests_name("tls_ticket", tests, world_setup, world_teardown);
}
