/*
 * test_admission.c - what is remembered of sources and client identifiers, and how much of it.
 */
#include "proxy/admission/admission.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cidr.h"
#include "unit.h"

#define S_US UINT64_C(1000000)

static const struct limits_conf limits = {
    .per_source = {.max_connections = 3, .burst = 1, .table_size = 1024},
    .flapping = {.max_connects = 4,
                 .window_ms = 4000,
                 .penalty_ms = 1000,
                 .penalty_max_ms = 8000,
                 .table_size = 1024},
};

static struct address host(const char *text)
{
    struct address a;
    assert_true(address_parse_host(text, &a));
    return a;
}

/* The n-th IPv4 address. */
static struct address numbered(uint32_t n)
{
    struct address a = {.in = {.sin_family = AF_INET}};
    a.in.sin_addr.s_addr = htonl(n);
    return a;
}

static struct admission *new_admission(void)
{
    struct admission *a = admission_new(&limits, 12345);
    assert_non_null(a);
    return a;
}

static enum admission_verdict enter(struct admission *a, const char *from, admission_place *place)
{
    const struct address source = host(from);
    return admission_enter(a, &limits.per_source, &source, S_US, place);
}

static void a_source_is_limited_in_connections(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    admission_place places[3], other;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(enter(a, "192.0.2.1", &places[i]), ADMISSION_GRANTED);
        assert_int_not_equal(places[i], 0);
    }
    assert_int_equal(enter(a, "192.0.2.1", &other), ADMISSION_TOO_MANY);
    assert_int_equal(other, 0);
    assert_int_equal(enter(a, "::ffff:192.0.2.1", &other), ADMISSION_TOO_MANY);
    assert_int_equal(enter(a, "192.0.2.2", &other), ADMISSION_GRANTED);
    admission_leave(a, other);
    admission_leave(a, places[0]);
    assert_int_equal(enter(a, "192.0.2.1", &places[0]), ADMISSION_GRANTED);
    for (int i = 0; i < 3; i++)
        admission_leave(a, places[i]);
    admission_leave(a, 0);
    admission_free(a);
}

static void an_ipv6_64_prefix_is_one_source(void **state)
{
    (void)state;
    static const char *const from[] = {"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"};
    struct admission *a = new_admission();
    admission_place places[3], other;
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter(a, from[i], &places[i]), ADMISSION_GRANTED);
    assert_int_equal(enter(a, "2001:db8::9", &other), ADMISSION_TOO_MANY);
    assert_int_equal(enter(a, "2001:db8:0:1::1", &other), ADMISSION_GRANTED);
    admission_leave(a, other);
    for (int i = 0; i < 3; i++)
        admission_leave(a, places[i]);
    admission_free(a);
}

static void exempt_and_local_sources_are_not_counted(void **state)
{
    (void)state;
    struct cidr exempt;
    assert_true(cidr_parse("192.0.2.0/24", &exempt));
    struct per_source_conf conf = limits.per_source;
    conf.exempt = &exempt;
    conf.n_exempt = 1;
    struct admission *a = new_admission();
    const struct address sources[] = {host("192.0.2.77"), {.sa = {.sa_family = AF_UNIX}}};
    for (int i = 0; i < 20; i++) {
        admission_place place = 1;
        assert_int_equal(admission_enter(a, &conf, &sources[i % 2], S_US, &place),
                         ADMISSION_GRANTED);
        assert_int_equal(place, 0);
    }
    admission_free(a);
}

static void new_limits_apply_immediately(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    const struct address source = host("192.0.2.1");
    struct per_source_conf conf = {.max_connections = 1, .burst = 1};
    admission_place first, second, third;
    assert_int_equal(admission_enter(a, &conf, &source, S_US, &first), ADMISSION_GRANTED);
    assert_int_equal(admission_enter(a, &conf, &source, S_US, &second), ADMISSION_TOO_MANY);
    conf.max_connections = 2;
    assert_int_equal(admission_enter(a, &conf, &source, S_US, &second), ADMISSION_GRANTED);
    conf = (struct per_source_conf){.max_connects_per_s = 1, .burst = 1};
    assert_int_equal(admission_enter(a, &conf, &source, S_US, &third), ADMISSION_GRANTED);
    admission_leave(a, third);
    assert_int_equal(admission_enter(a, &conf, &source, S_US, &third), ADMISSION_TOO_FAST);
    assert_int_equal(admission_enter(a, &conf, &source, 2 * S_US, &third), ADMISSION_GRANTED);
    admission_leave(a, first);
    admission_leave(a, second);
    admission_leave(a, third);
    admission_free(a);
}

static void a_million_sources_use_no_more_memory_and_displace_no_connected_one(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    struct admission_gauges gauges;
    admission_place kept[3], place;
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter(a, "192.0.2.1", &kept[i]), ADMISSION_GRANTED);
    for (uint32_t n = 0; n < 1000000; n++) {
        const struct address source = numbered(n);
        assert_int_equal(admission_enter(a, &limits.per_source, &source, S_US, &place),
                         ADMISSION_GRANTED);
        admission_leave(a, place);
    }
    admission_gauges(a, &gauges);
    assert_in_range(gauges.sources, 1000, 1024);
    assert_int_equal(gauges.sources_unlimited, 0);
    assert_int_equal(enter(a, "192.0.2.1", &place), ADMISSION_TOO_MANY);
    for (int i = 0; i < 3; i++)
        admission_leave(a, kept[i]);
    admission_free(a);
}

static void sources_beyond_the_table_are_not_limited(void **state)
{
    (void)state;
    static admission_place places[4000];
    struct admission *a = new_admission();
    struct admission_gauges gauges;
    unsigned without = 0;
    for (uint32_t n = 0; n < ARRAY_LEN(places); n++) {
        const struct address source = numbered(n);
        assert_int_equal(admission_enter(a, &limits.per_source, &source, S_US, &places[n]),
                         ADMISSION_GRANTED);
        without += places[n] == 0;
    }
    admission_gauges(a, &gauges);
    assert_int_equal(gauges.sources, 1024);
    assert_int_equal(gauges.sources_unlimited, without);
    assert_int_equal(without, ARRAY_LEN(places) - 1024);
    for (uint32_t n = 0; n < ARRAY_LEN(places); n++)
        admission_leave(a, places[n]);
    admission_free(a);
}

/* ---- client identifiers ---- */

static uint32_t connects_as(struct admission *a, const char *id, const char *certificate,
                            uint64_t now_us)
{
    const struct address source = host("192.0.2.1");
    const struct admission_client client = {
        .id = span_of_str(id), .certificate = span_of_str(certificate), .source = &source};
    const struct admission_key key = admission_key(a, &client);
    uint32_t left_ms = admission_connect(a, &key, now_us);
    return left_ms ? left_ms : admission_placed(a, &limits.flapping, &key, now_us);
}

static uint32_t connects(struct admission *a, const char *id, const char *from, uint64_t now_us,
                         bool *began)
{
    const struct address source = host(from);
    const struct admission_client client = {.id = span_of_str(id), .source = &source};
    const struct admission_key key = admission_key(a, &client);
    uint32_t left_ms = admission_connect(a, &key, now_us);
    *began = false;
    if (left_ms > 0)
        return left_ms;
    left_ms = admission_placed(a, &limits.flapping, &key, now_us);
    *began = left_ms > 0;
    return left_ms;
}

static struct admission_news accepted(struct admission *a, const char *id, const char *from,
                                      uint64_t now_us)
{
    const struct address source = host(from);
    const struct admission_client client = {.id = span_of_str(id), .source = &source};
    const struct admission_key key = admission_key(a, &client);
    return admission_accepted(a, &limits.flapping, &key, &source, now_us);
}

static void one_connect_too_many_begins_a_penalty_reported_once(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    bool began;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(connects(a, "dev", "192.0.2.1", S_US, &began), 0);
        assert_false(began);
    }
    assert_int_equal(connects(a, "dev", "192.0.2.1", S_US, &began), 1000);
    assert_true(began);
    assert_int_equal(connects(a, "dev", "192.0.2.1", S_US + 400000, &began), 600);
    assert_false(began);
    assert_int_equal(connects(a, "dev2", "192.0.2.1", S_US, &began), 0);
    assert_int_equal(connects(a, "dev", "192.0.2.1", 2 * S_US, &began), 0);
    admission_free(a);
}

static void connects_that_no_node_accepted_lock_out_no_device(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    bool began;
    for (uint32_t i = 0; i < 1000; i++) { /* from ever other sources */
        char from[32];
        (void)snprintf(from, sizeof(from), "198.51.%u.%u", i / 250, i % 250);
        (void)connects(a, "dev", from, S_US, &began);
    }
    assert_int_equal(connects(a, "dev", "192.0.2.1", S_US, &began), 0);
    admission_free(a);
}

static void a_client_accepted_from_a_source_is_not_locked_out_there(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    bool began;
    assert_false(accepted(a, "dev", "192.0.2.1", S_US).penalised);
    for (int i = 0; i < 100; i++) /* refused by the node: another one with its name */
        assert_int_equal(connects(a, "dev", "192.0.2.1", 2 * S_US, &began), 0);
    /* but its own connects count: 4 of them, and one more */
    for (int i = 0; i < 4; i++)
        assert_false(accepted(a, "dev", "192.0.2.1", 3 * S_US).penalised);
    assert_true(accepted(a, "dev", "192.0.2.1", 3 * S_US).penalised);
    assert_int_equal(connects(a, "dev", "192.0.2.1", 3 * S_US, &began), 1000);
    assert_int_equal(connects(a, "dev", "192.0.2.2", 3 * S_US, &began), 0);
    admission_free(a);
}

static void a_certificate_makes_another_pair_of_the_same_identifier(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    for (int i = 0; i < 4; i++)
        assert_int_equal(connects_as(a, "dev", "impostor", S_US), 0);
    assert_int_equal(connects_as(a, "dev", "impostor", S_US), 1000);
    assert_int_equal(connects_as(a, "dev", "dev", S_US), 0);
    assert_int_equal(connects_as(a, "dev", NULL, S_US), 0);
    admission_free(a);
}

static void addresses_of_one_64_prefix_make_one_pair(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    bool began;
    for (int i = 0; i < 4; i++)
        assert_int_equal(connects(a, "dev", i % 2 ? "2001:db8::1" : "2001:db8::2", S_US, &began),
                         0);
    assert_int_equal(connects(a, "dev", "2001:db8::3", S_US, &began), 1000);
    assert_int_equal(connects(a, "dev", "2001:db8:0:1::3", S_US, &began), 0);
    admission_free(a);
}

/* With a penalty on the identifier, or on the pair: who keeps asking is not forgotten. */
static void other_identifiers_do_not_displace_a_penalty(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    char id[32];
    bool began;
    for (int i = 0; i < 9; i++)
        (void)accepted(a, "everywhere", i % 2 ? "192.0.2.1" : "192.0.2.2", S_US);
    for (int i = 0; i < 5; i++)
        (void)connects(a, "pair", "192.0.2.1", S_US, &began);
    for (uint32_t i = 0; i < 20000; i++) {
        (void)snprintf(id, sizeof(id), "other-%u", i);
        (void)connects(a, id, "203.0.113.1", S_US, &began);
        if (i % 20 != 0)
            continue;
        assert_int_equal(connects(a, "everywhere", "192.0.2.3", S_US, &began), 1000);
        assert_int_equal(connects(a, "pair", "192.0.2.1", S_US, &began), 1000);
    }
    struct admission_gauges gauges;
    admission_gauges(a, &gauges);
    assert_in_range(gauges.evicted, 15000, 25000);
    admission_free(a);
}

static void an_identifier_accepted_too_often_is_refused_from_all_sources(void **state)
{
    (void)state;
    static const char *const from[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
    struct admission *a = new_admission();
    struct admission_news news;
    bool began;
    for (int i = 0; i < 8; i++) /* twice max_connects */
        assert_false(accepted(a, "dev", from[i % 3], S_US).penalised);
    news = accepted(a, "dev", from[0], S_US);
    assert_true(news.penalised);
    assert_int_equal(news.penalty_ms, 1000);
    assert_int_equal(connects(a, "dev", "203.0.113.5", S_US, &began), 1000);
    assert_false(began);
    admission_free(a);
}

static void an_identifier_used_in_turns_is_contested_once_per_minute(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    static const char *const from[] = {"192.0.2.1", "2001:db8::1"};
    for (int i = 0; i < 3; i++)
        assert_false(accepted(a, "dev", from[i % 2], S_US * (unsigned)(1 + i)).contested);
    struct admission_news news = accepted(a, "dev", from[1], 4 * S_US);
    assert_true(news.contested);
    char text[ADDRESS_TEXT_MAX];
    assert_string_equal(address_format_host(&news.rival, text), from[0]);
    for (int i = 0; i < 50; i++)
        assert_false(accepted(a, "dev", from[i % 2], 5 * S_US + (unsigned)i * S_US).contested);
    bool again = false;
    for (int i = 0; i < 20; i++)
        again |= accepted(a, "dev", from[i % 2], 60 * S_US + (unsigned)i * S_US).contested;
    assert_true(again);
    admission_free(a);
}

/* By a Unix socket, and by IPv4 in two ways of writing. */
static void a_rival_may_have_no_address(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    const struct address from[] = {{.sa = {.sa_family = AF_UNIX}}, host("192.0.2.1")};
    const struct address mapped = host("::ffff:192.0.2.1");
    const struct admission_client client = {.id = span_of_str("dev"), .source = &from[0]};
    const struct admission_key key = admission_key(a, &client);
    struct admission_news news = {0};
    char text[ADDRESS_TEXT_MAX];
    for (unsigned i = 0; i < 4; i++) {
        assert_false(news.contested);
        news = admission_accepted(a, &limits.flapping, &key, &from[i % 2], S_US * (1 + i));
    }
    assert_true(news.contested);
    assert_string_equal(address_format_host(&news.rival, text), "unix");
    assert_false(admission_accepted(a, &limits.flapping, &key, &mapped, 70 * S_US).contested);
    for (unsigned i = 0; i < 3; i++)
        news = admission_accepted(a, &limits.flapping, &key, &from[i % 2], S_US * (80 + i));
    assert_true(news.contested);
    assert_string_equal(address_format_host(&news.rival, text), "192.0.2.1");
    admission_free(a);
}

static void a_device_that_roams_is_not_contested(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    for (uint32_t i = 0; i < 200; i++) { /* a new address each time */
        char from[32];
        (void)snprintf(from, sizeof(from), "198.51.100.%u", i);
        assert_false(accepted(a, "phone", from, S_US * i + 1).contested);
    }
    /* home and away, once each day */
    for (uint32_t i = 0; i < 20; i++)
        assert_false(accepted(a, "car", i % 2 ? "192.0.2.1" : "192.0.2.2", 43200 * S_US * (i + 1))
                         .contested);
    admission_free(a);
}

static void a_million_identifiers_use_no_more_memory(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    struct admission_gauges gauges;
    bool began;
    char id[32];
    for (uint32_t i = 0; i < 1000000; i++) {
        (void)snprintf(id, sizeof(id), "dev-%u", i);
        assert_int_equal(connects(a, id, "192.0.2.1", S_US, &began), 0);
    }
    admission_gauges(a, &gauges);
    assert_int_equal(gauges.clients, 1024);
    admission_free(a);
}

/* ---- threads ---- */

static void *come_and_go(void *arg)
{
    struct admission *a = arg;
    admission_place places[64] = {0};
    unsigned random = (unsigned)(uintptr_t)&places;
    for (int i = 0; i < 20000; i++) {
        unsigned k = (unsigned)rand_r(&random) % 64;
        const struct address source = numbered((uint32_t)rand_r(&random) % 3000);
        const struct admission_client client = {.id = span_of("dev", 1 + k % 3), .source = &source};
        const struct admission_key key = admission_key(a, &client);
        admission_leave(a, places[k]);
        (void)admission_enter(a, &limits.per_source, &source, S_US, &places[k]);
        (void)admission_connect(a, &key, S_US + (unsigned)i);
        (void)admission_placed(a, &limits.flapping, &key, S_US + (unsigned)i);
        struct admission_news news =
            admission_accepted(a, &limits.flapping, &key, &source, S_US + (unsigned)i);
        (void)news;
    }
    for (unsigned k = 0; k < 64; k++)
        admission_leave(a, places[k]);
    return NULL;
}

static void threads_release_every_connection(void **state)
{
    (void)state;
    struct admission *a = new_admission();
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, a), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    for (uint32_t n = 0; n < 3000; n++) {
        admission_place places[3];
        const struct address source = numbered(n);
        for (int i = 0; i < 3; i++)
            assert_int_equal(admission_enter(a, &limits.per_source, &source, S_US, &places[i]),
                             ADMISSION_GRANTED);
        for (int i = 0; i < 3; i++)
            admission_leave(a, places[i]);
    }
    admission_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_limited_in_connections),
        cmocka_unit_test(an_ipv6_64_prefix_is_one_source),
        cmocka_unit_test(exempt_and_local_sources_are_not_counted),
        cmocka_unit_test(new_limits_apply_immediately),
        cmocka_unit_test(a_million_sources_use_no_more_memory_and_displace_no_connected_one),
        cmocka_unit_test(sources_beyond_the_table_are_not_limited),
        cmocka_unit_test(one_connect_too_many_begins_a_penalty_reported_once),
        cmocka_unit_test(connects_that_no_node_accepted_lock_out_no_device),
        cmocka_unit_test(a_client_accepted_from_a_source_is_not_locked_out_there),
        cmocka_unit_test(a_certificate_makes_another_pair_of_the_same_identifier),
        cmocka_unit_test(addresses_of_one_64_prefix_make_one_pair),
        cmocka_unit_test(other_identifiers_do_not_displace_a_penalty),
        cmocka_unit_test(an_identifier_accepted_too_often_is_refused_from_all_sources),
        cmocka_unit_test(an_identifier_used_in_turns_is_contested_once_per_minute),
        cmocka_unit_test(a_rival_may_have_no_address),
        cmocka_unit_test(a_device_that_roams_is_not_contested),
        cmocka_unit_test(a_million_identifiers_use_no_more_memory),
        cmocka_unit_test(threads_release_every_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
