/*
 * Tests of context.c: which certificate a client receives, and the errors for invalid files.
 */
#include "tls_peer.h"

struct world {
    struct test_files files;
    struct certificate_conf certificates[2]; /* first.test (the default), second.test */
    struct tls_ticket_keys *keys;
    struct tls_library *lib;
};

static int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    signal(SIGPIPE, SIG_IGN);
    files_init(&w->files);
    w->certificates[0] = make_certificate(&w->files, "first.test");
    w->certificates[1] = make_certificate(&w->files, "*.second.test");
    w->keys = tls_ticket_keys_generate(NULL, 0);
    assert_non_null(w->keys);
    w->lib = tls_library_new();
    assert_non_null(w->lib);
    *state = w;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *w = *state;
    tls_ticket_keys_unref(w->keys);
    tls_library_free(w->lib);
    files_fini(&w->files);
    free(w);
    return 0;
}

static struct tls_context *context_of(struct world *w, struct certificate_conf *certificates,
                                      size_t n, unsigned min_version, char error[TLS_ERROR_MAX])
{
    struct tls_conf conf = {
        .certificates = certificates, .n_certificates = n, .min_version = min_version};
    return tls_context_new(w->lib, &conf, w->keys, error);
}

/*
 * Get the common name of the certificate that a client with the server name `sni` receives.
 */
static void shown(struct tls_context *ctx, int version, const char *sni, char cn[64])
{
    int fds[2];
    struct peer peer;
    make_pair(fds);
    peer_init(&peer, fds[1], version);
    if (sni)
        SSL_set_tlsext_host_name(peer.ssl, sni);
    struct stream *server = stream_tls_accept(ctx, fds[0]);
    assert_non_null(server);
    assert_int_equal(shake(server, &peer), STREAM_OK);
    struct tls_facts facts;
    stream_tls_facts(server, &facts);
    if (sni)
        assert_true(span_equal(facts.sni, span_of_str(sni)));
    X509 *x509 = SSL_get0_peer_certificate(peer.ssl);
    assert_non_null(x509);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, cn, 64);
    stream_free(server);
    peer_fini(&peer);
}

static void certificate_is_selected_by_server_name(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX], cn[64];
    struct tls_context *ctx = context_of(w, w->certificates, 2, TLS1_2_VERSION, error);
    assert_non_null(ctx);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        shown(ctx, version, "first.test", cn);
        assert_string_equal(cn, "first.test");
        shown(ctx, version, "eu.second.test", cn);
        assert_string_equal(cn, "*.second.test");
        shown(ctx, version, "EU.Second.Test", cn);
        assert_string_equal(cn, "*.second.test");
    }
    tls_context_free(ctx);
}

static void unknown_or_absent_server_name_selects_the_default(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX], cn[64];
    struct tls_context *ctx = context_of(w, w->certificates, 2, TLS1_2_VERSION, error);
    assert_non_null(ctx);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        shown(ctx, version, "third.test", cn);
        assert_string_equal(cn, "first.test");
        shown(ctx, version, NULL, cn);
        assert_string_equal(cn, "first.test");
    }
    tls_context_free(ctx);
}

/* Check the protocol that is selected if the client offers these names. */
static void expect_alpn(struct tls_context *ctx, const char *offer, const char *want)
{
    int fds[2];
    struct peer peer;
    struct tls_facts facts;
    make_pair(fds);
    peer_init(&peer, fds[1], TLS1_3_VERSION);
    SSL_set_alpn_protos(peer.ssl, (const unsigned char *)offer, (unsigned)strlen(offer));
    struct stream *server = stream_tls_accept(ctx, fds[0]);
    assert_non_null(server);
    assert_int_equal(shake(server, &peer), STREAM_OK);
    stream_tls_facts(server, &facts);
    assert_int_equal(facts.alpn_n, strlen(want));
    assert_memory_equal(facts.alpn_n ? (const char *)facts.alpn : "", want, strlen(want));
    stream_free(server);
    peer_fini(&peer);
}

static void alpn_selects_mqtt_and_ignores_other_protocols(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX];
    /*
     * The same for the second certificate, whose SSL_CTX is used when the server name selects it.
     */
    struct tls_context *ctx = context_of(w, w->certificates, 2, TLS1_2_VERSION, error);
    assert_non_null(ctx);
    expect_alpn(ctx, "\x0ex-amzn-mqtt-ca\x04mqtt", "mqtt");
    expect_alpn(ctx, "\x0ex-amzn-mqtt-ca", "x-amzn-mqtt-ca");
    expect_alpn(ctx, "\x08http/1.1\x02h2", "");
    tls_context_free(ctx);
}

static void min_version_1_3_rejects_a_1_2_client(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX];
    int fds[2];
    struct peer peer;
    struct tls_context *ctx = context_of(w, w->certificates, 1, TLS1_3_VERSION, error);
    assert_non_null(ctx);
    make_pair(fds);
    peer_init(&peer, fds[1], TLS1_2_VERSION);
    struct stream *server = stream_tls_accept(ctx, fds[0]);
    assert_non_null(server);
    assert_int_equal(shake(server, &peer), STREAM_ERR);
    assert_string_equal(stream_error(server),
                        "sent alert: protocol version (unsupported protocol)");
    ERR_clear_error();
    stream_free(server);
    peer_fini(&peer);
    tls_context_free(ctx);
}

/*
 * AES-256 adds no useful strength and costs a third more, even if the client lists it first.
 */
static void aes_128_and_x25519_are_preferred(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX];
    int fds[2];
    struct peer peer;
    struct tls_facts facts;
    struct tls_context *ctx = context_of(w, w->certificates, 1, TLS1_2_VERSION, error);
    assert_non_null(ctx);
    make_pair(fds);
    peer_init(&peer, fds[1], TLS1_3_VERSION);
    SSL_set_ciphersuites(peer.ssl, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256");
    struct stream *server = stream_tls_accept(ctx, fds[0]);
    assert_non_null(server);
    assert_int_equal(shake(server, &peer), STREAM_OK);
    stream_tls_facts(server, &facts);
    assert_string_equal(facts.cipher, "TLS_AES_128_GCM_SHA256");
    assert_int_equal(SSL_get_negotiated_group(peer.ssl), NID_X25519);
    stream_free(server);
    peer_fini(&peer);
    tls_context_free(ctx);
}

/* Check that the error is one message with the file and the rule. */
static void expect_refusal(struct world *w, const char *certificate, const char *key,
                           const char *file, const char *rule)
{
    char error[TLS_ERROR_MAX] = "", want[TLS_ERROR_MAX];
    struct certificate_conf conf = {.certificate_file = (char *)certificate,
                                    .private_key_file = (char *)key};
    assert_null(context_of(w, &conf, 1, TLS1_2_VERSION, error));
    snprintf(want, sizeof(want), "%s: %s", file, rule);
    assert_string_equal(error, want);
}

static void missing_file_is_reported_by_name(void **state)
{
    struct world *w = *state;
    const struct certificate_conf *good = &w->certificates[0];
    expect_refusal(w, "/nowhere/x.pem", good->private_key_file, "/nowhere/x.pem",
                   "cannot read the certificate: No such file or directory");
    expect_refusal(w, good->certificate_file, "/nowhere/x.key", "/nowhere/x.key",
                   "cannot read the private key: No such file or directory");
}

static void file_with_the_wrong_content_is_reported_by_name(void **state)
{
    struct world *w = *state;
    const struct certificate_conf *good = &w->certificates[0];
    const char *text = files_write(&w->files, "text.pem", "hello\n");
    const char *cut = files_write(&w->files, "cut.pem",
                                  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    char error[TLS_ERROR_MAX];
    struct certificate_conf conf = {.certificate_file = (char *)cut,
                                    .private_key_file = good->private_key_file};
    expect_refusal(w, text, good->private_key_file, text, "contains no certificate: no start line");
    expect_refusal(w, good->certificate_file, text, text, "contains no private key");
    /* Certificate and key are swapped. */
    expect_refusal(w, good->private_key_file, good->certificate_file, good->private_key_file,
                   "contains no certificate: no start line");
    assert_null(context_of(w, &conf, 1, TLS1_2_VERSION, error));
    assert_memory_equal(error, cut, strlen(cut));
    assert_non_null(strstr(error, ": cannot use the certificate: "));
}

static void key_of_another_certificate_is_rejected_with_both_files_named(void **state)
{
    struct world *w = *state;
    char rule[TLS_ERROR_MAX];
    const char *certificate = w->certificates[0].certificate_file;
    const char *key = w->certificates[1].private_key_file;
    snprintf(rule, sizeof(rule), "does not match the certificate in %s: key values mismatch",
             certificate);
    expect_refusal(w, certificate, key, key, rule);

    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    const char *rsa_key = write_key(&w->files, "rsa.key", rsa, NULL);
    EVP_PKEY_free(rsa);
    snprintf(rule, sizeof(rule), "does not match the certificate in %s: different key types",
             certificate);
    expect_refusal(w, certificate, rsa_key, rsa_key, rule);
}

/* There must be no passphrase prompt. */
static void encrypted_key_without_a_passphrase_file_is_rejected_without_a_prompt(void **state)
{
    struct world *w = *state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    const char *file = write_key(&w->files, "locked.key", key, "secret");
    EVP_PKEY_free(key);
    expect_refusal(w, w->certificates[0].certificate_file, file, file,
                   "the private key is encrypted: set private_key_passphrase_file, or use a key "
                   "without a passphrase");
}

static void invalid_second_certificate_fails_the_whole_context(void **state)
{
    struct world *w = *state;
    char error[TLS_ERROR_MAX] = "";
    struct certificate_conf both[2] = {w->certificates[0], w->certificates[1]};
    both[1].certificate_file = (char *)"/nowhere/second.pem";
    assert_null(context_of(w, both, 2, TLS1_2_VERSION, error));
    assert_string_equal(error, "/nowhere/second.pem: cannot read the certificate: "
                               "No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_is_selected_by_server_name),
        cmocka_unit_test(unknown_or_absent_server_name_selects_the_default),
        cmocka_unit_test(alpn_selects_mqtt_and_ignores_other_protocols),
        cmocka_unit_test(min_version_1_3_rejects_a_1_2_client),
        cmocka_unit_test(aes_128_and_x25519_are_preferred),
        cmocka_unit_test(missing_file_is_reported_by_name),
        cmocka_unit_test(file_with_the_wrong_content_is_reported_by_name),
        cmocka_unit_test(key_of_another_certificate_is_rejected_with_both_files_named),
        cmocka_unit_test(encrypted_key_without_a_passphrase_file_is_rejected_without_a_prompt),
        cmocka_unit_test(invalid_second_certificate_fails_the_whole_context),
    };
    return cmocka_run_group_tests_name("tls_context", tests, world_setup, world_teardown);
}
