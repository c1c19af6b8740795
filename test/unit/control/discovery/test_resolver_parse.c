/*
 * test_resolver_parse.c - parse valid and malformed DNS messages.
 *
 * Answers of dnsmasq are tested in test_discovery.c. These are messages that it does not send.
 */
#include "unit.h"

#include <ares.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/discovery/resolver_parse.h"
#include "guard_page.h"
#include "hex.h"

/* One question for "s" SRV, and the number of answers. */
#define SRV_HEAD(answers) "1234 8580 0001" answers "00000000 0173 00 0021 0001"
/* A record of "s": TTL 10, priority 1, weight 2; followed by port and target. */
#define SRV_RECORD(length) "c00c 0021 0001 0000000a" length "0001 0002"
#define A_HEAD(answers)    "1234 8580 0001" answers "00000000 0173 00 0001 0001"
#define A_RECORD           "c00c 0001 0001 0000000a 0004"

static const char two_targets[] =
    SRV_HEAD("0002") SRV_RECORD("000a") "075b 0261 62 00" SRV_RECORD("0009") "075b 0163 00";

static struct span decode(const char *hex, uint8_t *room, size_t max)
{
    return span_of(room, hex_decode(hex, room, max));
}

/* Return the targets, each followed by a space. */
static const char *targets_of(const char *hex, int *status, char text[256])
{
    uint8_t room[512];
    struct dns_answer *answer = dns_answer_new();
    assert_non_null(answer);
    *status = resolver_parse_services(decode(hex, room, sizeof(room)), answer);
    text[0] = '\0';
    for (size_t i = 0; i < answer->n_services; i++) {
        strcat(text, answer->services[i].target);
        strcat(text, " ");
    }
    dns_answer_free(answer);
    return text;
}

static void expect_targets(const char *hex, int expected_status, const char *expected)
{
    char text[256];
    int status;
    (void)targets_of(hex, &status, text);
    assert_int_equal(status, expected_status);
    assert_string_equal(text, expected);
}

static void targets_must_be_host_names(void **state)
{
    (void)state;
    expect_targets(SRV_HEAD("0001") SRV_RECORD("000d") "075b 05 61 2d 62 5f 39 00", ARES_SUCCESS,
                   "a-b_9 ");
    /* the root, a space, a slash, a NUL, a quote, a non-ASCII byte */
    expect_targets(SRV_HEAD("0001") SRV_RECORD("0007") "075b 00", ARES_ENODATA, "");
    expect_targets(SRV_HEAD("0001") SRV_RECORD("000b") "075b 03 61 20 62 00", ARES_ENODATA, "");
    expect_targets(SRV_HEAD("0001") SRV_RECORD("000b") "075b 03 61 2f 62 00", ARES_ENODATA, "");
    expect_targets(SRV_HEAD("0001") SRV_RECORD("000b") "075b 03 61 00 62 00", ARES_ENODATA, "");
    expect_targets(SRV_HEAD("0001") SRV_RECORD("000b") "075b 03 61 22 62 00", ARES_ENODATA, "");
    expect_targets(SRV_HEAD("0001") SRV_RECORD("000b") "075b 03 61 fe 62 00", ARES_ENODATA, "");
    expect_targets(SRV_HEAD("0001") SRV_RECORD("0009") "0000 01 61 00", ARES_ENODATA, "");
}

static void one_invalid_target_does_not_affect_the_others(void **state)
{
    (void)state;
    expect_targets(SRV_HEAD("0002") SRV_RECORD("0007") "075b 00" SRV_RECORD("0009") "075b 0161 00",
                   ARES_SUCCESS, "a ");
}

static void a_target_that_points_at_itself_is_rejected(void **state)
{
    (void)state;
    char text[256];
    int status;
    /* 19 bytes of header and question, 18 of the record before the target: offset 0x25 */
    (void)targets_of(SRV_HEAD("0001") SRV_RECORD("0008") "075b c025", &status, text);
    assert_int_not_equal(status, ARES_SUCCESS);
    assert_string_equal(text, "");
}

static void an_alias_without_an_address_is_empty(void **state)
{
    (void)state;
    uint8_t room[512];
    struct dns_answer *answer = dns_answer_new();
    struct dns_host host = {.family = AF_INET};
    struct span message =
        decode(A_HEAD("0001") "c00c 0005 0001 0000000a 0003 0174 00", room, sizeof(room));
    assert_int_equal(resolver_parse_addresses(message, answer, &host), ARES_ENODATA);
    assert_int_equal(host.n, 0);
    free(host.addresses);
    dns_answer_free(answer);
}

static void the_lowest_ttl_of_all_messages_is_used(void **state)
{
    (void)state;
    uint8_t room[512];
    struct dns_answer *answer = dns_answer_new();
    struct dns_host host = {.family = AF_INET};
    answer->ttl_s = 20;
    assert_int_equal(
        resolver_parse_addresses(decode(A_HEAD("0001") A_RECORD "0a000007", room, sizeof(room)),
                                 answer, &host),
        ARES_SUCCESS);
    assert_int_equal(answer->ttl_s, 10);
    assert_int_equal(host.n, 1);
    assert_string_equal(host.addresses[0], "10.0.0.7");
    free(host.addresses);
    host = (struct dns_host){.family = AF_INET};
    answer->ttl_s = 5;
    assert_int_equal(
        resolver_parse_addresses(decode(A_HEAD("0001") A_RECORD "0a000007", room, sizeof(room)),
                                 answer, &host),
        ARES_SUCCESS);
    assert_int_equal(answer->ttl_s, 5);
    free(host.addresses);
    dns_answer_free(answer);
}

/* ---- malformed messages ---- */

static void parse_both(const struct guard_page *page, const uint8_t *p, size_t n)
{
    for (int kind = 0; kind < 3; kind++) {
        struct span message = span_of(guard_page_put(page, p, n), n);
        struct dns_answer *answer = dns_answer_new();
        struct dns_host host = {.family = kind == 1 ? AF_INET : AF_INET6};
        assert_non_null(answer);
        int status = kind == 0 ? resolver_parse_services(message, answer)
                               : resolver_parse_addresses(message, answer, &host);
        if (status == ARES_SUCCESS)
            assert_true(answer->n_services + host.n > 0 && answer->ttl_s <= INT32_MAX);
        else
            assert_int_equal(host.n, 0);
        free(host.addresses);
        dns_answer_free(answer);
    }
}

static void any_changed_byte_and_any_truncation_is_safe(void **state)
{
    (void)state;
    static const char *const messages[] = {two_targets,
                                           A_HEAD("0002") A_RECORD "0a000007" A_RECORD "0a000008"};
    struct guard_page page = guard_page_new(512);
    uint8_t room[512];
    for (size_t m = 0; m < ARRAY_LEN(messages); m++) {
        size_t n = hex_decode(messages[m], room, sizeof(room));
        for (size_t at = 0; at < n; at++) {
            parse_both(&page, room, at);
            for (unsigned value = 0; value < 256; value++) {
                uint8_t right = room[at];
                room[at] = (uint8_t)value;
                parse_both(&page, room, n);
                room[at] = right;
            }
        }
    }
    guard_page_free(&page);
}

/* ---- hosts to query ---- */

static void each_target_is_queried_once_per_family(void **state)
{
    (void)state;
    uint8_t room[512];
    struct dns_answer *answer = dns_answer_new();
    const char *hex = SRV_HEAD("0003") SRV_RECORD("0009") "075b 0161 00" SRV_RECORD(
        "0009") "075b 0162 00" SRV_RECORD("0009") "075c 0141 00";
    assert_int_equal(resolver_parse_services(decode(hex, room, sizeof(room)), answer),
                     ARES_SUCCESS);
    assert_true(dns_answer_add_targets(answer));
    assert_int_equal(answer->n_services, 3);
    assert_int_equal(answer->n_hosts, 4);
    assert_int_equal(answer->hosts[0].family, AF_INET);
    assert_int_equal(answer->hosts[1].family, AF_INET6);
    assert_int_equal(answer->services[0].first_host, answer->services[1].first_host);
    dns_answer_free(answer);
}

static void excess_services_with_the_highest_priority_values_are_omitted(void **state)
{
    (void)state;
    struct dns_answer *answer = dns_answer_new();
    answer->services = calloc(MEMBERS_MAX + 2, sizeof(struct dns_service));
    for (uint16_t i = 0; i < MEMBERS_MAX + 2; i++) {
        char target[16];
        (void)snprintf(target, sizeof(target), "t%u", i);
        answer->services[answer->n_services++] = (struct dns_service){
            .target = strdup(target), .port = 1, .priority = i < 2 ? 9 : (uint16_t)(i % 7)};
    }
    assert_true(dns_answer_add_targets(answer));
    assert_int_equal(answer->n_services, MEMBERS_MAX);
    assert_int_equal(answer->left_out, 2);
    for (size_t i = 0; i < answer->n_services; i++)
        assert_true(answer->services[i].priority < 9);
    dns_answer_free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_must_be_host_names),
        cmocka_unit_test(one_invalid_target_does_not_affect_the_others),
        cmocka_unit_test(a_target_that_points_at_itself_is_rejected),
        cmocka_unit_test(an_alias_without_an_address_is_empty),
        cmocka_unit_test(the_lowest_ttl_of_all_messages_is_used),
        cmocka_unit_test(any_changed_byte_and_any_truncation_is_safe),
        cmocka_unit_test(each_target_is_queried_once_per_family),
        cmocka_unit_test(excess_services_with_the_highest_priority_values_are_omitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
