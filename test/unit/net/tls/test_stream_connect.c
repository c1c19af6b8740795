/*
 * Tests of client.c and stream_connect.c: TLS connections to a node, with our own server streams
 * and with raw sockets.
 */
#include "tls_authority.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/tls/client.h"

struct nodes {
    struct test_files files;
    struct identity root, node, expired, router, stranger_root;
    struct certificate_conf node_conf, expired_conf, router_conf;
    char *root_file, *stranger_file;
    struct tls_library *lib;
    struct address loopback, elsewhere;
};

static int setup(void **state)
{
    struct nodes *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    signal(SIGPIPE, SIG_IGN);
    files_init(&w->files);
    w->root = identity_make(NULL, &(struct identity_spec){.cn = "Root", .authority = true});
    w->stranger_root =
        identity_make(NULL, &(struct identity_spec){.cn = "Stranger", .authority = true});
    w->node = identity_make(
        &w->root, &(struct identity_spec){
                      .cn = "node", .san = "DNS:node.test,DNS:*.nodes.test,IP:127.0.0.1,IP:::1"});
    w->expired = identity_make(
        &w->root, &(struct identity_spec){.cn = "old", .san = "DNS:node.test", .lifetime_s = 60});
    w->router = identity_make(&w->root, &(struct identity_spec){.cn = "router"});
    w->node_conf = write_identity(&w->files, "node", &w->node, NULL);
    w->expired_conf = write_identity(&w->files, "expired", &w->expired, NULL);
    w->router_conf = write_identity(&w->files, "router", &w->router, NULL);
    w->root_file = (char *)write_chain(&w->files, "root.pem", &w->root, NULL);
    w->stranger_file = (char *)write_chain(&w->files, "stranger.pem", &w->stranger_root, NULL);
    w->lib = tls_library_new();
    assert_non_null(w->lib);
    assert_true(address_parse("127.0.0.1:1883", false, &w->loopback));
    assert_true(address_parse("127.0.0.2:1883", false, &w->elsewhere));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct nodes *w = *state;
    struct identity *all[] = {&w->root, &w->node, &w->expired, &w->router, &w->stranger_root};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        identity_free(all[i]);
    tls_library_free(w->lib);
    files_fini(&w->files);
    free(w);
    return 0;
}

static struct tls_client_context *client_of(struct nodes *w, const struct upstream_tls_conf *conf)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_client_context *ctx = tls_client_context_new(w->lib, conf, error);
    assert_string_equal(error, "");
    assert_non_null(ctx);
    return ctx;
}

static struct tls_context *server_of(struct nodes *w, const struct tls_conf *conf)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_context *ctx = tls_context_new(w->lib, conf, NULL, error);
    assert_string_equal(error, "");
    return ctx;
}

/* Run the handshake on both sides in turn until both are open or the client fails. */
static enum stream_result meet(struct stream *client, struct stream *server)
{
    bool server_open = false;
    for (int i = 0; i < PEER_STEPS_MAX; i++) {
        enum stream_result answer = stream_open(client);
        if (!server_open) {
            enum stream_result other = stream_open(server);
            if (other == STREAM_ERR && answer != STREAM_ERR)
                answer = stream_open(client);
            server_open = other == STREAM_OK;
        }
        if (answer == STREAM_ERR || (answer == STREAM_OK && server_open))
            return answer;
    }
    fail_msg("the handshake does not end");
    return STREAM_ERR;
}

/*
 * Check the error of a client with `conf` that expects `peer` and connects to a node with
 * `certificate`; "" = no error.
 */
static void expect_words(struct nodes *w, const struct upstream_tls_conf *conf,
                         struct certificate_conf *certificate, const struct tls_peer *peer,
                         const char *words)
{
    struct tls_conf server_conf = {.certificates = certificate, .n_certificates = 1};
    struct tls_client_context *client_ctx = client_of(w, conf);
    struct tls_context *server_ctx = server_of(w, &server_conf);
    int fds[2];
    make_pair(fds);
    struct stream *server = stream_tls_accept(server_ctx, fds[0]);
    struct stream *client = stream_tls_connect(client_ctx, fds[1], peer, NULL, 0);
    assert_true(server && client);
    tls_client_context_free(client_ctx); /* the stream holds its own reference */
    enum stream_result answer = meet(client, server);
    assert_string_equal(answer == STREAM_OK ? "" : stream_error(client), words);
    if (answer == STREAM_OK) {
        struct tls_facts facts;
        stream_tls_facts(server, &facts);
        if (peer->name && strspn(peer->name, "0123456789.:abcdef") < strlen(peer->name))
            assert_true(span_equal(facts.sni, span_of_str(peer->name)));
        else
            assert_null(facts.sni.p);
    }
    ERR_clear_error();
    stream_free(client);
    stream_free(server);
    tls_context_free(server_ctx);
}

static void node_certificate_is_verified_by_name(void **state)
{
    struct nodes *w = *state;
    const struct upstream_tls_conf conf = {.ca_file = w->root_file, .verify = true};
    const struct {
        const char *name, *words;
    } cases[] = {
        {"node.test", ""},
        {"Node.Test", ""},
        {"a.nodes.test", ""},
        {"node", "certificate verify failed: hostname mismatch"}, /* the common name is ignored if
                                                                     there is a SAN */
        {"a.b.nodes.test", "certificate verify failed: hostname mismatch"},
        {"other.test", "certificate verify failed: hostname mismatch"},
        {"", "invalid server name"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_words(w, &conf, &w->node_conf,
                     &(struct tls_peer){.name = cases[i].name, .address = &w->loopback},
                     cases[i].words);
}

static void node_certificate_without_a_configured_name_is_verified_by_address(void **state)
{
    struct nodes *w = *state;
    const struct upstream_tls_conf conf = {.ca_file = w->root_file, .verify = true};
    struct address v6, mapped, local = {.sa.sa_family = AF_UNIX};
    assert_true(address_parse("[::1]:1883", false, &v6));
    assert_true(address_parse("[::ffff:127.0.0.1]:1883", false, &mapped));
    expect_words(w, &conf, &w->node_conf, &(struct tls_peer){.address = &w->loopback}, "");
    expect_words(w, &conf, &w->node_conf, &(struct tls_peer){.address = &v6}, "");
    expect_words(w, &conf, &w->node_conf, &(struct tls_peer){.address = &mapped}, "");
    expect_words(w, &conf, &w->node_conf, &(struct tls_peer){.name = "127.0.0.1"}, "");
    expect_words(w, &conf, &w->node_conf, &(struct tls_peer){.address = &w->elsewhere},
                 "certificate verify failed: IP address mismatch");
    expect_words(w, &conf, &w->node_conf, &(struct tls_peer){.name = "127.0.0.2"},
                 "certificate verify failed: IP address mismatch");
    expect_words(w, &conf, &w->node_conf, &(struct tls_peer){.address = &local},
                 "cannot verify the certificate: set a server name");
    expect_words(w, &conf, &w->node_conf, &(struct tls_peer){0},
                 "cannot verify the certificate: set a server name");
}

static void authority_and_expiry_are_verified(void **state)
{
    struct nodes *w = *state;
    const struct tls_peer peer = {.name = "node.test"};
    expect_words(w, &(struct upstream_tls_conf){.ca_file = w->stranger_file, .verify = true},
                 &w->node_conf, &peer,
                 "certificate verify failed: unable to get local issuer certificate");
    expect_words(w, &(struct upstream_tls_conf){.verify = true}, &w->node_conf, &peer,
                 "certificate verify failed: unable to get local issuer certificate");
    expect_words(w, &(struct upstream_tls_conf){.ca_file = w->root_file, .verify = true},
                 &w->expired_conf, &peer, "certificate verify failed: certificate has expired");
    expect_words(w, &(struct upstream_tls_conf){.verify = false}, &w->expired_conf,
                 &(struct tls_peer){.name = "other.test"}, "");
    expect_words(w, &(struct upstream_tls_conf){.verify = false}, &w->expired_conf,
                 &(struct tls_peer){0}, "");
}

static void client_certificate_is_sent_to_a_node_that_requests_it(void **state)
{
    struct nodes *w = *state;
    char *alpn[] = {(char *)"mqtt"};
    const struct upstream_tls_conf conf = {.ca_file = w->root_file,
                                           .verify = true,
                                           .certificate_file = w->router_conf.certificate_file,
                                           .private_key_file = w->router_conf.private_key_file,
                                           .min_version = 0x0304,
                                           .alpn = alpn,
                                           .n_alpn = 1};
    struct tls_conf server_conf = {.certificates = &w->node_conf,
                                   .n_certificates = 1,
                                   .client_auth = CLIENT_AUTH_REQUIRE,
                                   .client_ca_file = w->root_file};
    struct tls_client_context *client_ctx = client_of(w, &conf);
    struct tls_context *server_ctx = server_of(w, &server_conf);
    int fds[2];
    make_pair(fds);
    struct stream *server = stream_tls_accept(server_ctx, fds[0]);
    struct stream *client =
        stream_tls_connect(client_ctx, fds[1], &(struct tls_peer){.name = "node.test"}, NULL, 0);
    struct tls_facts facts;
    uint8_t bytes[16];
    size_t moved;
    assert_int_equal(meet(client, server), STREAM_OK);
    stream_tls_facts(server, &facts);
    assert_true(facts.client_verified);
    assert_true(span_equal(facts.cn, span_of_str("router")));
    assert_string_equal(facts.version, "TLSv1.3");
    assert_true(span_equal(span_of(facts.alpn, facts.alpn_n), span_of_str("mqtt")));
    stream_tls_facts(client, &facts);
    assert_string_equal(facts.version, "TLSv1.3");
    assert_true(span_equal(facts.cn, span_of_str("node")));
    /* the last flight emptied the socket */
    assert_int_equal(stream_read(server, bytes, sizeof(bytes), &moved), STREAM_WANT_READ);
    assert_int_equal(stream_write(client, "CONNECT", 7, &moved), STREAM_OK);
    assert_int_equal(stream_read(server, bytes, sizeof(bytes), &moved), STREAM_OK);
    assert_int_equal(moved, 7);
    assert_int_equal(stream_write(server, "CONNACK", 7, &moved), STREAM_OK);
    assert_int_equal(stream_read(client, bytes, sizeof(bytes), &moved), STREAM_OK);
    assert_memory_equal(bytes, "CONNACK", 7);
    assert_int_equal(stream_close_write(client), STREAM_OK);
    assert_int_equal(stream_read(server, bytes, sizeof(bytes), &moved), STREAM_WANT_READ);
    assert_int_equal(stream_read(server, bytes, sizeof(bytes), &moved), STREAM_EOF);
    stream_free(client);
    stream_free(server);
    tls_client_context_free(client_ctx);
    tls_context_free(server_ctx);
}

/* ---- connect and preamble ------------------------------------------------------------ */

/* Create a loopback listener and a socket that connects to it. */
static int dial(int *listener)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(to);
    *listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*listener, (struct sockaddr *)&to, n), 0);
    assert_int_equal(listen(*listener, 1), 0);
    assert_int_equal(getsockname(*listener, (struct sockaddr *)&to, &n), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_true(connect(fd, (struct sockaddr *)&to, n) == 0 || errno == EINPROGRESS);
    return fd;
}

static void preamble_is_sent_first_unencrypted_and_in_one_piece(void **state)
{
    struct nodes *w = *state;
    char preamble[536];
    uint8_t got[4096];
    int listener;
    memset(preamble, 'P', sizeof(preamble));
    struct tls_conf server_conf = {.certificates = &w->node_conf, .n_certificates = 1};
    const struct upstream_tls_conf conf = {.ca_file = w->root_file, .verify = true};
    struct tls_client_context *client_ctx = client_of(w, &conf);
    struct tls_context *server_ctx = server_of(w, &server_conf);
    struct stream *client =
        stream_tls_connect(client_ctx, dial(&listener), &(struct tls_peer){.address = &w->loopback},
                           preamble, sizeof(preamble));
    assert_non_null(client);
    memset(preamble, 'x', sizeof(preamble)); /* the stream has a copy */
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(fd >= 0);
    enum stream_result answer;
    do
        answer = stream_open(client);
    while (answer == STREAM_WANT_WRITE);
    assert_int_equal(answer, STREAM_WANT_READ);
    /* Read like a broker: first the preamble, then TLS. */
    assert_int_equal(recv(fd, got, sizeof(preamble), 0), sizeof(preamble));
    memset(preamble, 'P', sizeof(preamble));
    assert_memory_equal(got, preamble, sizeof(preamble));
    assert_int_equal(recv(fd, got, sizeof(got), MSG_PEEK) > 0, 1);
    assert_int_equal(got[0], 0x16); /* a handshake record */
    struct stream *server = stream_tls_accept(server_ctx, fd);
    assert_int_equal(meet(client, server), STREAM_OK);
    stream_free(client);
    stream_free(server);
    close(listener);
    tls_client_context_free(client_ctx);
    tls_context_free(server_ctx);
}

/* A Unix socket accepts only part of the preamble; the rest is sent later. */
static void rest_of_a_long_preamble_is_sent_when_there_is_room(void **state)
{
    enum { N = 400000 };
    struct nodes *w = *state;
    const struct upstream_tls_conf conf = {.ca_file = w->root_file, .verify = true};
    struct tls_client_context *ctx = client_of(w, &conf);
    static char preamble[N], got[N];
    int fds[2];
    size_t done = 0, waits = 0;
    for (size_t i = 0; i < N; i++)
        preamble[i] = (char)(i * 31 + (i >> 9));
    make_pair(fds);
    struct stream *client =
        stream_tls_connect(ctx, fds[1], &(struct tls_peer){.name = "node.test"}, preamble, N);
    while (done < N) {
        enum stream_result answer = stream_open(client);
        assert_true(answer == STREAM_WANT_WRITE || answer == STREAM_WANT_READ);
        waits += answer == STREAM_WANT_WRITE;
        ssize_t n = recv(fds[0], got + done, N - done, 0);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_true(waits > 0);
    assert_memory_equal(got, preamble, N);
    stream_free(client);
    close(fds[0]);
    tls_client_context_free(ctx);
}

static void refused_connect_is_reported_with_the_system_error(void **state)
{
    struct nodes *w = *state;
    const struct upstream_tls_conf conf = {.ca_file = w->root_file, .verify = true};
    struct tls_client_context *ctx = client_of(w, &conf);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(to);
    /* Reserve a port by binding a socket that does not listen. */
    int holder = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(holder, (struct sockaddr *)&to, n), 0);
    assert_int_equal(getsockname(holder, (struct sockaddr *)&to, &n), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)connect(fd, (struct sockaddr *)&to, n);
    struct stream *client =
        stream_tls_connect(ctx, fd, &(struct tls_peer){.name = "node.test"}, "PROXY", 5);
    enum stream_result answer;
    do
        answer = stream_open(client);
    while (answer == STREAM_WANT_WRITE);
    assert_int_equal(answer, STREAM_ERR);
    assert_string_equal(stream_error(client), "Connection refused");
    assert_int_equal(stream_open(client), STREAM_ERR);
    stream_free(client);
    close(holder);
    tls_client_context_free(ctx);
}

static void node_that_closes_or_sends_no_tls_is_reported(void **state)
{
    struct nodes *w = *state;
    const struct upstream_tls_conf conf = {.ca_file = w->root_file, .verify = true};
    struct tls_client_context *ctx = client_of(w, &conf);
    for (int i = 0; i < 2; i++) {
        int fds[2];
        make_pair(fds);
        struct stream *client =
            stream_tls_connect(ctx, fds[1], &(struct tls_peer){.name = "node.test"}, NULL, 0);
        assert_int_equal(stream_open(client), STREAM_WANT_READ);
        if (i == 0)
            assert_int_equal(send(fds[0], "\x20\x02\x00\x00 CONNACK", 12, 0), 12);
        else
            assert_int_equal(shutdown(fds[0], SHUT_WR), 0);
        assert_int_equal(stream_open(client), STREAM_ERR);
        assert_string_equal(stream_error(client),
                            i == 0 ? "not TLS (wrong version number)"
                                   : "the peer closed the connection during the handshake");
        stream_free(client);
        close(fds[0]);
    }
    tls_client_context_free(ctx);
}

/* ---- files ----------------------------------------------------------------------------- */

static void expect_refusal(struct nodes *w, const struct upstream_tls_conf *conf, const char *words)
{
    char error[TLS_ERROR_MAX] = "";
    assert_null(tls_client_context_new(w->lib, conf, error));
    assert_string_equal(error, words);
}

static void unusable_files_are_reported_by_name(void **state)
{
    struct nodes *w = *state;
    char words[TLS_ERROR_MAX];
    expect_refusal(w, &(struct upstream_tls_conf){.verify = true, .ca_file = (char *)"/nowhere/ca"},
                   "/nowhere/ca: cannot read the certificate: No such file or directory");
    snprintf(words, sizeof(words), "%s: certificate_file and private_key_file must be set together",
             w->router_conf.certificate_file);
    expect_refusal(
        w, &(struct upstream_tls_conf){.certificate_file = w->router_conf.certificate_file}, words);
    snprintf(words, sizeof(words), "%s: does not match the certificate in %s: key values mismatch",
             w->node_conf.private_key_file, w->router_conf.certificate_file);
    expect_refusal(w,
                   &(struct upstream_tls_conf){.certificate_file = w->router_conf.certificate_file,
                                               .private_key_file = w->node_conf.private_key_file},
                   words);
}

static void count_file(void *arg, const char *file)
{
    (void)file;
    ++*(size_t *)arg;
}

static void count_expiry(void *arg, const struct tls_validity *validity)
{
    bool is_root = validity->kind == TLS_VALIDITY_AUTHORITY;
    assert_string_equal(validity->name, is_root ? "Root" : "router");
    assert_true(validity->file[0] == '/' && validity->until > 0);
    ++*(size_t *)arg;
}

static void files_and_expiry_are_listed(void **state)
{
    struct nodes *w = *state;
    size_t files = 0, certificates = 0;
    const struct upstream_tls_conf conf = {.ca_file = w->root_file,
                                           .verify = true,
                                           .certificate_file = w->router_conf.certificate_file,
                                           .private_key_file = w->router_conf.private_key_file};
    struct tls_client_context *ctx = client_of(w, &conf);
    tls_client_context_files(&conf, count_file, &files);
    tls_client_context_validity(ctx, count_expiry, &certificates);
    assert_int_equal(files, 3);
    assert_int_equal(certificates, 2);
    tls_client_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_certificate_is_verified_by_name),
        cmocka_unit_test(node_certificate_without_a_configured_name_is_verified_by_address),
        cmocka_unit_test(authority_and_expiry_are_verified),
        cmocka_unit_test(client_certificate_is_sent_to_a_node_that_requests_it),
        cmocka_unit_test(preamble_is_sent_first_unencrypted_and_in_one_piece),
        cmocka_unit_test(rest_of_a_long_preamble_is_sent_when_there_is_room),
        cmocka_unit_test(refused_connect_is_reported_with_the_system_error),
        cmocka_unit_test(node_that_closes_or_sends_no_tls_is_reported),
        cmocka_unit_test(unusable_files_are_reported_by_name),
        cmocka_unit_test(files_and_expiry_are_listed),
    };
    return cmocka_run_group_tests_name("stream_tls_connect", tests, setup, teardown);
}
