/*
 * test_session_tls_memory.c - each allocation of OpenSSL in a TLS session fails: it ends with a
 * reason, the worker goes on, nothing is left behind.
 *
 * The client is OpenSSL too, at the other end of a socket pair, and its allocations succeed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "net/tls/tls_peer.h"
#include "session_rig.h"

#define STEPS_MAX  400 /* of a session in which nobody waits for anybody */
#define ATS_MAX    20000
#define NODES      2
#define GOOD_EVERY 16

static const uint8_t connect_dev1[] = "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04"
                                      "dev1";
static const uint8_t connack[] = {0x20, 0x02, 0x00, 0x00};

struct world {
    struct rig *rig;
    struct test_files files;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    char config[2048];
    files_init(&world->files);
    struct certificate_conf certificate = make_certificate(&world->files, "router.test");
    snprintf(config, sizeof(config),
             "{\"listeners\":[{\"name\":\"mqtts\",\"address\":\"127.0.0.1:0\",\"cluster\":\"one\","
             "\"tls\":{\"certificates\":[{\"certificate_file\":\"%s\","
             "\"private_key_file\":\"%s\"}]}}],"
             "\"clusters\":[{\"name\":\"one\",\"nodes\":["
             "{\"name\":\"n1\",\"address\":\"192.0.2.1:1883\"},"
             "{\"name\":\"n2\",\"address\":\"192.0.2.2:1883\"}]}],"
             "\"limits\":{\"flapping\":false}}",
             certificate.certificate_file, certificate.private_key_file);
    world->rig = rig_new(config);
    *state = world;
    return world->rig ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    rig_free(world->rig);
    files_fini(&world->files);
    free(world);
    return 0;
}

/* Memory as the router has it: `left` allocations more, then one fails, or all. */
struct shortage {
    size_t left;
    bool on, met;
};

/* Only allocations of the router fail, not those of the client. */
static void arm(const struct shortage *shortage)
{
    bool over = shortage->met && !shortage->on;
    (void)rig_fail_allocation(over ? RIG_NEVER : shortage->left, shortage->on);
}

static void disarm(struct shortage *shortage)
{
    size_t asked = rig_fail_allocation(RIG_NEVER, false);
    shortage->met |= asked > shortage->left;
    shortage->left -= asked < shortage->left ? asked : shortage->left;
}

/* A device that completes its handshake, connects, waits for its CONNACK and leaves. */
struct device {
    struct peer peer;
    bool shaken, said;
    size_t got;
};

static void device_step(struct device *d)
{
    uint8_t bytes[64];
    if (d->peer.fd < 0)
        return;
    d->shaken = d->shaken || SSL_do_handshake(d->peer.ssl) == 1;
    if (d->shaken && !d->said)
        d->said = SSL_write(d->peer.ssl, connect_dev1, sizeof(connect_dev1) - 1) > 0;
    int n = d->said ? SSL_read(d->peer.ssl, bytes, sizeof(bytes)) : 0;
    d->got += n > 0 ? (size_t)n : 0;
    peer_carry(&d->peer);
    if (d->got >= sizeof(connack) || d->peer.saw_fin)
        peer_hang_up(&d->peer);
    ERR_clear_error();
}

/* Run it to its end. Returns the reason. */
static enum close_reason play(struct rig *rig, int version, struct shortage *shortage, bool *served)
{
    struct rig_peer nodes[NODES] = {0};
    struct device d = {0};
    int fds[2];
    make_pair(fds);
    peer_init(&d.peer, fds[1], version);
    for (size_t i = 0; i < NODES; i++) {
        nodes[i].how.input = span_of(connack, sizeof(connack));
        nodes[i].first = SIZE_MAX;
    }
    rig_tidy(rig);
    arm(shortage);
    rig_begin_on(rig, 0, fds[0], nodes, NODES);
    disarm(shortage);
    for (int i = 0; i < STEPS_MAX && rig_lives(rig); i++) {
        device_step(&d);
        arm(shortage);
        rig_turn(rig);
        disarm(shortage);
    }
    *served = d.got == sizeof(connack);
    peer_hang_up(&d.peer);
    arm(shortage);
    for (int i = 0; i < 20 && rig_lives(rig); i++)
        rig_turn(rig);
    for (int i = 0; i < 10 && rig_deadline(rig); i++)
        continue;
    disarm(shortage);
    assert_false(rig_lives(rig));
    assert_null(rig_residue(rig));
    for (size_t i = 0; i < NODES; i++)
        rig_peer_fini(&nodes[i]);
    peer_fini(&d.peer);
    return rig_reason(rig);
}

static void assert_served(struct rig *rig, int version)
{
    struct shortage none = {.left = RIG_NEVER};
    bool served;
    assert_true(play(rig, version, &none, &served) != CLOSE_REASON_COUNT);
    assert_true(served);
}

static bool is_honest(enum close_reason reason)
{
    return reason == CLOSE_OUT_OF_MEMORY || reason == CLOSE_LOCAL_LIMIT ||
           reason == CLOSE_TLS_FAILED || reason == CLOSE_CLIENT_ERROR;
}

static void sweep(struct rig *rig, int version, bool on)
{
    size_t ended[CLOSE_REASON_COUNT] = {0}, at;
    for (at = 0; at < ATS_MAX; at++) {
        struct shortage shortage = {.left = at, .on = on};
        bool served;
        enum close_reason reason = play(rig, version, &shortage, &served);
        if (!shortage.met)
            break;
        ended[reason]++;
        if (!served && !is_honest(reason))
            fail_msg("allocation %zu: %s", at, close_reason_row(reason)->name);
        if (at % GOOD_EVERY == 0)
            assert_served(rig, version);
    }
    assert_in_range(at, 200, ATS_MAX - 1);
    print_message("%zu allocations:", at);
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        if (ended[i])
            print_message(" %s %zu", close_reason_row((enum close_reason)i)->name, ended[i]);
    print_message("\n");
}

static void one_failed_allocation_in_tls_ends_at_most_that_session(void **state)
{
    struct world *world = *state;
    assert_served(world->rig, TLS1_3_VERSION);
    sweep(world->rig, TLS1_3_VERSION, false);
    sweep(world->rig, TLS1_2_VERSION, false);
}

static void failing_allocations_in_tls_end_that_session(void **state)
{
    struct world *world = *state;
    assert_served(world->rig, TLS1_3_VERSION);
    sweep(world->rig, TLS1_3_VERSION, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_failed_allocation_in_tls_ends_at_most_that_session,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(failing_allocations_in_tls_end_that_session, set_up,
                                        tear_down),
    };
    signal(SIGPIPE, SIG_IGN);  /* as main() does */
    tls_library_wipe_memory(); /* OpenSSL's memory is the project's from now on, and so may fail */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
