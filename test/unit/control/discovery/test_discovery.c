/*
 * test_discovery.c - discovery with a real DNS server whose records change and which can fail.
 *
 * The server is dnsmasq (dnsmasq.h); if it is not installed, these tests fail.
 */
#include "dnsmasq.h"

#include <ev.h>
#include <fcntl.h>

#include "control/discovery/discovery.h"

#define NAME "emqx.test"
#define SRV  "_mqtt._tcp.emqx.test"

struct world {
    struct ev_loop *loop;
    struct dnsmasq dns;
    struct log *log;
    int log_fd;
    struct discovery *discovery;
    unsigned changes;

    struct discovery_conf question;
    struct cluster_conf cluster;
    struct config config;
};

static void on_changed(void *arg)
{
    struct world *w = arg;
    w->changes++;
}

static int world_init(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    (void)signal(SIGPIPE, SIG_IGN);
    w->loop = ev_loop_new(0);
    dnsmasq_init(&w->dns);
    char path[128];
    dnsmasq_path(&w->dns, "events", path);
    w->log_fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
    unlink(path);
    w->log = log_new(w->log_fd, LOG_DEBUG, LOG_TEXT);
    w->discovery = discovery_new(w->loop, w->log, on_changed, w);
    assert_non_null(w->discovery);
    w->question = (struct discovery_conf){.type = DISCOVERY_DNS,
                                          .name = (char *)NAME,
                                          .port = 1883,
                                          .record = DNS_RECORD_A,
                                          .refresh_ms = 1000,
                                          .node_name = NODE_NAME_ADDRESS,
                                          .resolver = w->dns.address};
    w->cluster = (struct cluster_conf){.name = (char *)"c", .discovery = &w->question};
    w->config = (struct config){.clusters = &w->cluster, .n_clusters = 1};
    *state = w;
    return 0;
}

static int world_fini(void **state)
{
    struct world *w = *state;
    discovery_free(w->discovery);
    log_free(w->log);
    close(w->log_fd);
    dnsmasq_fini(&w->dns);
    ev_loop_destroy(w->loop);
    free(w);
    return 0;
}

static void ask_srv(struct world *w)
{
    w->question.record = DNS_RECORD_SRV;
    w->question.name = (char *)SRV;
    w->question.node_name = NODE_NAME_TARGET;
}

/* The nodes to keep, as in a snapshot. */
static const struct members *nodes_before(const void *arg, const char *cluster)
{
    return discovery_members(((const struct world *)arg)->discovery, cluster);
}

static void take(struct world *w)
{
    const struct members_source kept = {.of = nodes_before, .arg = w};
    assert_true(discovery_take(w->discovery, &w->config, &kept));
}

/* ---- waiting ---- */

static void on_out_of_patience(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    *(bool *)timer->data = true;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events; /* ends an iteration of the loop */
}

static void print_log(const struct world *w)
{
    char text[4096];
    ssize_t n;
    for (off_t at = 0; (n = pread(w->log_fd, text, sizeof(text), at)) > 0; at += n)
        (void)fwrite(text, 1, (size_t)n, stdout);
}

static void run_until(struct world *w, bool (*holds)(const struct world *w, const void *arg),
                      const void *arg)
{
    bool late = false;
    struct ev_timer deadline, tick;
    ev_now_update(w->loop);
    ev_timer_init(&deadline, on_out_of_patience, PATIENCE_S, 0.);
    ev_timer_init(&tick, on_tick, 0.02, 0.02);
    deadline.data = &late;
    ev_timer_start(w->loop, &deadline);
    ev_timer_start(w->loop, &tick);
    while (!holds(w, arg) && !late)
        ev_run(w->loop, EVRUN_ONCE);
    ev_timer_stop(w->loop, &deadline);
    ev_timer_stop(w->loop, &tick);
    if (late)
        print_log(w);
    assert_false(late);
}

/* Format as "name=address*weight", followed by "!" for a backup, separated by spaces. */
static const char *members_text(const struct world *w, char *text, size_t size)
{
    const struct members *members = discovery_members(w->discovery, "c");
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; members && i < members->n && at < size; i++)
        at += (size_t)snprintf(&text[at], size - at, "%s%s=%s*%u%s", i > 0 ? " " : "",
                               members->nodes[i].name, members->nodes[i].address,
                               members->nodes[i].weight, members->nodes[i].backup ? "!" : "");
    return members ? text : "none";
}

static bool members_are(const struct world *w, const void *arg)
{
    char text[1024];
    return strcmp(members_text(w, text, sizeof(text)), arg) == 0;
}

static void expect_members(struct world *w, const char *expected)
{
    char text[1024];
    run_until(w, members_are, expected);
    assert_string_equal(members_text(w, text, sizeof(text)), expected);
}

static unsigned count_events(const struct world *w, const char *words)
{
    static char text[1 << 20];
    ssize_t n = pread(w->log_fd, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    unsigned count = 0;
    for (const char *at = strstr(text, words); at; at = strstr(at + 1, words))
        count++;
    return count;
}

static bool is_logged(const struct world *w, const void *arg)
{
    return count_events(w, arg) > 0;
}

static void expect_event(struct world *w, const char *words)
{
    run_until(w, is_logged, words);
}

static bool is_settled(const struct world *w, const void *arg)
{
    (void)arg;
    return discovery_is_settled(w->discovery);
}

struct asked {
    const char *words;
    unsigned n;
};

static bool is_asked(const struct world *w, const void *arg)
{
    const struct asked *asked = arg;
    return dnsmasq_count(&w->dns, asked->words) >= asked->n;
}

static void expect_questions(struct world *w, const char *words, unsigned n)
{
    run_until(w, is_asked, &(struct asked){words, n});
}

/* ---- answers ---- */

static void without_discovery_the_state_is_settled(void **state)
{
    struct world *w = *state;
    w->cluster.discovery = NULL;
    assert_true(discovery_is_settled(w->discovery));
    take(w);
    assert_true(discovery_is_settled(w->discovery));
    assert_null(discovery_members(w->discovery, "c"));
}

static void a_records_become_nodes(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.3 emqx.test\n127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 7, "");
    w->question.refresh_ms = 60000;
    take(w);
    assert_false(discovery_is_settled(w->discovery));
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1 127.0.0.3:1883=127.0.0.3:1883*1");
    assert_true(discovery_is_settled(w->discovery));
    assert_int_equal(w->changes, 1);
    expect_event(w, "NOTICE discovery.changed cluster=\"c\" nodes=2 added=2 removed=0 altered=0 "
                    "next_ms=7.0s\n");
}

static void a_name_can_end_with_a_dot_and_be_upper_case(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 60, "");
    w->question.name = (char *)"EMQX.test.";
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1");
}

static void ipv6_is_queried_if_configured(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n2001:db8:0:0::7 emqx.test\n");
    dnsmasq_start(&w->dns, 60, "");
    w->question.record = DNS_RECORD_AAAA;
    take(w);
    expect_members(w, "[2001:db8::7]:1883=[2001:db8::7]:1883*1");
    assert_int_equal(dnsmasq_count(&w->dns, "query[A] "), 0);
    w->question.record = DNS_RECORD_A_AAAA;
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1 [2001:db8::7]:1883=[2001:db8::7]:1883*1");
}

static void one_family_is_enough(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 60, "");
    w->question.record = DNS_RECORD_A_AAAA;
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1");
    assert_int_equal(count_events(w, "discovery.failed"), 0);
}

static void srv_records_set_ports_weights_and_backups(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx-0.test\n127.0.0.3 emqx-1.test\n"
                               "127.0.0.4 spare.test\n");
    dnsmasq_start(&w->dns, 9,
                  "srv-host=" SRV ",EMQX-0.test,1883,10,5\n"
                  "srv-host=" SRV ",emqx-1.test,1884,10,0\n"
                  "srv-host=" SRV ",spare.test,1883,20,3\n"
                  "srv-host=" SRV ",homeless.test,1883,5,3\n");
    ask_srv(w);
    w->question.refresh_ms = 60000;
    take(w);
    expect_members(w, "emqx-0.test=127.0.0.2:1883*5 emqx-1.test=127.0.0.3:1884*1 "
                      "spare.test=127.0.0.4:1883*3!");
    expect_event(w, "next_ms=9.0s\n");
    expect_event(w, "DEBUG discovery.no_address cluster=\"c\" target=\"homeless.test\"");
    assert_int_equal(count_events(w, "discovery.no_address"), 1);
    assert_int_equal(count_events(w, "discovery.failed"), 0);
}

static void answers_too_large_for_a_packet_are_received(void **state)
{
    struct world *w = *state;
    static char lines[64 * 1024], hosts[64 * 1024];
    size_t n = 0, m = 0;
    for (unsigned i = 0; i < 300; i++) {
        n += (size_t)snprintf(&lines[n], sizeof(lines) - n, "srv-host=" SRV ",emqx-%u.test,1883\n",
                              i);
        m += (size_t)snprintf(&hosts[m], sizeof(hosts) - m, "10.0.%u.%u emqx-%u.test\n", i / 250,
                              1 + i % 250, i);
    }
    dnsmasq_set_hosts(&w->dns, hosts);
    dnsmasq_start(&w->dns, 60, lines);
    ask_srv(w);
    take(w);
    expect_event(w, "discovery.changed cluster=\"c\" nodes=300");
    assert_int_equal(discovery_members(w->discovery, "c")->n, 300);
    assert_int_equal(count_events(w, "discovery.failed"), 0);
}

static void the_number_of_nodes_is_limited(void **state)
{
    struct world *w = *state;
    static char hosts[64 * 1024];
    size_t n = 0;
    for (unsigned i = 0; i < MEMBERS_MAX + 10; i++)
        n += (size_t)snprintf(&hosts[n], sizeof(hosts) - n, "10.0.%u.%u emqx.test\n", i / 250,
                              1 + i % 250);
    dnsmasq_set_hosts(&w->dns, hosts);
    dnsmasq_start(&w->dns, 60, "");
    take(w);
    expect_event(w, "WARN discovery.too_many cluster=\"c\" max=1024 left_out=10\n");
    assert_int_equal(discovery_members(w->discovery, "c")->n, MEMBERS_MAX);
}

/* ---- changes ---- */

static void nodes_are_added_and_removed(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n127.0.0.3 emqx.test\n");
    dnsmasq_start(&w->dns, 0, ""); /* TTL 0: still at most one query per second */
    w->question.refresh_ms = 60000;
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1 127.0.0.3:1883=127.0.0.3:1883*1");
    expect_event(w, "next_ms=1.0s\n");
    dnsmasq_set_hosts(&w->dns, "127.0.0.3 emqx.test\n127.0.0.4 emqx.test\n");
    expect_members(w, "127.0.0.3:1883=127.0.0.3:1883*1 127.0.0.4:1883=127.0.0.4:1883*1");
    expect_event(w, "nodes=2 added=1 removed=1 altered=0");
    assert_int_equal(w->changes, 2);
}

static void an_unchanged_answer_changes_nothing(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n127.0.0.3 emqx.test\n");
    dnsmasq_start(&w->dns, 1, "");
    take(w);
    expect_questions(w, "query[A] " NAME, 4);
    assert_int_equal(w->changes, 1);
    assert_int_equal(count_events(w, "discovery.changed"), 1);
}

static void a_pod_with_another_address_keeps_its_name(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx-0.test\n127.0.0.3 emqx-1.test\n");
    dnsmasq_start(&w->dns, 1,
                  "srv-host=" SRV ",emqx-0.test,1883\nsrv-host=" SRV ",emqx-1.test,1883\n");
    ask_srv(w);
    take(w);
    expect_members(w, "emqx-0.test=127.0.0.2:1883*1 emqx-1.test=127.0.0.3:1883*1");
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx-0.test\n127.0.0.9 emqx-1.test\n");
    expect_members(w, "emqx-0.test=127.0.0.2:1883*1 emqx-1.test=127.0.0.9:1883*1");
    expect_event(w, "nodes=2 added=0 removed=0 altered=1");
}

/* ---- failures ---- */

static void nodes_are_kept_while_the_server_is_stopped(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 1, "");
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1");
    dnsmasq_stop(&w->dns);
    expect_event(w, "WARN discovery.failed cluster=\"c\" name=\"emqx.test\" error=");
    assert_true(members_are(w, "127.0.0.2:1883=127.0.0.2:1883*1"));
    dnsmasq_start(&w->dns, 1, "");
    expect_event(w, "NOTICE discovery.recovered cluster=\"c\" name=\"emqx.test\"\n");
    assert_int_equal(count_events(w, "discovery.failed"), 1);
    assert_int_equal(w->changes, 1);
}

static void nodes_are_kept_while_the_server_is_silent(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 1, "");
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1");
    kill(w->dns.pid, SIGSTOP);
    expect_event(w, "discovery.failed");
    assert_true(members_are(w, "127.0.0.2:1883=127.0.0.2:1883*1"));
    kill(w->dns.pid, SIGCONT);
    expect_event(w, "discovery.recovered");
}

static void nodes_are_kept_while_the_name_does_not_exist(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 1, "");
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1");
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 other.test\n"); /* NXDOMAIN from now on */
    expect_event(
        w, "discovery.failed cluster=\"c\" name=\"emqx.test\" error=\"emqx.test A: Domain name "
           "not found\" nodes=1\n");
    assert_true(members_are(w, "127.0.0.2:1883=127.0.0.2:1883*1"));
    expect_questions(w, "query[A] " NAME, 4);
    assert_int_equal(count_events(w, "discovery.failed"), 1);
    dnsmasq_set_hosts(&w->dns, "127.0.0.5 emqx.test\n");
    expect_members(w, "127.0.0.5:1883=127.0.0.5:1883*1");
    expect_event(w, "discovery.recovered");
}

static void an_address_that_cannot_be_resolved_is_kept(void **state)
{
    struct world *w = *state;
    const char *hosts = "127.0.0.2 emqx-0.test\n127.0.0.3 emqx-1.pods.test\n";
    dnsmasq_set_hosts(&w->dns, hosts);
    dnsmasq_start(&w->dns, 1,
                  "srv-host=" SRV ",emqx-0.test,1883\nsrv-host=" SRV ",emqx-1.pods.test,1883\n");
    ask_srv(w);
    take(w);
    expect_members(w, "emqx-0.test=127.0.0.2:1883*1 emqx-1.pods.test=127.0.0.3:1883*1");
    dnsmasq_stop(&w->dns);
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx-0.test\n127.0.0.4 emqx-2.test\n");
    char lines[512];
    (void)snprintf(lines, sizeof(lines),
                   "srv-host=" SRV ",emqx-0.test,1883\nsrv-host=" SRV ",emqx-1.pods.test,1883\n"
                   "srv-host=" SRV ",emqx-2.test,1883\nserver=/pods.test/127.0.0.1#%u\n",
                   dnsmasq_free_port()); /* no server listens there for pods.test */
    dnsmasq_start(&w->dns, 1, lines);
    expect_members(w, "emqx-0.test=127.0.0.2:1883*1 emqx-1.pods.test=127.0.0.3:1883*1 "
                      "emqx-2.test=127.0.0.4:1883*1");
    assert_int_equal(count_events(w, "discovery.recovered"), 0);
    assert_int_equal(count_events(w, "discovery.failed"), 1);
}

/* Each query alone would take 6 s, and at most 32 are pending at a time. */
static void a_lookup_ends_with_any_number_of_unanswered_queries(void **state)
{
    struct world *w = *state;
    static char lines[16 * 1024];
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof(at);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int silent = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&at, &size), 0);
    size_t n = (size_t)snprintf(lines, sizeof(lines),
                                "server=/pods.test/127.0.0.1#%u\nsrv-host=" SRV ",a.test,1883\n",
                                ntohs(at.sin_port));
    for (unsigned i = 0; i < 100; i++)
        n += (size_t)snprintf(&lines[n], sizeof(lines) - n,
                              "srv-host=" SRV ",emqx-%u.pods.test,1883\n", i);
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 a.test\n");
    dnsmasq_start(&w->dns, 60, lines);
    ask_srv(w);
    take(w);
    expect_members(w, "a.test=127.0.0.2:1883*1");
    assert_int_equal(count_events(w, "discovery.failed"), 1);
    close(silent);
}

static void a_server_that_starts_late_is_found(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    take(w);
    run_until(w, is_settled, NULL);
    assert_null(discovery_members(w->discovery, "c"));
    assert_int_equal(w->changes, 0);
    dnsmasq_start(&w->dns, 60, "");
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1");
    assert_int_equal(w->changes, 1);
}

/* ---- changed queries ---- */

static void an_unchanged_query_is_not_repeated_at_a_reload(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 3600, "");
    w->question.refresh_ms = 3600000;
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1");
    take(w);
    assert_true(discovery_is_settled(w->discovery));
    assert_true(members_are(w, "127.0.0.2:1883=127.0.0.2:1883*1"));
    w->question.refresh_ms = 1000; /* takes effect immediately */
    take(w);
    assert_int_equal(dnsmasq_count(&w->dns, "query[A] " NAME), 1);
    expect_questions(w, "query[A] " NAME, 2);
}

static void a_changed_query_keeps_the_nodes_until_it_is_answered(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 1, "");
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1");
    w->question.name = (char *)"new.test"; /* still NXDOMAIN */
    take(w);
    assert_false(discovery_is_settled(w->discovery));
    assert_true(members_are(w, "127.0.0.2:1883=127.0.0.2:1883*1"));
    expect_event(w, "discovery.failed cluster=\"c\" name=\"new.test\"");
    assert_true(members_are(w, "127.0.0.2:1883=127.0.0.2:1883*1"));
    dnsmasq_set_hosts(&w->dns, "127.0.0.3 new.test\n");
    expect_members(w, "127.0.0.3:1883=127.0.0.3:1883*1");
}

static void nodes_are_dropped_when_discovery_is_removed(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 60, "");
    take(w);
    expect_members(w, "127.0.0.2:1883=127.0.0.2:1883*1");
    w->cluster.discovery = NULL;
    take(w);
    assert_null(discovery_members(w->discovery, "c"));
}

static void pending_queries_can_be_cancelled(void **state)
{
    struct world *w = *state;
    dnsmasq_set_hosts(&w->dns, "127.0.0.2 emqx.test\n");
    dnsmasq_start(&w->dns, 60, "");
    kill(w->dns.pid, SIGSTOP);
    take(w);
    for (int i = 0; i < 3; i++)
        ev_run(w->loop, EVRUN_NOWAIT);
    w->question.port = 1884; /* a different query */
    take(w);
    ev_run(w->loop, EVRUN_NOWAIT);
    discovery_free(w->discovery);
    w->discovery = NULL;
    ev_run(w->loop, EVRUN_NOWAIT);
    assert_int_equal(w->changes, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_init, world_fini)
    const struct CMUnitTest tests[] = {
        TEST(without_discovery_the_state_is_settled),
        TEST(a_records_become_nodes),
        TEST(a_name_can_end_with_a_dot_and_be_upper_case),
        TEST(ipv6_is_queried_if_configured),
        TEST(one_family_is_enough),
        TEST(srv_records_set_ports_weights_and_backups),
        TEST(answers_too_large_for_a_packet_are_received),
        TEST(the_number_of_nodes_is_limited),
        TEST(nodes_are_added_and_removed),
        TEST(an_unchanged_answer_changes_nothing),
        TEST(a_pod_with_another_address_keeps_its_name),
        TEST(nodes_are_kept_while_the_server_is_stopped),
        TEST(nodes_are_kept_while_the_server_is_silent),
        TEST(nodes_are_kept_while_the_name_does_not_exist),
        TEST(an_address_that_cannot_be_resolved_is_kept),
        TEST(a_lookup_ends_with_any_number_of_unanswered_queries),
        TEST(a_server_that_starts_late_is_found),
        TEST(an_unchanged_query_is_not_repeated_at_a_reload),
        TEST(a_changed_query_keeps_the_nodes_until_it_is_answered),
        TEST(nodes_are_dropped_when_discovery_is_removed),
        TEST(pending_queries_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
