/*
 * test_session_turns.c - sessions that wait: for a turn at a paced node, for a busy home.
 */
#include "session_rig.h"
#include "unit.h"

/* The home, and a backup that takes one CONNECT per second. */
static const char config_json[] =
    "{\"listeners\":[{\"name\":\"mqtt\",\"address\":\"127.0.0.1:0\",\"cluster\":\"one\"}],"
    "\"clusters\":[{\"name\":\"one\",\"proxy_protocol\":\"none\",\"nodes\":["
    "{\"name\":\"home\",\"address\":\"192.0.2.1:1883\"},"
    "{\"name\":\"paced\",\"address\":\"192.0.2.2:1883\",\"backup\":true,"
    "\"max_connects_per_s\":1}]}]}";

/* MQTT 5.0, clean start, client identifier "dev1"; and the answers "server busy" and "success". */
static const uint8_t connect_5[] = "\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04"
                                   "dev1",
                     busy[] = "\x20\x03\x00\x89\x00", accepted[] = "\x20\x03\x00\x00\x00";

#define WITHOUT_NUL(bytes) span_of(bytes, sizeof(bytes) - 1)

/* The turn that it then waits for is the only one that it takes. */
static void a_session_takes_one_turn_if_its_busy_home_goes_down(void **state)
{
    struct rig *rig = rig_new(config_json);
    struct rig_peer client = {.how.input = WITHOUT_NUL(connect_5), .first = SIZE_MAX};
    struct rig_peer nodes[2] = {{.how.input = WITHOUT_NUL(busy), .first = SIZE_MAX},
                                {.how.input = WITHOUT_NUL(accepted), .first = SIZE_MAX}};
    (void)state;
    assert_non_null(rig);
    rig_begin(rig, 0, &client, nodes, ARRAY_LEN(nodes));
    (void)rig_settle(rig);
    assert_true(nodes[0].closed); /* home is busy; it gets the CONNECT again after a short wait */
    rig_take_turns(rig, 1);
    rig_node_down(rig, 0);
    (void)rig_settle(rig);
    assert_false(nodes[1].opened);
    assert_true(rig_deadline(rig));
    (void)rig_settle(rig);
    assert_true(nodes[1].opened);
    rig_end(rig);
    while (rig_deadline(rig))
        continue;
    assert_false(rig_lives(rig));
    assert_null(rig_residue(rig));
    rig_peer_fini(&client);
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
        rig_peer_fini(&nodes[i]);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_takes_one_turn_if_its_busy_home_goes_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
