/*
 * Tests of verify.c and stream_facts.c: which client certificates a listener accepts, the identity
 * that it reports, also after a resumption, and which tickets it accepts.
 */
#include "tls_authority.h"

#include "tls_link.h"

struct fleet {
    struct test_files files;
    struct identity root, issuer, server, stranger_root;
    struct identity device;   /* issued by the issuer, serial 7 */
    struct identity expired;  /* issued by the issuer */
    struct identity stranger; /* issued by an authority that is not trusted */
    struct certificate_conf certificate;
    const char *root_file, *issuer_file, *both_file;
    const char *crl_none, *crl_device, *crl_root, *crl_root_issuer;
    struct tls_ticket_keys *keys;
    struct tls_library *lib;
};

static void make_identities(struct fleet *f)
{
    f->root = identity_make(NULL, &(struct identity_spec){.cn = "Root", .authority = true});
    f->issuer = identity_make(
        &f->root, &(struct identity_spec){.cn = "Issuer", .authority = true, .serial = 5});
    f->stranger_root =
        identity_make(NULL, &(struct identity_spec){.cn = "Stranger", .authority = true});
    f->server = identity_make(
        &f->root, &(struct identity_spec){.cn = "router.test", .san = "DNS:router.test"});
    f->device = identity_make(
        &f->issuer,
        &(struct identity_spec){.cn = "d\xc3\xa9vice-7",
                                .san = "DNS:seven.test,DNS:7.test,URI:urn:device:7,email:7@x.test",
                                .serial = 7});
    f->expired =
        identity_make(&f->issuer, &(struct identity_spec){.cn = "old", .lifetime_s = 1800});
    f->stranger =
        identity_make(&f->stranger_root, &(struct identity_spec){.cn = "d\xc3\xa9vice-7"});
}

static int setup(void **state)
{
    struct fleet *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    signal(SIGPIPE, SIG_IGN);
    files_init(&f->files);
    make_identities(f);
    f->certificate = write_identity(&f->files, "server", &f->server, NULL);
    f->root_file = write_chain(&f->files, "root.pem", &f->root, NULL);
    f->issuer_file = write_chain(&f->files, "issuer.pem", &f->issuer, NULL);
    f->both_file = write_chain(&f->files, "both.pem", &f->root, &f->issuer);
    f->crl_none = write_crl(&f->files, "none.crl", &f->issuer, 0);
    f->crl_device = write_crl(&f->files, "device.crl", &f->issuer, 7);
    f->crl_root = write_crl(&f->files, "root.crl", &f->root, 0);
    f->crl_root_issuer = write_crl(&f->files, "root-issuer.crl", &f->root, 5);
    f->keys = tls_ticket_keys_generate(NULL, 0);
    f->lib = tls_library_new();
    assert_true(f->keys && f->lib);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fleet *f = *state;
    struct identity *all[] = {&f->root,   &f->issuer,  &f->server,  &f->stranger_root,
                              &f->device, &f->expired, &f->stranger};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        identity_free(all[i]);
    tls_ticket_keys_unref(f->keys);
    tls_library_free(f->lib);
    files_fini(&f->files);
    free(f);
    return 0;
}

/* A listener's rules for clients; crl null = no revocation list. */
struct rules {
    enum client_auth auth;
    const char *ca;
    const char *crls[2];
    enum crl_check check;
    uint32_t depth;
};

static struct tls_context *listener(struct fleet *f, const struct rules *rules)
{
    char error[TLS_ERROR_MAX] = "";
    char *crls[2] = {(char *)rules->crls[0], (char *)rules->crls[1]};
    struct tls_conf conf = {.certificates = &f->certificate,
                            .n_certificates = 1,
                            .min_version = TLS1_2_VERSION,
                            .client_auth = rules->auth,
                            .client_ca_file = (char *)rules->ca,
                            .client_crl_files = crls,
                            .n_client_crl_files = rules->crls[1]   ? 2
                                                  : rules->crls[0] ? 1
                                                                   : 0,
                            .client_crl_check = rules->check,
                            .client_verify_depth = rules->depth};
    struct tls_context *ctx = tls_context_new(f->lib, &conf, f->keys, error);
    assert_string_equal(error, "");
    assert_non_null(ctx);
    return ctx;
}

/* Make the client send the certificate `identity`, then `chain`; null = none. */
static void client_shows(struct link *l, const struct identity *identity,
                         const struct identity *chain)
{
    if (!identity)
        return;
    assert_int_equal(SSL_use_certificate(l->peer.ssl, identity->x509), 1);
    assert_int_equal(SSL_use_PrivateKey(l->peer.ssl, identity->key), 1);
    if (chain)
        assert_int_equal(SSL_add1_chain_cert(l->peer.ssl, chain->x509), 1);
}

/* Expect the handshake to fail with the error `words`; "" = to succeed. */
static void expect_words(struct fleet *f, const struct rules *rules,
                         const struct identity *identity, const struct identity *chain,
                         const char *words)
{
    struct tls_context *ctx = listener(f, rules);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link l;
        link_init(&l, ctx, version);
        client_shows(&l, identity, chain);
        enum stream_result answer = shake(l.server, &l.peer);
        assert_string_equal(answer == STREAM_OK ? "" : stream_error(l.server), words);
        if (answer == STREAM_OK)
            peer_settle(&l.peer);
        ERR_clear_error();
        link_fini(&l);
    }
    tls_context_free(ctx);
}

#define REQUIRE(...)                                                                               \
    &(struct rules)                                                                                \
    {                                                                                              \
        .auth = CLIENT_AUTH_REQUIRE, __VA_ARGS__                                                   \
    }
#define REQUEST(...)                                                                               \
    &(struct rules)                                                                                \
    {                                                                                              \
        .auth = CLIENT_AUTH_REQUEST, __VA_ARGS__                                                   \
    }

static void device_with_a_certificate_of_the_authority_is_accepted(void **state)
{
    struct fleet *f = *state;
    expect_words(f, REQUIRE(.ca = f->root_file), &f->device, &f->issuer, "");
    expect_words(f, REQUEST(.ca = f->root_file), &f->device, &f->issuer, "");
    expect_words(f, REQUIRE(.ca = f->both_file), &f->device, NULL, "");
}

static void intermediate_authority_can_be_the_trust_anchor(void **state)
{
    struct fleet *f = *state;
    expect_words(f, REQUIRE(.ca = f->issuer_file), &f->device, NULL, "");
}

static void missing_certificate_is_accepted_only_if_not_required(void **state)
{
    struct fleet *f = *state;
    expect_words(f, REQUEST(.ca = f->root_file), NULL, NULL, "");
    struct tls_context *ctx = listener(f, REQUIRE(.ca = f->root_file));
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link l;
        struct tls_alert alert;
        link_init(&l, ctx, version);
        assert_int_equal(shake(l.server, &l.peer), STREAM_ERR);
        assert_non_null(strstr(stream_error(l.server), "peer did not return a certificate"));
        assert_true(stream_tls_alert(l.server, &alert));
        assert_true(alert.sent);
        assert_int_equal(alert.code, version == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED
                                                               : SSL_AD_HANDSHAKE_FAILURE);
        ERR_clear_error();
        link_fini(&l);
    }
    tls_context_free(ctx);
}

static void invalid_certificate_is_rejected_even_if_not_required(void **state)
{
    struct fleet *f = *state;
    static const char unknown[] =
        "client certificate verify failed: unable to get local issuer certificate";
    expect_words(f, REQUEST(.ca = f->root_file), &f->stranger, NULL, unknown);
    expect_words(f, REQUIRE(.ca = f->root_file), &f->stranger, NULL, unknown);
    expect_words(f, REQUIRE(.ca = f->root_file), &f->device, NULL, unknown); /* no chain sent */
    expect_words(f, REQUEST(.ca = f->root_file), &f->expired, &f->issuer,
                 "client certificate verify failed: certificate has expired");
}

static void revoked_device_is_rejected(void **state)
{
    struct fleet *f = *state;
    expect_words(f, REQUIRE(.ca = f->root_file, .crls = {f->crl_none}), &f->device, &f->issuer, "");
    expect_words(f, REQUIRE(.ca = f->root_file, .crls = {f->crl_device}), &f->device, &f->issuer,
                 "client certificate verify failed: certificate revoked");
    /* A device is rejected if its issuer has no revocation list. */
    expect_words(f, REQUIRE(.ca = f->root_file, .crls = {f->crl_root}), &f->device, &f->issuer,
                 "client certificate verify failed: unable to get certificate CRL");
}

static void revoked_issuer_is_rejected_if_the_chain_is_checked(void **state)
{
    struct fleet *f = *state;
    const struct rules leaf = {
        .auth = CLIENT_AUTH_REQUIRE, .ca = f->root_file, .crls = {f->crl_none, f->crl_root_issuer}};
    struct rules chain = leaf;
    chain.check = CRL_CHECK_CHAIN;
    expect_words(f, &leaf, &f->device, &f->issuer, "");
    expect_words(f, &chain, &f->device, &f->issuer,
                 "client certificate verify failed: certificate revoked");
    chain.crls[1] = f->crl_root;
    expect_words(f, &chain, &f->device, &f->issuer, "");
}

static void chain_longer_than_the_depth_is_rejected(void **state)
{
    struct fleet *f = *state;
    struct identity second = identity_make(
        &f->issuer, &(struct identity_spec){.cn = "Second", .authority = true, .serial = 9});
    struct identity deep = identity_make(&second, &(struct identity_spec){.cn = "deep"});
    struct tls_context *ctx[] = {listener(f, REQUIRE(.ca = f->root_file, .depth = 1)),
                                 listener(f, REQUIRE(.ca = f->root_file, .depth = 2)),
                                 listener(f, REQUIRE(.ca = f->root_file))};
    for (size_t i = 0; i < ARRAY_LEN(ctx); i++) {
        struct link l;
        link_init(&l, ctx[i], TLS1_3_VERSION);
        client_shows(&l, &deep, &second);
        assert_int_equal(SSL_add1_chain_cert(l.peer.ssl, f->issuer.x509), 1);
        assert_int_equal(shake(l.server, &l.peer), i == 0 ? STREAM_ERR : STREAM_OK);
        if (i == 0)
            assert_string_equal(stream_error(l.server),
                                "client certificate verify failed: certificate chain too long");
        ERR_clear_error();
        link_fini(&l);
        tls_context_free(ctx[i]);
    }
    identity_free(&second);
    identity_free(&deep);
}

static void accepted_authorities_are_sent_to_the_client(void **state)
{
    struct fleet *f = *state;
    struct tls_context *ctx = listener(f, REQUIRE(.ca = f->both_file));
    struct link l;
    link_init(&l, ctx, TLS1_3_VERSION);
    client_shows(&l, &f->device, NULL);
    assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
    assert_int_equal(sk_X509_NAME_num(SSL_get0_peer_CA_list(l.peer.ssl)), 2);
    link_fini(&l);
    tls_context_free(ctx);
}

/* ---- identity ------------------------------------------------------------------------ */

static void expect_device(struct stream *st, bool resumed)
{
    struct tls_facts facts;
    char names[64];
    stream_tls_facts(st, &facts);
    assert_true(facts.client_certificate);
    assert_true(facts.client_verified);
    assert_int_equal(facts.resumed, resumed);
    assert_true(span_equal(facts.cn, span_of_str("d\xc3\xa9vice-7")));
    assert_string_equal(facts.sig_alg, "ecdsa-with-SHA256");
    assert_string_equal(facts.key_alg, "EC256");

    const struct {
        enum tls_name_kind kind;
        const char *name;
        bool matches;
    } cases[] = {{TLS_NAME_CN, "d\xc3\xa9vice-7", true},
                 {TLS_NAME_CN, "d\xc3\xa9vice", false},
                 {TLS_NAME_CN, "", false},
                 {TLS_NAME_SAN_DNS, "seven.test", true},
                 {TLS_NAME_SAN_DNS, "7.test", true},
                 {TLS_NAME_SAN_DNS, "Seven.test", false},
                 {TLS_NAME_SAN_DNS, "d\xc3\xa9vice-7", false},
                 {TLS_NAME_SAN_URI, "urn:device:7", true},
                 {TLS_NAME_SAN_URI, "7@x.test", false},
                 {TLS_NAME_SAN_EMAIL, "7@x.test", true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(stream_tls_peer_matches(st, cases[i].kind, span_of_str(cases[i].name)),
                         cases[i].matches);
    assert_int_equal(stream_tls_peer_names(st, TLS_NAME_SAN_DNS, names, sizeof(names)), 18);
    assert_string_equal(names, "seven.test, 7.test");
    assert_int_equal(stream_tls_peer_names(st, TLS_NAME_SAN_DNS, names, 18), 10);
    assert_string_equal(names, "seven.test");
    assert_int_equal(stream_tls_peer_names(st, TLS_NAME_SAN_DNS, names, 1), 0);
    assert_int_equal(stream_tls_peer_names(st, TLS_NAME_CN, names, sizeof(names)), 9);
}

/*
 * Connect once with the device's certificate. Returns the session for the next connection.
 */
static SSL_SESSION *visit(struct fleet *f, struct tls_context *ctx, int version,
                          SSL_SESSION *session, bool resumed)
{
    struct link l;
    struct tls_facts facts;
    link_init(&l, ctx, version);
    /* A client that resumes does not send its certificate. */
    if (!session || !resumed)
        client_shows(&l, &f->device, &f->issuer);
    if (session)
        assert_int_equal(SSL_set_session(l.peer.ssl, session), 1);
    assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
    peer_settle(&l.peer);
    stream_tls_facts(l.server, &facts);
    assert_int_equal(facts.resumed, resumed);
    if (facts.client_certificate)
        expect_device(l.server, resumed);
    SSL_SESSION *next = SSL_get1_session(l.peer.ssl);
    assert_int_equal(SSL_shutdown(l.peer.ssl), 0);
    link_fini(&l);
    SSL_SESSION_free(session);
    return next;
}

static void verified_identity_is_available_in_a_resumed_session(void **state)
{
    struct fleet *f = *state;
    struct tls_context *ctx = listener(f, REQUIRE(.ca = f->root_file));
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = visit(f, ctx, version, NULL, false);
        session = visit(f, ctx, version, session, true);
        SSL_SESSION_free(visit(f, ctx, version, session, true));
        struct link l;
        link_init(&l, ctx, version);
        client_shows(&l, &f->device, &f->issuer);
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        expect_device(l.server, false);
        expect_device(l.server, false); /* the same on a second call */
        link_fini(&l);
    }
    tls_context_free(ctx);
}

static void a_client_without_a_certificate_has_no_names(void **state)
{
    struct fleet *f = *state;
    struct tls_context *ctx[] = {listener(f, REQUEST(.ca = f->root_file)),
                                 listener(f, &(struct rules){.auth = CLIENT_AUTH_NONE})};
    for (size_t i = 0; i < ARRAY_LEN(ctx); i++) {
        struct link l;
        struct tls_facts facts;
        char names[64];
        link_init(&l, ctx[i], TLS1_3_VERSION);
        if (i == 1)
            client_shows(&l, &f->device,
                         &f->issuer); /* the listener does not request a certificate */
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        stream_tls_facts(l.server, &facts);
        assert_false(facts.client_certificate);
        assert_false(facts.client_verified);
        assert_null(facts.cn.p);
        assert_false(
            stream_tls_peer_matches(l.server, TLS_NAME_CN, span_of_str("d\xc3\xa9vice-7")));
        assert_int_equal(stream_tls_peer_names(l.server, TLS_NAME_CN, names, sizeof(names)), 0);
        link_fini(&l);
        tls_context_free(ctx[i]);
    }
}

/* ---- accepted tickets ---------------------------------------------------------------- */

/*
 * Use a ticket that was issued under the rules `a` with a listener that has the rules `b`, and
 * check whether the session is resumed.
 */
static void expect_carry_over(struct fleet *f, const struct rules *a, const struct rules *b,
                              bool resumed)
{
    struct tls_context *from = listener(f, a), *to = listener(f, b);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = visit(f, from, version, NULL, false);
        SSL_SESSION_free(visit(f, to, version, session, resumed));
    }
    tls_context_free(from);
    tls_context_free(to);
}

static void ticket_is_accepted_only_under_the_rules_it_was_issued_under(void **state)
{
    struct fleet *f = *state;
    const struct rules none = {.auth = CLIENT_AUTH_NONE};
    const struct rules require = {.auth = CLIENT_AUTH_REQUIRE, .ca = f->root_file};
    struct rules request = require, deeper = require, other_bundle = require;
    request.auth = CLIENT_AUTH_REQUEST;
    deeper.depth = 3;
    other_bundle.ca = f->both_file;
    expect_carry_over(f, &none, &none, true);
    expect_carry_over(f, &require, &require, true);
    expect_carry_over(f, &none, &require, false);
    expect_carry_over(f, &require, &none, false);
    expect_carry_over(f, &request, &require, false);
    expect_carry_over(f, &deeper, &require, false);
    expect_carry_over(f, &other_bundle, &require, false);
}

/* The same files have other names and paths, as on another router. */
static void ticket_is_accepted_if_the_same_files_have_other_paths(void **state)
{
    struct fleet *f = *state;
    const char *copy = write_chain(&f->files, "root-copy.pem", &f->root, NULL);
    expect_carry_over(f, REQUIRE(.ca = f->root_file), REQUIRE(.ca = copy), true);
    expect_carry_over(f, REQUIRE(.ca = f->root_file, .crls = {f->crl_none, f->crl_root}),
                      REQUIRE(.ca = f->root_file, .crls = {f->crl_root, f->crl_none}), true);
}

/* The ticket is still valid, but the revocation list is newer. */
static void device_revoked_since_its_ticket_cannot_resume(void **state)
{
    struct fleet *f = *state;
    struct tls_context *before = listener(f, REQUIRE(.ca = f->root_file, .crls = {f->crl_none}));
    struct tls_context *after = listener(f, REQUIRE(.ca = f->root_file, .crls = {f->crl_device}));
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = visit(f, before, version, NULL, false);
        struct link l;
        link_init(&l, after, version);
        client_shows(&l, &f->device, &f->issuer);
        assert_int_equal(SSL_set_session(l.peer.ssl, session), 1);
        assert_int_equal(shake(l.server, &l.peer), STREAM_ERR);
        assert_string_equal(stream_error(l.server),
                            "client certificate verify failed: certificate revoked");
        ERR_clear_error();
        SSL_SESSION_free(session);
        link_fini(&l);
    }
    tls_context_free(before);
    tls_context_free(after);
}

/* Offset of the wall clock for this program and OpenSSL, so that tests need not wait. */
static time_t clock_ahead_s;
time_t time(time_t *out)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    if (out)
        *out = now.tv_sec + clock_ahead_s;
    return now.tv_sec + clock_ahead_s;
}

/* The client's certificate is valid for another 200 seconds, the ticket for longer. */
static void ticket_expires_with_the_client_certificate(void **state)
{
    struct fleet *f = *state;
    const struct identity_spec spec = {.cn = "brief", .lifetime_s = 3800};
    struct identity brief = identity_make(&f->issuer, &spec);
    struct tls_context *ctx = listener(f, REQUIRE(.ca = f->root_file));
    SSL_SESSION *sessions[2];
    for (int i = 0; i < 2; i++) {
        struct link l;
        link_init(&l, ctx, TLS1_2_VERSION + i);
        client_shows(&l, &brief, &f->issuer);
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        peer_settle(&l.peer);
        sessions[i] = SSL_get1_session(l.peer.ssl);
        (void)SSL_shutdown(l.peer.ssl);
        link_fini(&l);
    }
    clock_ahead_s = 201;
    assert_true(X509_cmp_current_time(X509_get0_notAfter(brief.x509)) < 0);
    for (int i = 0; i < 2; i++) {
        struct link l;
        link_init(&l, ctx, TLS1_2_VERSION + i);
        client_shows(&l, &brief, &f->issuer);
        assert_int_equal(SSL_set_session(l.peer.ssl, sessions[i]), 1);
        assert_int_equal(shake(l.server, &l.peer), STREAM_ERR);
        assert_string_equal(stream_error(l.server),
                            "client certificate verify failed: certificate has expired");
        ERR_clear_error();
        SSL_SESSION_free(sessions[i]);
        link_fini(&l);
    }
    clock_ahead_s = 0;
    identity_free(&brief);
    tls_context_free(ctx);
}

/* ---- files ----------------------------------------------------------------------------- */

static void expect_refusal(struct fleet *f, const char *ca, const char *crl, const char *words)
{
    char error[TLS_ERROR_MAX] = "";
    char *crls[1] = {(char *)crl};
    struct tls_conf conf = {.certificates = &f->certificate,
                            .n_certificates = 1,
                            .client_auth = CLIENT_AUTH_REQUEST,
                            .client_ca_file = (char *)ca,
                            .client_crl_files = crls,
                            .n_client_crl_files = crl != NULL};
    assert_null(tls_context_new(f->lib, &conf, f->keys, error));
    assert_string_equal(error, words);
}

static void unusable_files_are_reported_by_name(void **state)
{
    struct fleet *f = *state;
    char words[TLS_ERROR_MAX];
    expect_refusal(f, NULL, NULL, "client_auth requires client_ca_file");
    expect_refusal(f, "/nowhere/ca.pem", NULL,
                   "/nowhere/ca.pem: cannot read the certificate: No such file or directory");
    snprintf(words, sizeof(words), "%s: contains no certificate: no start line", f->crl_none);
    expect_refusal(f, f->crl_none, NULL, words);
    snprintf(words, sizeof(words), "%s: contains no revocation list: no start line", f->root_file);
    expect_refusal(f, f->root_file, f->root_file, words);
    expect_refusal(f, f->root_file, "/nowhere/x.crl",
                   "/nowhere/x.crl: cannot read the revocation list: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_with_a_certificate_of_the_authority_is_accepted),
        cmocka_unit_test(intermediate_authority_can_be_the_trust_anchor),
        cmocka_unit_test(missing_certificate_is_accepted_only_if_not_required),
        cmocka_unit_test(invalid_certificate_is_rejected_even_if_not_required),
        cmocka_unit_test(revoked_device_is_rejected),
        cmocka_unit_test(revoked_issuer_is_rejected_if_the_chain_is_checked),
        cmocka_unit_test(chain_longer_than_the_depth_is_rejected),
        cmocka_unit_test(accepted_authorities_are_sent_to_the_client),
        cmocka_unit_test(verified_identity_is_available_in_a_resumed_session),
        cmocka_unit_test(a_client_without_a_certificate_has_no_names),
        cmocka_unit_test(ticket_is_accepted_only_under_the_rules_it_was_issued_under),
        cmocka_unit_test(ticket_is_accepted_if_the_same_files_have_other_paths),
        cmocka_unit_test(device_revoked_since_its_ticket_cannot_resume),
        cmocka_unit_test(ticket_expires_with_the_client_certificate),
        cmocka_unit_test(unusable_files_are_reported_by_name),
    };
    return cmocka_run_group_tests_name("tls_client_auth", tests, setup, teardown);
}
