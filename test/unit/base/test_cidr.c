/*
 * test_cidr.c - address ranges: which strings are valid, and which addresses they contain.
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/cidr.h"
#include "unit.h"

static struct cidr range_of(const char *text)
{
    struct cidr range;
    assert_true(cidr_parse(text, &range));
    return range;
}

static bool is_in(const struct cidr *list, size_t n, const char *ip)
{
    uint8_t bytes[16] = {0};
    bool is_ipv6 = strchr(ip, ':');
    assert_int_equal(inet_pton(is_ipv6 ? AF_INET6 : AF_INET, ip, bytes), 1);
    return cidr_contains(list, n, bytes, is_ipv6);
}

static void ranges_and_single_addresses_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint8_t ip[16];
        uint8_t bits;
        bool is_ipv6;
    } rows[] = {
        {"10.0.0.0/8", {10}, 8, false},
        {"0.0.0.0/0", {0}, 0, false},
        {"192.0.2.1", {192, 0, 2, 1}, 32, false},
        {"192.0.2.1/32", {192, 0, 2, 1}, 32, false},
        {"192.0.2.128/25", {192, 0, 2, 128}, 25, false},
        {"2001:db8::/32", {0x20, 0x01, 0x0d, 0xb8}, 32, true},
        {"2001:DB8:0::/33", {0x20, 0x01, 0x0d, 0xb8}, 33, true},
        {"::/0", {0}, 0, true},
        {"::1", {[15] = 1}, 128, true},
        {"::1/128", {[15] = 1}, 128, true},
        {"::ffff:10.0.0.0/104", {10}, 8, false},
        {"::ffff:192.0.2.1", {192, 0, 2, 1}, 32, false},
        {"::ffff:0:0/96", {0}, 0, false},
        {"::fffe:0:0/95", {[10] = 0xff, [11] = 0xfe}, 95, true}, /* one bit short of mapped */
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.254/127",
         {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 254},
         127,
         true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].text);
        struct cidr range = range_of(rows[i].text);
        assert_int_equal(range.is_ipv6, rows[i].is_ipv6);
        assert_int_equal(range.bits, rows[i].bits);
        assert_memory_equal(range.ip, rows[i].ip, 16);
    }
}

static void invalid_strings_are_rejected_and_do_not_change_the_result(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/00",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "10.0.0.0/8/8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/1000",
        "0.0.0.0/1-",
        "0.0.0.0/1:",
        "10.0.0.0/4294967304",
        "10.0.0/8",
        "10/8",
        "010.0.0.0/8",
        "10.0.0.0:1883",
        "256.0.0.0/8",
        "localhost",
        "*",
        "[::1]/128",
        "::1/129",
        "::/0x0",
        "2001:db8::/",
        "fe80::1%eth0",
        "fe80::/10%eth0",
        "1:2:3:4:5:6:7:8:9/64",
        "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555/127",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct cidr range, before;
        memset(&range, 0x5a, sizeof(range));
        memcpy(&before, &range, sizeof(range));
        print_message("\"%s\"\n", texts[i]);
        assert_false(cidr_parse(texts[i], &range));
        assert_memory_equal(&range, &before, sizeof(range));
        assert_false(cidr_has_host_bits(texts[i]));
    }
}

static void host_bits_are_rejected_and_detected(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "10.0.0.1/8",      "10.128.0.0/8", "192.0.2.1/31",  "128.0.0.0/0",
        "2001:db8::1/127", "::1/0",        "2001:db9::/31", "::ffff:10.0.0.1/104",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct cidr range;
        assert_false(cidr_parse(texts[i], &range));
        assert_true(cidr_has_host_bits(texts[i]));
    }
    assert_false(cidr_has_host_bits("10.0.0.0/8"));
    assert_false(cidr_has_host_bits("10.0.0.1"));
}

static void a_range_contains_its_first_and_last_address_but_no_neighbors(void **state)
{
    (void)state;
    static const struct {
        const char *range, *first, *last, *below, *above;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.255", "192.0.2.127", "192.0.3.0"},
        {"192.0.2.6/31", "192.0.2.6", "192.0.2.7", "192.0.2.5", "192.0.2.8"},
        {"192.0.2.6", "192.0.2.6", "192.0.2.6", "192.0.2.5", "192.0.2.7"},
        {"128.0.0.0/1", "128.0.0.0", "255.255.255.255", "127.255.255.255", "0.0.0.0"},
        {"2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff",
         "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8:8000::"},
        {"::1", "::1", "::1", "::", "::2"},
        {"2001:db8::4/126", "2001:db8::4", "2001:db8::7", "2001:db8::3", "2001:db8::8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cidr range = range_of(rows[i].range);
        print_message("%s\n", rows[i].range);
        assert_true(is_in(&range, 1, rows[i].first));
        assert_true(is_in(&range, 1, rows[i].last));
        assert_false(is_in(&range, 1, rows[i].below));
        assert_false(is_in(&range, 1, rows[i].above));
    }
}

static void only_mapped_ipv6_counts_as_ipv4(void **state)
{
    (void)state;
    struct cidr ten = range_of("10.0.0.0/8"), mapped_ten = range_of("::ffff:10.0.0.0/104");
    struct cidr all_ipv4 = range_of("0.0.0.0/0"), all_ipv6 = range_of("::/0");
    assert_true(is_in(&ten, 1, "::ffff:10.1.2.3"));
    assert_true(is_in(&mapped_ten, 1, "10.1.2.3"));
    assert_true(is_in(&mapped_ten, 1, "::ffff:10.1.2.3"));
    assert_false(is_in(&ten, 1, "::ffff:11.1.2.3"));
    assert_false(is_in(&ten, 1, "::10.1.2.3"));
    assert_false(is_in(&ten, 1, "a00::"));
    assert_true(is_in(&all_ipv4, 1, "::ffff:1.2.3.4"));
    assert_false(is_in(&all_ipv4, 1, "::1"));
    assert_true(is_in(&all_ipv6, 1, "::1"));
    assert_false(is_in(&all_ipv6, 1, "1.2.3.4"));
    assert_false(is_in(&all_ipv6, 1, "::ffff:1.2.3.4"));
    /* bytes after the four bytes of an IPv4 address are ignored */
    const uint8_t zero[16] = {[10] = 0xff, [11] = 0xff, [12] = 10};
    assert_false(cidr_contains(&ten, 1, zero, false));
    assert_true(cidr_contains(&ten, 1, zero, true));
}

static void a_list_contains_the_addresses_of_all_its_ranges(void **state)
{
    (void)state;
    struct cidr list[] = {range_of("10.0.0.0/8"), range_of("2001:db8::/32"), range_of("192.0.2.1")};
    assert_true(is_in(list, 3, "10.1.1.1"));
    assert_true(is_in(list, 3, "2001:db8::1"));
    assert_true(is_in(list, 3, "192.0.2.1"));
    assert_false(is_in(list, 2, "192.0.2.1"));
    assert_false(is_in(list, 3, "192.0.2.2"));
    assert_false(is_in(NULL, 0, "10.1.1.1"));
}

/* Compare with a reference that checks bit by bit. */
static void addresses_match_if_the_leading_bits_are_equal(void **state)
{
    (void)state;
    uint32_t seed = 3;
    unsigned inside = 0;
    for (int round = 0; round < 50000; round++) {
        bool is_ipv6 = round & 1;
        size_t max = is_ipv6 ? 128 : 32, bits = (size_t)round / 2 % (max + 1), same = 0;
        uint8_t ip[16] = {0};
        struct cidr range = {.is_ipv6 = is_ipv6, .bits = (uint8_t)bits};
        for (size_t i = 0; i < max / 8; i++) {
            seed = seed * 1103515245u + 12345u;
            ip[i] = (uint8_t)(seed >> 16) | 1; /* never ::ffff:0:0/96 */
            range.ip[i] = ip[i];
        }
        size_t flipped = (seed >> 8) % max;
        range.ip[flipped / 8] ^= (uint8_t)(0x80 >> flipped % 8);
        while (same < max && !((ip[same / 8] ^ range.ip[same / 8]) & 0x80 >> same % 8))
            same++;
        for (size_t bit = bits; bit < 128; bit++)
            range.ip[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
        assert_int_equal(cidr_contains(&range, 1, ip, is_ipv6), same >= bits);
        inside += same >= bits;
    }
    assert_in_range(inside, 10000, 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_and_single_addresses_are_parsed),
        cmocka_unit_test(invalid_strings_are_rejected_and_do_not_change_the_result),
        cmocka_unit_test(host_bits_are_rejected_and_detected),
        cmocka_unit_test(a_range_contains_its_first_and_last_address_but_no_neighbors),
        cmocka_unit_test(only_mapped_ipv6_counts_as_ipv4),
        cmocka_unit_test(a_list_contains_the_addresses_of_all_its_ranges),
        cmocka_unit_test(addresses_match_if_the_leading_bits_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
