/*
 * Tests of address.c. Expected texts are the examples of RFC 5952 where it has one.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "net/address.h"

static void text_is_parsed_and_formatted_back(void **state)
{
    static const struct {
        const char *text, *back, *host;
        uint16_t port;
    } cases[] = {
        {"192.0.2.1:1883", "192.0.2.1:1883", "192.0.2.1", 1883},
        {":1883", "0.0.0.0:1883", "0.0.0.0", 1883},
        {"*:8883", "0.0.0.0:8883", "0.0.0.0", 8883},
        {"255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255", 65535},
        {"[::]:1", "[::]:1", "::", 1},
        {"[2001:db8::1]:1883", "[2001:db8::1]:1883", "2001:db8::1", 1883},
        /* RFC 5952 sections 4.1, 4.2.2, 4.2.3 and 4.3 */
        {"[2001:0db8::0001]:80", "[2001:db8::1]:80", "2001:db8::1", 80},
        {"[2001:db8:0:1:1:1:1:1]:80", "[2001:db8:0:1:1:1:1:1]:80", "2001:db8:0:1:1:1:1:1", 80},
        {"[2001:0:0:1:0:0:0:1]:80", "[2001:0:0:1::1]:80", "2001:0:0:1::1", 80},
        {"[2001:DB8::A]:80", "[2001:db8::a]:80", "2001:db8::a", 80},
        /* IPv4-mapped addresses are formatted as IPv4 */
        {"[::ffff:192.0.2.1]:80", "192.0.2.1:80", "192.0.2.1", 80},
    };
    char text[ADDRESS_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address a;
        assert_true(address_parse(cases[i].text, false, &a));
        assert_string_equal(address_format(&a, text), cases[i].back);
        assert_string_equal(address_format_host(&a, text), cases[i].host);
        assert_int_equal(address_port(&a), cases[i].port);
    }
}

static void invalid_address_is_rejected_and_leaves_the_result_unchanged(void **state)
{
    static const char *const texts[] = {
        "",
        "1883",
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:118830",
        "192.0.2.1:001883",
        "192.0.2.1:-1",
        "192.0.2.1:+1",
        "192.0.2.1: 1",
        "192.0.2.1:1 ",
        "192.0.2.1:0x50",
        "192.0.2:80",
        "192.0.2.256:80",
        "192.0.2.1.5:80",
        " 192.0.2.1:80",
        "**:80",
        "localhost:80",
        "::1:80",
        "::",
        "[]:80",
        "[:80",
        "]:80",
        "[::1]",
        "[::1]80",
        "[::1]:",
        "[::1:80",
        "::1]:80",
        "[192.0.2.1]:80",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[0123:4567:89ab:cdef:0123:4567:255.255.255.2555555555555555555555555555]:1",
    };
    (void)state;
    struct address before, a;
    memset(&before, 0x5a, sizeof(before));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        a = before;
        if (address_parse(texts[i], false, &a))
            fail_msg("taken: \"%s\"", texts[i]);
        assert_memory_equal(&a, &before, sizeof(a));
    }
}

static void port_zero_is_accepted_only_if_allowed(void **state)
{
    struct address a;
    (void)state;
    assert_false(address_parse("127.0.0.1:0", false, &a));
    assert_true(address_parse("127.0.0.1:0", true, &a));
    assert_int_equal(address_port(&a), 0);
    assert_int_equal(a.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

static void the_longest_text_fits(void **state)
{
    char text[ADDRESS_TEXT_MAX];
    struct address a;
    (void)state;
    assert_true(address_parse("[1123:4567:89ab:cdef:1123:4567:89ab:cdef]:65535", false, &a));
    assert_string_equal(address_format(&a, text),
                        "[1123:4567:89ab:cdef:1123:4567:89ab:cdef]:65535");
}

static void missing_address_is_formatted_as_unknown(void **state)
{
    struct address none = {.sa.sa_family = AF_UNSPEC};
    char text[ADDRESS_TEXT_MAX];
    (void)state;
    assert_string_equal(address_format(&none, text), "unknown");
    assert_string_equal(address_format_host(&none, text), "unknown");
    assert_int_equal(address_len(&none), 0);
    assert_int_equal(address_port(&none), 0);
    assert_true(address_equal(&none, &none));
}

static void length_matches_the_address_family(void **state)
{
    struct address a;
    (void)state;
    assert_true(address_parse("192.0.2.1:1", false, &a));
    assert_int_equal(address_len(&a), sizeof(struct sockaddr_in));
    assert_true(address_parse("[::1]:1", false, &a));
    assert_int_equal(address_len(&a), sizeof(struct sockaddr_in6));
}

static void addresses_are_equal_if_host_and_port_are_equal(void **state)
{
    static const char *const texts[] = {
        "192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1",         "[::1]:1",
        "[::1]:2",     "[::2]:1",     "[::ffff:192.0.2.1]:1"};
    struct address a, b;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
            assert_true(address_parse(texts[i], false, &a));
            assert_true(address_parse(texts[j], false, &b));
            assert_int_equal(address_equal(&a, &b), i == j);
        }
}

static void equality_ignores_padding_and_flow_label(void **state)
{
    struct address a, b;
    (void)state;
    assert_true(address_parse("192.0.2.1:1", false, &a));
    b = a;
    memset(b.in.sin_zero, 0xff, sizeof(b.in.sin_zero));
    assert_true(address_equal(&a, &b));
    assert_true(address_parse("[::1]:1", false, &a));
    b = a;
    b.in6.sin6_flowinfo = 7;
    assert_true(address_equal(&a, &b));
}

static void only_mapped_ipv6_is_converted_to_ipv4(void **state)
{
    static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};
    struct address mapped, plain, other, out;
    (void)state;
    assert_true(address_parse("[::ffff:192.0.2.1]:99", false, &mapped));
    assert_true(address_parse("192.0.2.1:99", false, &plain));
    assert_int_equal(mapped.sa.sa_family, AF_INET6);
    out = address_unmap(&mapped);
    assert_true(address_equal(&out, &plain));
    /* The union's bytes after an IPv4 address are undefined. */
    memcpy(&plain.in6.sin6_addr, mapped_prefix, sizeof(mapped_prefix));
    out = address_unmap(&plain);
    assert_true(address_equal(&out, &plain));
    assert_true(
        address_parse("[::192.0.2.1]:99", false, &other)); /* IPv4-compatible, not IPv4-mapped */
    out = address_unmap(&other);
    assert_true(address_equal(&out, &other));
}

static void address_is_normalized_to_the_form_used_as_a_hash_key(void **state)
{
    static const char *const pairs[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::FFFF:c000:0201", "192.0.2.1"},
        {"0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"},
        {"2001:DB8:0:0::A", "2001:db8::a"},
        {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
        {"::1", "::1"},
    };
    static const char *const others[] = {"",
                                         "*",
                                         "localhost",
                                         "192.0.2.1:1883",
                                         "[::1]",
                                         "[::1]:1883",
                                         "192.0.2.01",
                                         "192.0.2",
                                         "3221225985",
                                         "0xc0000201",
                                         "192.0.2.1/32",
                                         " 192.0.2.1",
                                         "192.0.2.1\n",
                                         "fe80::1%lo",
                                         "::ffff:192.0.2.256",
                                         "1:2:3:4:5:6:7:8:9",
                                         "2001:db8::1::"};
    char text[ADDRESS_TEXT_MAX] = "untouched";
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (address_normalize(others[i], text) || strcmp(text, "untouched") != 0)
            fail_msg("%s", others[i]);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_true(address_normalize(pairs[i][0], text));
        assert_string_equal(text, pairs[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_is_normalized_to_the_form_used_as_a_hash_key),
        cmocka_unit_test(text_is_parsed_and_formatted_back),
        cmocka_unit_test(invalid_address_is_rejected_and_leaves_the_result_unchanged),
        cmocka_unit_test(port_zero_is_accepted_only_if_allowed),
        cmocka_unit_test(the_longest_text_fits),
        cmocka_unit_test(missing_address_is_formatted_as_unknown),
        cmocka_unit_test(length_matches_the_address_family),
        cmocka_unit_test(addresses_are_equal_if_host_and_port_are_equal),
        cmocka_unit_test(equality_ignores_padding_and_flow_label),
        cmocka_unit_test(only_mapped_ipv6_is_converted_to_ipv4),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
