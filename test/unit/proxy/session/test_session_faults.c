/*
 * test_session_faults.c - streams that fail, end, and wait at every byte, in each stage: the
 * session ends with a reason, leaves nothing behind, and what reached a node is a prefix of what
 * the client sent.
 */
#include <errno.h>
#include <string.h>

#include "session_kinds.h"
#include "unit.h"

#define PROXY_V2_BYTES 28u /* addresses of IPv4, no TLV */

/* The PROXY header in one piece, then a prefix of the client's bytes. */
static void assert_lawful(const struct rig_peer *node, struct span hears)
{
    static const uint8_t signature[] = "\r\n\r\n\0\r\nQUIT\n";
    size_t head = size_min(node->got_n, PROXY_V2_BYTES);
    size_t behind = node->got_n - head;
    if (head > 0)
        assert_memory_equal(node->got, signature, size_min(head, sizeof(signature) - 1));
    assert_true(behind <= hears.n);
    if (behind > 0)
        assert_memory_equal(node->got + head, hears.p, behind);
}

/* Run it, and check what is left. Returns the reason of its end. */
static enum close_reason spoiled(struct rig *rig, struct play *play, const char *how, size_t at)
{
    if (!play_on(rig, play))
        fail_msg("%s, %s at %zu: does not end", kind_words[play->kind], how, at);
    enum close_reason reason = rig_reason(rig);
    assert_int_not_equal(reason, CLOSE_REASON_COUNT);
    if (rig_residue(rig))
        fail_msg("%s, %s at %zu: left behind: %s", kind_words[play->kind], how, at,
                 rig_residue(rig));
    for (size_t i = 0; i < NODES_MAX; i++)
        assert_lawful(&play->nodes[i], node_hears[play->kind]);
    play_fini(play);
    return reason;
}

static struct rig_peer *answering_node(struct play *play)
{
    return &play->nodes[play->kind == KIND_REPLAY];
}

static void a_client_error_at_any_byte_ends_its_session(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t at = 0; at < client_says[kind].n; at++) {
            struct play play = play_good((enum kind)kind);
            play.client.how.read_fails = true;
            play.client.how.read_fails_at = at;
            enum close_reason reason = spoiled(*state, &play, "read fault", at);
            assert_true(reason == CLOSE_CLIENT_ERROR || reason == CLOSE_WEBSOCKET_REFUSED ||
                        reason == CLOSE_CLIENT_CLOSED_EARLY ||
                        /* WebSocket: nothing is read after its close frame */
                        (kind == KIND_WEBSOCKET && reason == CLOSE_CLIENT_CLOSED));
        }
    }
}

static void a_client_close_at_any_byte_ends_its_session(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t at = 0; at < client_says[kind].n; at++) {
            struct play play = play_good((enum kind)kind);
            play.client.how.input.n = play.client.first = at;
            enum close_reason reason = spoiled(*state, &play, "EOF", at);
            assert_true(reason == CLOSE_CLIENT_CLOSED || reason == CLOSE_WEBSOCKET_REFUSED ||
                        reason == CLOSE_CLIENT_CLOSED_EARLY || reason == CLOSE_CLIENT_ERROR);
        }
    }
}

static void a_client_write_error_at_any_byte_ends_its_session(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t at = 0; at < node_says.n; at++) {
            struct play play = play_good((enum kind)kind);
            play.client.how.write_fails = true;
            play.client.how.write_fails_at = at;
            enum close_reason reason = spoiled(*state, &play, "write fault", at);
            assert_true(reason == CLOSE_CLIENT_ERROR || reason == CLOSE_CLIENT_CLOSED ||
                        reason == CLOSE_WEBSOCKET_REFUSED);
        }
    }
}

static void a_node_error_at_any_byte_ends_the_session_or_tries_another_node(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t at = 0; at <= node_says.n; at++) {
            struct play play = play_good((enum kind)kind);
            answering_node(&play)->how.read_fails = true;
            answering_node(&play)->how.read_fails_at = at;
            enum close_reason reason = spoiled(*state, &play, "node's read fault", at);
            assert_true(reason == CLOSE_NODE_ERROR || reason == CLOSE_CLIENT_CLOSED ||
                        reason == CLOSE_NODE_CLOSED_EARLY);
        }
    }
}

static void a_node_write_error_at_any_byte_ends_the_session_or_tries_another_node(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t at = 0; at < PROXY_V2_BYTES + node_hears[kind].n; at++) {
            struct play play = play_good((enum kind)kind);
            answering_node(&play)->how.write_fails = true;
            answering_node(&play)->how.write_fails_at = at;
            enum close_reason reason = spoiled(*state, &play, "node's write fault", at);
            assert_true(reason == CLOSE_NODE_ERROR || reason == CLOSE_CLIENT_CLOSED ||
                        reason == CLOSE_CLIENT_ERROR);
        }
    }
}

static void a_slow_session_succeeds(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        for (unsigned every = 2; every < 7; every++) {
            for (size_t piece = 1; piece < 4; piece++) {
                struct play play = play_good((enum kind)kind);
                struct stream_memory_script *legs[] = {&play.client.how,
                                                       &answering_node(&play)->how};
                for (size_t i = 0; i < 2; i++) {
                    legs[i]->wait_every = every;
                    legs[i]->read_max = legs[i]->write_max = piece;
                }
                answering_node(&play)->how.open_waits = every;
                assert_int_equal(spoiled(*state, &play, "waits", every), CLOSE_CLIENT_CLOSED);
            }
        }
    }
}

static void a_peer_that_takes_nothing_is_closed_in_time(void **state)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct play play = play_good((enum kind)kind);
        play.client.deaf = true;
        (void)spoiled(*state, &play, "deaf client", 0);
        play = play_good((enum kind)kind);
        answering_node(&play)->deaf = true;
        (void)spoiled(*state, &play, "deaf node", 0);
        play = play_good((enum kind)kind);
        play.client.how.wait_every = 1;
        (void)spoiled(*state, &play, "stuck client", 0);
        play = play_good((enum kind)kind);
        answering_node(&play)->how.wait_every = 1;
        (void)spoiled(*state, &play, "stuck node", 0);
    }
}

static void a_local_shortage_at_the_dial_is_reported_and_not_charged_to_nodes(void **state)
{
    static const int shortages[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL};
    for (size_t i = 0; i < ARRAY_LEN(shortages); i++) {
        struct play play = play_good(KIND_PLAIN);
        play.nodes[0].dial_error = shortages[i];
        assert_int_equal(spoiled(*state, &play, "dial", i), CLOSE_LOCAL_LIMIT);
    }
}

static void a_refused_dial_tries_the_next_node(void **state)
{
    static const int refusals[] = {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT};
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct play play = play_good(KIND_PLAIN);
        play.nodes[0].dial_error = play.nodes[1].dial_error = refusals[i];
        assert_int_equal(spoiled(*state, &play, "dial", i), CLOSE_CLIENT_CLOSED);
        play = play_good(KIND_PLAIN);
        for (size_t k = 0; k < NODES_MAX; k++)
            play.nodes[k].how.open_fails = true;
        assert_int_equal(spoiled(*state, &play, "connect", i), CLOSE_NO_NODE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_error_at_any_byte_ends_its_session),
        cmocka_unit_test(a_client_close_at_any_byte_ends_its_session),
        cmocka_unit_test(a_client_write_error_at_any_byte_ends_its_session),
        cmocka_unit_test(a_node_error_at_any_byte_ends_the_session_or_tries_another_node),
        cmocka_unit_test(a_node_write_error_at_any_byte_ends_the_session_or_tries_another_node),
        cmocka_unit_test(a_slow_session_succeeds),
        cmocka_unit_test(a_peer_that_takes_nothing_is_closed_in_time),
        cmocka_unit_test(a_local_shortage_at_the_dial_is_reported_and_not_charged_to_nodes),
        cmocka_unit_test(a_refused_dial_tries_the_next_node),
    };
    return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
