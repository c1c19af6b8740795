/*
 * test_ports_watch.c - one warning is logged before the local ports towards a node run out.
 *
 * The test reads the size of the port range from the machine, independently of the router's code.
 */
#include "control/ground.h"

#include "control/health/ports_watch.h"

struct watch {
    struct ground g;
    struct ports_watch *ports;
    uint32_t range; /* local ports of one source address */
};

static uint32_t read_range(void)
{
    int first = 0, last = 0;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d %d", &first, &last), 2);
    (void)fclose(file);
    return (uint32_t)(last - first + 1);
}

static void watch_init(struct watch *w, const char *more, const char *nodes)
{
    *w = (struct watch){.range = read_range()};
    ground_init(&w->g);
    w->g.snapshot = ground_snapshot(&w->g, more, nodes);
    w->ports = ports_watch_new();
    assert_non_null(w->ports);
}

static void watch_fini(struct watch *w)
{
    ports_watch_free(w->ports);
    ground_fini(&w->g);
}

/* Check with this percentage of a node's ports in use. Returns the number of warnings so far. */
static uint64_t look(struct watch *w, size_t node, unsigned sources, unsigned percent)
{
    uint64_t sessions = (uint64_t)w->range * sources * percent / 100u;
    atomic_store(&ground_live(&w->g, node)->sessions, (uint32_t)sessions);
    ports_watch_check(w->ports, w->g.snapshot, w->g.log);
    assert_int_equal(ports_watch_warnings(w->ports),
                     ground_logged(&w->g, "WARN ports.low", "cluster=\"c\"", NULL));
    return ports_watch_warnings(w->ports);
}

static const char two[] = "{\"name\":\"a\",\"address\":\"192.0.2.1:1883\"},"
                          "{\"name\":\"b\",\"address\":\"192.0.2.2:1883\"}";

static void the_warning_is_not_repeated_until_usage_drops(void **state)
{
    (void)state;
    struct watch w;
    watch_init(&w, "", two);
    assert_int_equal(look(&w, 0, 1, 79), 0);
    assert_int_equal(look(&w, 0, 1, 81), 1);
    assert_int_equal(look(&w, 0, 1, 99), 1);
    assert_int_equal(look(&w, 0, 1, 71), 1);
    assert_int_equal(look(&w, 0, 1, 81), 1);
    assert_int_equal(look(&w, 0, 1, 69), 1);
    assert_int_equal(look(&w, 0, 1, 81), 2);
    char ports[64];
    (void)snprintf(ports, sizeof(ports), "ports=%u", w.range);
    assert_int_equal(ground_logged(&w.g, "ports.low", "node=\"a\" sessions=", ports), 2);
    watch_fini(&w);
}

static void ports_are_counted_for_each_node(void **state)
{
    (void)state;
    struct watch w;
    watch_init(&w, "", two);
    assert_int_equal(look(&w, 0, 1, 79), 0);
    assert_int_equal(look(&w, 1, 1, 79), 0);
    assert_int_equal(look(&w, 1, 1, 85), 1);
    assert_int_equal(look(&w, 0, 1, 85), 2);
    assert_int_equal(look(&w, 1, 1, 10), 2);
    assert_int_equal(look(&w, 0, 1, 85), 2); /* another node's recovery does not count */
    assert_int_equal(look(&w, 1, 1, 85), 3);
    watch_fini(&w);
}

static void source_addresses_of_the_nodes_family_multiply_the_ports(void **state)
{
    (void)state;
    struct watch w;
    watch_init(&w, "\"source_addresses\":[\"10.0.0.5\",\"10.0.0.6\",\"2001:db8::5\"],",
               "{\"name\":\"a\",\"address\":\"192.0.2.1:1883\"},"
               "{\"name\":\"b\",\"address\":\"[2001:db8::1]:1883\"}");
    assert_int_equal(look(&w, 0, 2, 79), 0);
    assert_int_equal(look(&w, 0, 2, 81), 1);
    assert_int_equal(look(&w, 1, 1, 79), 1);
    assert_int_equal(look(&w, 1, 1, 81), 2);
    watch_fini(&w);
}

static void a_unix_socket_needs_no_port(void **state)
{
    (void)state;
    struct watch w;
    watch_init(&w, "", "{\"name\":\"a\",\"address\":\"unix:/run/a.sock\"}");
    assert_int_equal(look(&w, 0, 1, 100), 0);
    watch_fini(&w);
}

static void take(struct watch *w, const char *nodes)
{
    struct snapshot *next = ground_snapshot(&w->g, "", nodes);
    snapshot_unref(w->g.snapshot);
    w->g.snapshot = next;
}

static void a_reload_does_not_warn_again(void **state)
{
    (void)state;
    struct watch w;
    watch_init(&w, "", two);
    assert_int_equal(look(&w, 0, 1, 90), 1);
    take(&w, "{\"name\":\"b\",\"address\":\"192.0.2.2:1883\"},"
             "{\"name\":\"a\",\"address\":\"192.0.2.9:1883\"}");
    assert_int_equal(look(&w, 1, 1, 90), 1);
    watch_fini(&w);
}

/* The record of a removed node may be freed, and its memory reused for another node. */
static void a_removed_node_is_forgotten(void **state)
{
    (void)state;
    struct watch w;
    watch_init(&w, "", two);
    struct node_live *live = ground_live(&w.g, 1);
    node_live_ref(live); /* held by its sessions, so that the same record is used again */
    assert_int_equal(look(&w, 1, 1, 90), 1);
    take(&w, "{\"name\":\"a\",\"address\":\"192.0.2.1:1883\"}");
    assert_int_equal(look(&w, 0, 1, 10), 1);
    take(&w, two);
    assert_ptr_equal(ground_live(&w.g, 1), live);
    assert_int_equal(look(&w, 1, 1, 90), 2);
    node_live_unref(live);
    watch_fini(&w);
}

static void many_nodes_can_be_short_of_ports_at_the_same_time(void **state)
{
    (void)state;
    struct watch w;
    char *nodes = ground_nodes(100);
    watch_init(&w, "", nodes);
    for (size_t i = 0; i < 100; i++)
        atomic_store(&ground_live(&w.g, i)->sessions, w.range);
    for (int k = 0; k < 3; k++)
        assert_int_equal(look(&w, 0, 1, 100), 100);
    free(nodes);
    watch_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_warning_is_not_repeated_until_usage_drops),
        cmocka_unit_test(ports_are_counted_for_each_node),
        cmocka_unit_test(source_addresses_of_the_nodes_family_multiply_the_ports),
        cmocka_unit_test(a_unix_socket_needs_no_port),
        cmocka_unit_test(a_reload_does_not_warn_again),
        cmocka_unit_test(a_removed_node_is_forgotten),
        cmocka_unit_test(many_nodes_can_be_short_of_ports_at_the_same_time),
    };
    return cmocka_run_group_tests_name("ports_watch", tests, NULL, NULL);
}
