/*
 * Tests of settings.c and staple.c: the settings of a listener, the errors for invalid settings,
 * and OCSP responses.
 */
#include "tls_authority.h"

#include "tls_link.h"

static struct tls_context *context_of(struct world *w, const struct tls_conf *conf)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_context *ctx = tls_context_new(w->lib, conf, w->keys, error);
    assert_string_equal(error, "");
    assert_non_null(ctx);
    return ctx;
}

static void ciphers_suites_and_groups_are_as_configured(void **state)
{
    struct world *w = *state;
    struct tls_conf conf = w->conf;
    conf.ciphers = (char *)"ECDHE+AESGCM:!AES128";
    conf.ciphersuites = (char *)"TLS_CHACHA20_POLY1305_SHA256";
    conf.groups = (char *)"P-384";
    struct tls_context *ctx = context_of(w, &conf);
    static const char *const want[] = {"ECDHE-ECDSA-AES256-GCM-SHA384",
                                       "TLS_CHACHA20_POLY1305_SHA256"};
    for (int i = 0; i < 2; i++) {
        struct link l;
        struct tls_facts facts;
        link_open(&l, ctx, TLS1_2_VERSION + i);
        stream_tls_facts(l.server, &facts);
        assert_string_equal(facts.cipher, want[i]);
        assert_int_equal(SSL_get_negotiated_group(l.peer.ssl), NID_secp384r1);
        link_fini(&l);
    }
    tls_context_free(ctx);
}

static void expect_refusal(struct world *w, const struct tls_conf *conf, const char *words)
{
    char error[TLS_ERROR_MAX] = "";
    assert_null(tls_context_new(w->lib, conf, w->keys, error));
    assert_string_equal(error, words);
}

static void unknown_setting_is_reported_by_name(void **state)
{
    struct world *w = *state;
    struct tls_conf conf = w->conf;
    conf.ciphers = (char *)"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-TYPO";
    expect_refusal(w, &conf, "ciphers: unknown or unsupported: \"ECDHE-TYPO\"");
    conf = w->conf;
    conf.ciphersuites = (char *)"TLS_AES_128_GCM_SHA256:TLS_TYPO";
    expect_refusal(w, &conf, "ciphersuites: unknown or unsupported: \"TLS_TYPO\"");
    conf.ciphersuites = (char *)"ECDHE-ECDSA-AES128-GCM-SHA256";
    expect_refusal(w, &conf,
                   "ciphersuites: unknown or unsupported: \"ECDHE-ECDSA-AES128-GCM-SHA256\"");
    conf = w->conf;
    conf.groups = (char *)"X25519:X99";
    expect_refusal(w, &conf, "groups: unknown or unsupported: \"X99\"");
    conf = w->conf;
    conf.min_version = TLS1_1_VERSION;
    expect_refusal(w, &conf, "min_version: must be TLS 1.2 or 1.3");
    conf = w->conf;
    char *names[] = {(char *)"mqtt", (char *)""};
    conf.alpn = names;
    conf.n_alpn = 2;
    expect_refusal(w, &conf, "alpn: names must be 1 to 255 bytes long");
}

static void default_minimum_version_is_1_2(void **state)
{
    struct world *w = *state;
    struct tls_conf conf = w->conf;
    conf.min_version = 0;
    /* Allow weak ciphers, so that only the version decides. */
    conf.ciphers = (char *)"ALL:@SECLEVEL=0";
    struct tls_context *ctx = context_of(w, &conf);
    for (int version = TLS1_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link l;
        link_init(&l, ctx, version);
        assert_int_equal(SSL_set_cipher_list(l.peer.ssl, "ALL:@SECLEVEL=0"), 1);
        assert_int_equal(shake(l.server, &l.peer),
                         version < TLS1_2_VERSION ? STREAM_ERR : STREAM_OK);
        ERR_clear_error();
        link_fini(&l);
    }
    tls_context_free(ctx);
}

static void expect_alpn(struct tls_context *ctx, const char *offer, const char *want)
{
    struct link l;
    struct tls_facts facts;
    link_init(&l, ctx, TLS1_3_VERSION);
    SSL_set_alpn_protos(l.peer.ssl, (const unsigned char *)offer, (unsigned)strlen(offer));
    assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
    stream_tls_facts(l.server, &facts);
    assert_true(span_equal(span_of(facts.alpn, facts.alpn_n), span_of_str(want)));
    link_fini(&l);
}

static void alpn_uses_the_configured_names_in_the_order_of_the_listener(void **state)
{
    struct world *w = *state;
    char *names[] = {(char *)"mqtt5", (char *)"mqtt"};
    struct tls_conf conf = w->conf;
    conf.alpn = names;
    conf.n_alpn = 2;
    struct tls_context *ctx = context_of(w, &conf);
    expect_alpn(ctx, "\x04mqtt\x05mqtt5", "mqtt5");
    expect_alpn(ctx, "\x04mqtt", "mqtt");
    expect_alpn(ctx, "\x0ex-amzn-mqtt-ca", "");
    tls_context_free(ctx);
}

/* ---- stapled responses ----------------------------------------------------------------- */

/* A certificate, its issuer, and a context that staples `response`. */
struct stapling {
    struct identity issuer, leaf;
    struct certificate_conf files;
    struct tls_conf conf;
};

static void stapling_init(struct stapling *s, struct world *w, const char *name)
{
    s->issuer = identity_make(NULL, &(struct identity_spec){.cn = "Issuer", .authority = true});
    s->leaf = identity_make(
        &s->issuer,
        &(struct identity_spec){.cn = "stapled", .san = "DNS:stapled.test", .serial = 77});
    s->files = write_identity(&w->files, name, &s->leaf, &s->issuer);
    s->conf = (struct tls_conf){.certificates = &s->files, .n_certificates = 1};
}

static void stapling_fini(struct stapling *s)
{
    identity_free(&s->issuer);
    identity_free(&s->leaf);
}

/* Check the response that a client receives, with or without a request for it. */
static void expect_staple(struct tls_context *ctx, bool asks, const unsigned char *want, long n)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct link l;
        unsigned char *got;
        link_init(&l, ctx, version);
        if (asks)
            SSL_set_tlsext_status_type(l.peer.ssl, TLSEXT_STATUSTYPE_ocsp);
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        peer_settle(&l.peer);
        assert_int_equal(SSL_get_tlsext_status_ocsp_resp(l.peer.ssl, &got), n);
        if (n > 0)
            assert_memory_equal(got, want, (size_t)n);
        link_fini(&l);
    }
}

static void response_is_stapled_if_the_client_requests_it(void **state)
{
    struct world *w = *state;
    struct stapling s;
    int n;
    stapling_init(&s, w, "stapled");
    unsigned char *der = make_ocsp(&s.issuer, &s.leaf, V_OCSP_CERTSTATUS_GOOD, 3600, &n);
    char pem[8192] = "-----BEGIN OCSP RESPONSE-----\n";
    size_t at = strlen(pem);
    for (int done = 0; done < n; done += 48) { /* 48 bytes per PEM line */
        at += (size_t)EVP_EncodeBlock((unsigned char *)pem + at, der + done,
                                      n - done < 48 ? n - done : 48);
        pem[at++] = '\n';
    }
    strcpy(pem + at, "-----END OCSP RESPONSE-----\n");
    const char *const files[] = {write_bytes(&w->files, "good.der", der, (size_t)n),
                                 files_write(&w->files, "good.pem", pem)};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        s.files.ocsp_response_file = (char *)files[i];
        struct tls_context *ctx = context_of(w, &s.conf);
        expect_staple(ctx, true, der, n);
        expect_staple(ctx, false, NULL, -1);
        tls_context_free(ctx);
    }
    OPENSSL_free(der);
    stapling_fini(&s);
}

/* The response was not renewed in time: the listener continues without it. */
static void expired_response_is_not_sent(void **state)
{
    struct world *w = *state;
    struct stapling s;
    int n;
    stapling_init(&s, w, "late");
    unsigned char *der = make_ocsp(&s.issuer, &s.leaf, V_OCSP_CERTSTATUS_GOOD, -60, &n);
    s.files.ocsp_response_file = (char *)write_bytes(&w->files, "late.der", der, (size_t)n);
    struct tls_context *ctx = context_of(w, &s.conf);
    expect_staple(ctx, true, NULL, -1);
    tls_context_free(ctx);
    OPENSSL_free(der);
    stapling_fini(&s);
}

static void response_is_sent_only_with_its_own_certificate(void **state)
{
    struct world *w = *state;
    struct stapling s;
    int n;
    stapling_init(&s, w, "of-two");
    unsigned char *der = make_ocsp(&s.issuer, &s.leaf, V_OCSP_CERTSTATUS_GOOD, 3600, &n);
    s.files.ocsp_response_file = (char *)write_bytes(&w->files, "two.der", der, (size_t)n);
    struct identity rsa = identity_make(
        &s.issuer, &(struct identity_spec){.cn = "rsa", .san = "DNS:stapled.test", .rsa = true});
    struct certificate_conf both[] = {write_identity(&w->files, "rsa-of-two", &rsa, NULL), s.files};
    s.conf.certificates = both;
    s.conf.n_certificates = 2;
    struct tls_context *ctx = context_of(w, &s.conf);
    for (int i = 0; i < 2; i++) {
        struct link l;
        unsigned char *got;
        link_init(&l, ctx, TLS1_3_VERSION);
        SSL_set_tlsext_status_type(l.peer.ssl, TLSEXT_STATUSTYPE_ocsp);
        SSL_set1_sigalgs_list(l.peer.ssl, i ? "rsa_pss_rsae_sha256" : "ecdsa_secp256r1_sha256");
        assert_int_equal(shake(l.server, &l.peer), STREAM_OK);
        assert_int_equal(SSL_get_tlsext_status_ocsp_resp(l.peer.ssl, &got), i ? -1 : n);
        link_fini(&l);
    }
    tls_context_free(ctx);
    OPENSSL_free(der);
    identity_free(&rsa);
    stapling_fini(&s);
}

static void expect_bad_staple(struct world *w, struct stapling *s, const char *file,
                              const char *rule)
{
    char words[TLS_ERROR_MAX];
    snprintf(words, sizeof(words), "%s: %s", file, rule);
    s->files.ocsp_response_file = (char *)file;
    expect_refusal(w, &s->conf, words);
}

static void response_for_another_certificate_is_an_error(void **state)
{
    struct world *w = *state;
    struct stapling s;
    int n;
    stapling_init(&s, w, "bad-staple");
    struct identity other =
        identity_make(&s.issuer, &(struct identity_spec){.cn = "other", .serial = 78});
    struct identity namesake_issuer =
        identity_make(NULL, &(struct identity_spec){.cn = "Another issuer", .authority = true});
    struct identity namesake =
        identity_make(&namesake_issuer, &(struct identity_spec){.cn = "stapled", .serial = 77});
    const struct {
        const char *file;
        const struct identity *issuer, *subject;
        int status;
        const char *rule;
    } cases[] = {{"other.der", &s.issuer, &other, V_OCSP_CERTSTATUS_GOOD,
                  "the OCSP response is for another certificate"},
                 {"namesake.der", &namesake_issuer, &namesake, V_OCSP_CERTSTATUS_GOOD,
                  "the OCSP response is for another certificate"},
                 {"revoked.der", &s.issuer, &s.leaf, V_OCSP_CERTSTATUS_REVOKED,
                  "the certificate status in the OCSP response is not \"good\""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned char *der =
            make_ocsp(cases[i].issuer, cases[i].subject, cases[i].status, 3600, &n);
        expect_bad_staple(w, &s, write_bytes(&w->files, cases[i].file, der, (size_t)n),
                          cases[i].rule);
        OPENSSL_free(der);
    }
    expect_bad_staple(w, &s, files_write(&w->files, "hello.der", "hello\n"),
                      "contains no OCSP response");
    expect_bad_staple(w, &s, write_bytes(&w->files, "later.der", "\x30\x03\x0a\x01\x03", 5),
                      "the OCSP response reports an error: trylater");
    expect_bad_staple(w, &s, "/nowhere/x.der",
                      "cannot read the OCSP response: No such file or directory");
    identity_free(&other);
    identity_free(&namesake);
    identity_free(&namesake_issuer);
    stapling_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ciphers_suites_and_groups_are_as_configured),
        cmocka_unit_test(unknown_setting_is_reported_by_name),
        cmocka_unit_test(default_minimum_version_is_1_2),
        cmocka_unit_test(alpn_uses_the_configured_names_in_the_order_of_the_listener),
        cmocka_unit_test(response_is_stapled_if_the_client_requests_it),
        cmocka_unit_test(expired_response_is_not_sent),
        cmocka_unit_test(response_is_sent_only_with_its_own_certificate),
        cmocka_unit_test(response_for_another_certificate_is_an_error),
    };
    return cmocka_run_group_tests_name("tls_settings", tests, world_setup, world_teardown);
}
