/*
 * test_check_tls.c - checks of nodes that require TLS, with and without a PROXY header before it.
 */
#include "check_node.h"
#include "net/tls/tls_authority.h"

static const uint8_t accepted[] = {0x20, 2, 0, 0};

struct world {
    struct ev_loop *loop;
    struct test_files files;
    struct identity root, identity, stranger;
    struct certificate_conf certificate;
    struct tls_library *lib;
    struct tls_ticket_keys *keys; /* so that the node sends tickets after the handshake */
    struct tls_context *server;
    struct node node;
    struct asker asker;
};

static struct tls_client_context *client_of(struct world *w)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_client_context *client = tls_client_context_new(w->lib, &w->asker.tls, error);
    assert_string_equal(error, "");
    return client;
}

static void world_init(struct world *w, enum check_type type)
{
    char error[TLS_ERROR_MAX] = "";
    *w = (struct world){.loop = ev_loop_new(0), .lib = tls_library_new()};
    signal(SIGPIPE, SIG_IGN);
    files_init(&w->files);
    w->root = identity_make(NULL, &(struct identity_spec){.cn = "Root", .authority = true});
    w->stranger = identity_make(NULL, &(struct identity_spec){.cn = "Other", .authority = true});
    w->identity =
        identity_make(&w->root, &(struct identity_spec){.cn = "node", .san = "DNS:node.test"});
    w->certificate = write_identity(&w->files, "node", &w->identity, NULL);
    const struct tls_conf conf = {.certificates = &w->certificate, .n_certificates = 1};
    w->keys = tls_ticket_keys_generate(NULL, 0);
    w->server = tls_context_new(w->lib, &conf, w->keys, error);
    assert_string_equal(error, "");
    node_init(&w->node, w->loop, "127.0.0.1:0");
    w->node.tls = w->server;
    w->node.says = accepted;
    w->node.says_n = sizeof(accepted);
    asker_init(&w->asker, w->loop, type, &w->node.at);
    w->asker.tls = (struct upstream_tls_conf){
        .ca_file = (char *)write_chain(&w->files, "root.pem", &w->root, NULL),
        .verify = true,
        .server_name = (char *)"node.test"};
    w->asker.cluster.tls = &w->asker.tls;
    w->asker.target.tls = client_of(w);
}

static void world_fini(struct world *w)
{
    node_fini(&w->node);
    tls_client_context_free(w->asker.target.tls);
    tls_context_free(w->server);
    tls_ticket_keys_unref(w->keys);
    tls_library_free(w->lib);
    identity_free(&w->root);
    identity_free(&w->stranger);
    identity_free(&w->identity);
    files_fini(&w->files);
    ev_loop_destroy(w->loop);
}

static void expect_parted_in_order(struct world *w, size_t heard_n)
{
    run_until(w->loop, NULL, &w->node.ended);
    assert_null(w->node.fault);
    assert_int_equal(w->node.heard_n, heard_n);
}

static void mqtt_check_uses_tls(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT);
    w.node.in_pieces = true;
    expect_verdict(&w.asker, CHECK_GOOD, "CONNACK return code 0");
    expect_parted_in_order(&w, 21 + 2);
    assert_int_equal(w.node.heard[0], 0x10);
    assert_memory_equal(w.node.heard + 21, "\xe0", 2);
    world_fini(&w);
}

static void proxy_header_is_sent_before_tls(void **state)
{
    struct world w;
    char want[128], peer[ADDRESS_TEXT_MAX];
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT);
    w.node.wants_header = true;
    w.asker.cluster.proxy_protocol = PROXY_PROTOCOL_V1;
    for (int type = CHECK_TYPE_TCP; type <= CHECK_TYPE_MQTT; type++) {
        w.asker.health.type = (enum check_type)type;
        node_again(&w.node);
        expect_verdict(&w.asker, CHECK_GOOD,
                       type == CHECK_TYPE_TCP ? "connected" : "CONNACK return code 0");
        expect_parted_in_order(&w, type == CHECK_TYPE_TCP ? 0 : 21 + 2);
        snprintf(want, sizeof(want), "PROXY TCP4 %s 127.0.0.1 %u %u\r\n",
                 address_format_host(&w.node.peer, peer), address_port(&w.node.peer),
                 address_port(&w.node.at.address));
        assert_int_equal(w.node.header_n, strlen(want));
        assert_memory_equal(w.node.header, want, strlen(want));
    }
    world_fini(&w);
}

static void tcp_check_does_a_tls_handshake_if_configured(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_TCP);
    expect_verdict(&w.asker, CHECK_GOOD, "connected");
    expect_parted_in_order(&w, 0);
    world_fini(&w);
}

static void http_check_does_not_use_tls(void **state)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\n\r\n";
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_HTTP);
    w.node.tls = NULL;
    w.node.then = NODE_CLOSES;
    w.node.says = ok;
    w.node.says_n = strlen(ok);
    expect_verdict(&w.asker, CHECK_GOOD, "HTTP 200");
    world_fini(&w);
}

static void node_with_an_untrusted_certificate_is_bad(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT);
    tls_client_context_free(w.asker.target.tls);
    w.asker.tls.ca_file = (char *)write_chain(&w.files, "other.pem", &w.stranger, NULL);
    w.asker.target.tls = client_of(&w);
    assert_int_equal(ask(&w.asker), CHECK_BAD);
    assert_memory_equal(w.asker.why, "TLS: certificate verify failed: ", 32);
    run_until(w.loop, NULL, &w.node.ended);
    node_again(&w.node);
    w.asker.tls.verify = false;
    tls_client_context_free(w.asker.target.tls);
    w.asker.target.tls = client_of(&w);
    expect_verdict(&w.asker, CHECK_GOOD, "CONNACK return code 0");
    world_fini(&w);
}

static void node_with_another_name_is_bad(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_TCP);
    w.asker.tls.server_name = (char *)"other.test";
    expect_verdict(&w.asker, CHECK_BAD, "TLS: certificate verify failed: hostname mismatch");
    world_fini(&w);
}

static void node_without_tls_is_bad(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_TCP);
    w.node.tls = NULL;
    w.node.says = "SSH-2.0-OpenSSH\r\n";
    w.node.says_n = 17;
    expect_verdict(&w.asker, CHECK_BAD, "TLS: not TLS (wrong version number)");
    world_fini(&w);
}

static void incomplete_handshake_times_out(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT);
    w.node.deaf = true;
    w.asker.health.timeout_ms = 500;
    expect_verdict(&w.asker, CHECK_TIMEOUT, "no TLS handshake within 500 ms");
    world_fini(&w);
}

static void incomplete_connack_over_tls_times_out(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT);
    w.node.says_n = 2;
    w.asker.health.timeout_ms = 3000; /* includes the handshake */
    expect_verdict(&w.asker, CHECK_TIMEOUT, "no CONNACK within 3000 ms");
    world_fini(&w);
}

static void refused_connection_is_not_a_tls_error(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, CHECK_TYPE_MQTT);
    ev_io_stop(w.loop, &w.node.accepting);
    assert_int_equal(shutdown(w.node.listen_fd, SHUT_RDWR), 0);
    expect_verdict(&w.asker, CHECK_BAD, "connect: Connection refused");
    world_fini(&w);
}

static void cancelling_at_any_time_leaks_nothing(void **state)
{
    (void)state;
    for (int type = CHECK_TYPE_TCP; type <= CHECK_TYPE_MQTT; type++) {
        struct world w;
        world_init(&w, (enum check_type)type);
        w.node.in_pieces = true;
        w.node.wants_header = true;
        w.asker.cluster.proxy_protocol = PROXY_PROTOCOL_V1;
        (void)ask(&w.asker); /* opens the descriptors that OpenSSL opens only once */
        run_until(w.loop, NULL, &w.node.ended);
        node_again(&w.node);
        assert_true(cancel_at_every_turn(&w.asker, &w.node) >= 3);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mqtt_check_uses_tls),
        cmocka_unit_test(proxy_header_is_sent_before_tls),
        cmocka_unit_test(tcp_check_does_a_tls_handshake_if_configured),
        cmocka_unit_test(http_check_does_not_use_tls),
        cmocka_unit_test(node_with_an_untrusted_certificate_is_bad),
        cmocka_unit_test(node_with_another_name_is_bad),
        cmocka_unit_test(node_without_tls_is_bad),
        cmocka_unit_test(incomplete_handshake_times_out),
        cmocka_unit_test(incomplete_connack_over_tls_times_out),
        cmocka_unit_test(refused_connection_is_not_a_tls_error),
        cmocka_unit_test(cancelling_at_any_time_leaks_nothing),
    };
    return cmocka_run_group_tests_name("check_tls", tests, NULL, NULL);
}
