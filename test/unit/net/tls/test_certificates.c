/*
 * Tests of context.c, names.c, pem.c and expiry.c: certificate selection, encrypted keys, lists of
 * files and expiry dates, and contexts that are replaced while streams use them.
 */
#include "tls_authority.h"

#include <time.h>

#include "net/tls/cert/names.h"
#include "tls_link.h"

struct shop {
    struct test_files files;
    struct identity root, issuer;
    struct identity plain, wild, exact, rsa, ecdsa, named;
    struct certificate_conf plain_conf, wild_conf, exact_conf, rsa_conf, ecdsa_conf, named_conf;
    struct tls_ticket_keys *keys;
    struct tls_library *lib;
};

static int setup(void **state)
{
    struct shop *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    signal(SIGPIPE, SIG_IGN);
    files_init(&s->files);
    s->root = identity_make(NULL, &(struct identity_spec){.cn = "Root", .authority = true});
    s->issuer = identity_make(&s->root, &(struct identity_spec){.cn = "Issuer", .authority = true});
    const struct {
        struct identity *identity;
        struct certificate_conf *conf;
        struct identity_spec spec;
    } made[] = {
        {&s->plain, &s->plain_conf, {.cn = "plain", .san = "DNS:plain.test,DNS:Mixed.Test"}},
        {&s->wild, &s->wild_conf, {.cn = "wild", .san = "DNS:*.wild.test"}},
        {&s->exact, &s->exact_conf, {.cn = "exact", .san = "DNS:one.wild.test"}},
        {&s->rsa, &s->rsa_conf, {.cn = "rsa", .san = "DNS:Both.test,DNS:b.test", .rsa = true}},
        {&s->ecdsa, &s->ecdsa_conf, {.cn = "ecdsa", .san = "DNS:b.test,DNS:both.test"}},
        {&s->named, &s->named_conf, {.cn = "named.test"}}};
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        *made[i].identity = identity_make(&s->issuer, &made[i].spec);
        *made[i].conf = write_identity(&s->files, made[i].spec.cn, made[i].identity,
                                       i == 0 ? &s->issuer : NULL);
    }
    s->keys = tls_ticket_keys_generate(NULL, 0);
    s->lib = tls_library_new();
    assert_true(s->keys && s->lib);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct shop *s = *state;
    struct identity *all[] = {&s->root,  &s->issuer, &s->plain, &s->wild,
                              &s->exact, &s->rsa,    &s->ecdsa, &s->named};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        identity_free(all[i]);
    tls_ticket_keys_unref(s->keys);
    tls_library_free(s->lib);
    files_fini(&s->files);
    free(s);
    return 0;
}

static struct tls_context *context_of(struct shop *s, struct certificate_conf *certificates,
                                      size_t n, bool strict)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_conf conf = {
        .certificates = certificates, .n_certificates = n, .strict_sni = strict};
    struct tls_context *ctx = tls_context_new(s->lib, &conf, s->keys, error);
    assert_string_equal(error, "");
    assert_non_null(ctx);
    return ctx;
}

/* What a client sends; sigalgs null = OpenSSL's default. */
struct question {
    int version;
    const char *sni, *sigalgs;
};

/* Get the common name of the certificate that the server sends, or its error if it fails. */
static void ask(struct tls_context *ctx, const struct question *q, char answer[128])
{
    struct link l;
    link_init(&l, ctx, q->version);
    if (q->sni)
        SSL_set_tlsext_host_name(l.peer.ssl, q->sni);
    if (q->sigalgs)
        assert_int_equal(SSL_set1_sigalgs_list(l.peer.ssl, q->sigalgs), 1);
    if (shake(l.server, &l.peer) == STREAM_OK)
        X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(l.peer.ssl)),
                                  NID_commonName, answer, 128);
    else
        snprintf(answer, 128, "%s", stream_error(l.server));
    ERR_clear_error();
    link_fini(&l);
}

static void expect_shown(struct tls_context *ctx, const char *sni, const char *cn)
{
    char answer[128];
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        ask(ctx, &(struct question){version, sni, NULL}, answer);
        assert_string_equal(answer, cn);
    }
}

static void exact_name_precedes_wildcard_and_wildcard_precedes_default(void **state)
{
    struct shop *s = *state;
    struct certificate_conf all[] = {s->plain_conf, s->wild_conf, s->exact_conf, s->named_conf};
    struct tls_context *ctx = context_of(s, all, 4, false);
    expect_shown(ctx, "plain.test", "plain");
    expect_shown(ctx, "MIXED.test", "plain");
    expect_shown(ctx, "two.wild.test", "wild");
    expect_shown(ctx, "ONE.wild.test", "exact");
    expect_shown(ctx, "named.test", "named.test");
    expect_shown(ctx, "a.two.wild.test", "plain"); /* a wildcard matches one label */
    expect_shown(ctx, "wild.test", "plain");
    expect_shown(ctx, "unknown.test", "plain");
    expect_shown(ctx, NULL, "plain");
    tls_context_free(ctx);
}

static void strict_sni_rejects_unknown_names_and_reports_them(void **state)
{
    struct shop *s = *state;
    struct certificate_conf all[] = {s->plain_conf, s->wild_conf};
    struct tls_context *ctx = context_of(s, all, 2, true);
    expect_shown(ctx, "plain.test", "plain");
    expect_shown(ctx, "two.wild.test", "wild");
    expect_shown(ctx, "unknown.test",
                 "sent alert: unrecognized name (no certificate for unknown.test)");
    expect_shown(ctx, NULL, "sent alert: unrecognized name (the client sent none)");
    struct link l;
    struct tls_alert alert;
    link_init(&l, ctx, TLS1_3_VERSION);
    assert_false(stream_tls_alert(l.server, &alert));
    assert_int_equal(shake(l.server, &l.peer), STREAM_ERR);
    assert_true(stream_tls_alert(l.server, &alert));
    assert_true(alert.sent);
    assert_int_equal(alert.code, SSL_AD_UNRECOGNIZED_NAME);
    assert_string_equal(alert.description, "unrecognized name");
    ERR_clear_error();
    link_fini(&l);
    tls_context_free(ctx);
}

static void one_name_may_have_an_ecdsa_and_an_rsa_certificate(void **state)
{
    struct shop *s = *state;
    struct certificate_conf orders[2][3] = {{s->plain_conf, s->rsa_conf, s->ecdsa_conf},
                                            {s->ecdsa_conf, s->plain_conf, s->rsa_conf}};
    static const char rsa[] = "rsa_pss_rsae_sha256:rsa_pkcs1_sha256";
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        struct tls_context *ctx = context_of(s, orders[i], 3, true);
        char answer[128];
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            ask(ctx, &(struct question){version, "both.test", "ecdsa_secp256r1_sha256"}, answer);
            assert_string_equal(answer, "ecdsa");
            ask(ctx, &(struct question){version, "b.test", NULL}, answer);
            assert_string_equal(answer, "ecdsa");
            ask(ctx, &(struct question){version, "Both.Test", rsa}, answer);
            assert_string_equal(answer, "rsa");
        }
        tls_context_free(ctx);
    }
}

static void facts_describe_the_certificate_that_was_sent(void **state)
{
    struct shop *s = *state;
    struct certificate_conf both[] = {s->ecdsa_conf, s->rsa_conf};
    struct tls_context *ctx = context_of(s, both, 2, false);
    struct link l;
    struct tls_facts facts;
    link_init(&l, ctx, TLS1_3_VERSION);
    SSL_set1_sigalgs_list(l.peer.ssl, "rsa_pss_rsae_sha256");
    assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
    stream_tls_facts(l.server, &facts);
    assert_string_equal(facts.key_alg, "RSA2048");
    assert_string_equal(facts.sig_alg, "ecdsa-with-SHA256"); /* of the issuer */
    link_fini(&l);
    tls_context_free(ctx);
}

static void second_certificate_with_the_same_names_and_key_type_is_rejected(void **state)
{
    struct shop *s = *state;
    char error[TLS_ERROR_MAX] = "", want[TLS_ERROR_MAX];
    struct identity again = identity_make(
        &s->issuer, &(struct identity_spec){.cn = "again", .san = "DNS:both.test,DNS:b.test"});
    struct certificate_conf both[] = {s->ecdsa_conf,
                                      write_identity(&s->files, "again", &again, NULL)};
    struct tls_conf conf = {.certificates = both, .n_certificates = 2};
    assert_null(tls_context_new(s->lib, &conf, s->keys, error));
    snprintf(want, sizeof(want),
             "%s: has the same names and key type as an earlier certificate: %s",
             both[1].certificate_file, both[0].certificate_file);
    assert_string_equal(error, want);
    identity_free(&again);
}

static void certificate_chain_is_sent(void **state)
{
    struct shop *s = *state;
    struct tls_context *ctx = context_of(s, &s->plain_conf, 1, false);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link l;
        link_init(&l, ctx, version);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(l.peer.ossl), s->root.x509);
        SSL_set_verify(l.peer.ssl, SSL_VERIFY_PEER, NULL);
        assert_int_equal(SSL_set1_host(l.peer.ssl, "plain.test"), 1);
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        assert_int_equal(SSL_get_verify_result(l.peer.ssl), X509_V_OK);
        link_fini(&l);
    }
    tls_context_free(ctx);
}

/* ---- names ----------------------------------------------------------------------------- */

static void shared_name_selects_the_first_certificate(void **state)
{
    struct shop *s = *state;
    struct identity other = identity_make(
        &s->issuer, &(struct identity_spec){.cn = "other", .san = "DNS:plain.test,DNS:o.test"});
    struct certificate_conf both[] = {s->wild_conf, s->plain_conf,
                                      write_identity(&s->files, "other", &other, NULL)};
    struct tls_context *ctx = context_of(s, both, 3, false);
    expect_shown(ctx, "plain.test", "plain");
    expect_shown(ctx, "o.test", "other");
    tls_context_free(ctx);
    identity_free(&other);
}

static void each_of_hundreds_of_names_is_found(void **state)
{
    struct tls_name_index index = {0};
    char text[32];
    (void)state;
    for (size_t i = 0; i < 700; i++) {
        snprintf(text, sizeof(text), i % 7 == 0 ? "*.n%zu.test" : "n%zu.test", i);
        char *list[] = {text};
        assert_true(tls_name_index_add(&index, &(struct tls_names){.list = list, .n = 1}, i));
    }
    tls_name_index_finish(&index);
    for (size_t i = 0; i < 700; i++) {
        snprintf(text, sizeof(text), i % 7 == 0 ? "any.n%zu.test" : "N%zu.TEST", i);
        assert_int_equal(tls_name_index_find(&index, text), i);
    }
    static const char *const strange[] = {"",  ".",          "..",       ".n7.test",
                                          "*", "a..n7.test", "n700.test"};
    for (size_t i = 0; i < ARRAY_LEN(strange); i++)
        assert_true(tls_name_index_find(&index, strange[i]) == TLS_NO_ENTRY);
    char long_name[400];
    memset(long_name, 'a', sizeof(long_name));
    memcpy(long_name + sizeof(long_name) - 9, ".n7.test", 9);
    assert_true(tls_name_index_find(&index, long_name) == TLS_NO_ENTRY);
    tls_name_index_fini(&index);
}

static void common_name_is_used_only_without_dns_names(void **state)
{
    struct shop *s = *state;
    struct tls_names names;
    assert_true(tls_names_init(&names, s->named.x509));
    assert_int_equal(names.n, 1);
    assert_string_equal(names.list[0], "named.test");
    tls_names_fini(&names);
    assert_true(tls_names_init(&names, s->plain.x509));
    assert_int_equal(names.n, 2);
    assert_string_equal(names.list[0], "mixed.test");
    assert_string_equal(names.list[1], "plain.test");
    tls_names_fini(&names);
}

/* ---- encrypted keys -------------------------------------------------------------------- */

static struct certificate_conf locked_conf(struct shop *s, const char *name, const char *passphrase)
{
    char file[64];
    struct certificate_conf conf = s->plain_conf;
    snprintf(file, sizeof(file), "%s.key", name);
    conf.private_key_file = (char *)write_key(&s->files, file, s->plain.key, "secret words");
    snprintf(file, sizeof(file), "%s.pass", name);
    conf.private_key_passphrase_file = (char *)files_write(&s->files, file, passphrase);
    return conf;
}

static void encrypted_key_is_read_with_a_passphrase_file(void **state)
{
    struct shop *s = *state;
    static const char *const texts[] = {"secret words\n", "secret words", "secret words\r\nmore\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char name[16];
        snprintf(name, sizeof(name), "locked%zu", i);
        struct certificate_conf conf = locked_conf(s, name, texts[i]);
        struct tls_context *ctx = context_of(s, &conf, 1, false);
        expect_shown(ctx, "plain.test", "plain");
        tls_context_free(ctx);
    }
}

static void wrong_passphrase_is_reported_with_both_files(void **state)
{
    struct shop *s = *state;
    char error[TLS_ERROR_MAX] = "", want[TLS_ERROR_MAX];
    struct certificate_conf conf = locked_conf(s, "wrong", "other words\n");
    struct tls_conf tls = {.certificates = &conf, .n_certificates = 1};
    assert_null(tls_context_new(s->lib, &tls, s->keys, error));
    snprintf(want, sizeof(want), "%s: cannot decrypt the private key with the passphrase in %s",
             conf.private_key_file, conf.private_key_passphrase_file);
    assert_string_equal(error, want);
    conf.private_key_passphrase_file = (char *)"/nowhere/pass";
    assert_null(tls_context_new(s->lib, &tls, s->keys, error));
    assert_string_equal(error,
                        "/nowhere/pass: cannot read the passphrase: No such file or directory");
    conf = locked_conf(s, "empty", "\n");
    assert_null(tls_context_new(s->lib, &tls, s->keys, error));
    snprintf(want, sizeof(want), "%s: cannot read the passphrase: must not be empty",
             conf.private_key_passphrase_file);
    assert_string_equal(error, want);
}

/* ---- reload ---------------------------------------------------------------------------- */

static void context_can_be_freed_while_its_streams_are_in_use(void **state)
{
    struct shop *s = *state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct certificate_conf both[] = {s->plain_conf, s->wild_conf};
        struct tls_context *ctx = context_of(s, both, 2, false);
        struct link talking, shaking;
        link_open(&talking, ctx, version);
        link_init(&shaking, ctx, version);
        SSL_set_tlsext_host_name(shaking.peer.ssl, "two.wild.test");
        tls_context_free(ctx); /* the reference of the owner */
        assert_int_equal(shake(shaking.server, &shaking.peer), STREAM_OK);
        peer_settle(&shaking.peer);
        send_up(&talking.peer, talking.server, (const uint8_t *)"still here", 10);
        send_down(shaking.server, &shaking.peer, (const uint8_t *)"me too", 6);
        link_fini(&talking);
        link_fini(&shaking);
    }
}

struct files_seen {
    size_t n;
    const char *list[16];
};

static void note_file(void *arg, const char *file)
{
    struct files_seen *seen = arg;
    assert_true(seen->n < ARRAY_LEN(seen->list));
    seen->list[seen->n++] = file;
}

static void every_file_of_a_listener_is_listed(void **state)
{
    char *crls[] = {(char *)"one.crl", (char *)"two.crl"};
    struct certificate_conf certificates[] = {
        {(char *)"a.pem", (char *)"a.key", (char *)"a.pass", (char *)"a.ocsp", 0},
        {(char *)"b.pem", (char *)"b.key", NULL, NULL, 0}};
    struct tls_conf conf = {.certificates = certificates,
                            .n_certificates = 2,
                            .client_ca_file = (char *)"ca.pem",
                            .client_crl_files = crls,
                            .n_client_crl_files = 2,
                            .session_ticket_key_file = (char *)"tickets"};
    static const char *const all[] = {"a.pem", "a.key",   "a.pass",  "a.ocsp", "b.pem",
                                      "b.key", "tickets", "one.crl", "two.crl"};
    struct files_seen seen = {0};
    (void)state;
    tls_context_files(&conf, note_file, &seen);
    assert_int_equal(seen.n, 7); /* without client authentication */
    for (size_t i = 0; i < seen.n; i++)
        assert_string_equal(seen.list[i], all[i]);
    conf.client_auth = CLIENT_AUTH_REQUEST;
    seen.n = 0;
    tls_context_files(&conf, note_file, &seen);
    assert_int_equal(seen.n, 10);
    assert_string_equal(seen.list[6], "ca.pem");
    assert_string_equal(seen.list[8], "two.crl");
}

struct expiry_seen {
    size_t n;
    char names[8][32];
    char files[8][96];
    time_t not_after[8];
};

static void note_expiry(void *arg, const struct tls_validity *validity)
{
    struct expiry_seen *seen = arg;
    assert_true(seen->n < ARRAY_LEN(seen->names));
    snprintf(seen->names[seen->n], sizeof(seen->names[0]), "%s", validity->name);
    snprintf(seen->files[seen->n], sizeof(seen->files[0]), "%s", validity->file);
    assert_int_equal(validity->kind,
                     seen->n == 0 ? TLS_VALIDITY_AUTHORITY : TLS_VALIDITY_CERTIFICATE);
    seen->not_after[seen->n++] = validity->until;
}

static void expiry_of_leaves_chains_and_authorities_is_listed(void **state)
{
    struct shop *s = *state;
    char error[TLS_ERROR_MAX];
    struct expiry_seen seen = {0};
    struct tls_conf conf = {.certificates = &s->plain_conf,
                            .n_certificates = 1,
                            .client_auth = CLIENT_AUTH_REQUEST,
                            .client_ca_file =
                                (char *)write_chain(&s->files, "ca.pem", &s->root, NULL)};
    time_t before = time(NULL);
    struct tls_context *ctx = tls_context_new(s->lib, &conf, s->keys, error);
    assert_non_null(ctx);
    tls_context_validity(ctx, note_expiry, &seen);
    static const char *const names[] = {"Root", "plain", "Issuer"};
    assert_int_equal(seen.n, 3);
    for (size_t i = 0; i < seen.n; i++) {
        assert_string_equal(seen.names[i], names[i]);
        assert_string_equal(seen.files[i],
                            i == 0 ? conf.client_ca_file : s->plain_conf.certificate_file);
        /* Created during this test run, valid for an hour. */
        assert_true(seen.not_after[i] > before + 3600 - 120);
        assert_true(seen.not_after[i] <= before + 3600);
    }
    tls_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_name_precedes_wildcard_and_wildcard_precedes_default),
        cmocka_unit_test(strict_sni_rejects_unknown_names_and_reports_them),
        cmocka_unit_test(one_name_may_have_an_ecdsa_and_an_rsa_certificate),
        cmocka_unit_test(facts_describe_the_certificate_that_was_sent),
        cmocka_unit_test(second_certificate_with_the_same_names_and_key_type_is_rejected),
        cmocka_unit_test(certificate_chain_is_sent),
        cmocka_unit_test(shared_name_selects_the_first_certificate),
        cmocka_unit_test(each_of_hundreds_of_names_is_found),
        cmocka_unit_test(common_name_is_used_only_without_dns_names),
        cmocka_unit_test(encrypted_key_is_read_with_a_passphrase_file),
        cmocka_unit_test(wrong_passphrase_is_reported_with_both_files),
        cmocka_unit_test(context_can_be_freed_while_its_streams_are_in_use),
        cmocka_unit_test(every_file_of_a_listener_is_listed),
        cmocka_unit_test(expiry_of_leaves_chains_and_authorities_is_listed),
    };
    return cmocka_run_group_tests_name("tls_certificates", tests, setup, teardown);
}
