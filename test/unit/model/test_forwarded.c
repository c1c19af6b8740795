/*
 * test_forwarded.c - which entry of the client address headers is used as the device's address.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/forwarded.h"
#include "unit.h"

static struct cidr trusted[2];

/*
 * Return the entry picked from the list, as text; "" if none. The list is copied into an allocation
 * of its size.
 */
static const char *pick(const char *list, size_t n, char text[80])
{
    struct proxy_endpoint out, before;
    uint8_t *exact = malloc(n > 0 ? n : 1); /* ASan detects a read past it */
    assert_non_null(exact);
    memcpy(exact, list, n);
    memset(&out, 0x5a, sizeof(out));
    memcpy(&before, &out, sizeof(out));
    bool picked = forwarded_pick(span_of(exact, n), trusted, ARRAY_LEN(trusted), &out);
    free(exact);
    text[0] = '\0';
    if (!picked) {
        assert_memory_equal(&out, &before, sizeof(out));
        return text;
    }
    char ip[INET6_ADDRSTRLEN];
    assert_non_null(inet_ntop(out.is_ipv6 ? AF_INET6 : AF_INET, out.ip, ip, sizeof(ip)));
    (void)snprintf(text, 80, "%s %u", ip, ntohs(out.port_be));
    return text;
}

static void assert_picks(const char *list, const char *expected)
{
    char text[80];
    print_message("\"%s\"\n", list);
    assert_string_equal(pick(list, strlen(list), text), expected);
}

static void entries_are_parsed_in_all_forms_that_proxies_write(void **state)
{
    (void)state;
    assert_picks("192.0.2.1", "192.0.2.1 0");
    assert_picks("192.0.2.1:4711", "192.0.2.1 4711");
    assert_picks("192.0.2.1:0", "192.0.2.1 0");
    assert_picks("192.0.2.1:65535", "192.0.2.1 65535");
    assert_picks("2001:db8::1", "2001:db8::1 0");
    assert_picks("[2001:db8::1]", "2001:db8::1 0");
    assert_picks("[2001:DB8:0::1]:4711", "2001:db8::1 4711");
    assert_picks("::", ":: 0");
    assert_picks("::ffff:192.0.2.1", "::ffff:192.0.2.1 0");
    assert_picks(" \t192.0.2.1\t ", "192.0.2.1 0");
    assert_picks(" [2001:db8::1]:1 ", "2001:db8::1 1");
    assert_picks("1111:2222:3333:4444:5555:6666:192.168.100.100",
                 "1111:2222:3333:4444:5555:6666:c0a8:6464 0");
}

static void the_rightmost_untrusted_entry_is_the_device(void **state)
{
    (void)state;
    assert_picks("192.0.2.1, 10.0.0.2, 10.0.0.1", "192.0.2.1 0");
    assert_picks("192.0.2.1,10.0.0.2,10.0.0.1", "192.0.2.1 0");
    assert_picks("192.0.2.1:99, 10.0.0.2:80, [2001:db8::2]:80", "192.0.2.1 99");
    assert_picks("192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1 0");
    assert_picks("2001:db9::1, 2001:db8::1", "2001:db9::1 0");
}

static void entries_written_by_the_device_are_ignored(void **state)
{
    (void)state;
    assert_picks("1.1.1.1, 192.0.2.1", "192.0.2.1 0");
    assert_picks("1.1.1.1, 192.0.2.1, 10.0.0.1", "192.0.2.1 0");
    assert_picks("10.0.0.9, 192.0.2.1", "192.0.2.1 0");
    assert_picks("unknown, <script>, 192.0.2.1, 10.0.0.1", "192.0.2.1 0");
    assert_picks("1.1.1.1 192.0.2.1, 192.0.2.2", "192.0.2.2 0");
}

static void if_all_entries_are_trusted_the_leftmost_is_the_device(void **state)
{
    (void)state;
    assert_picks("10.0.0.3", "10.0.0.3 0");
    assert_picks("10.0.0.3:5, 10.0.0.2, 10.0.0.1", "10.0.0.3 5");
    assert_picks(", 10.0.0.3, ,10.0.0.2,", "10.0.0.3 0");
}

static void empty_entries_are_ignored(void **state)
{
    (void)state;
    assert_picks("192.0.2.1,", "192.0.2.1 0");
    assert_picks("192.0.2.1, ,\t, 10.0.0.1 ,,", "192.0.2.1 0");
    assert_picks("", "");
    assert_picks(" ", "");
    assert_picks(",", "");
    assert_picks(" , ,\t", "");
}

static void an_invalid_entry_means_no_result(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "unknown",
        "_hidden",
        "192.0.2",
        "192.0.2.1.1",
        "192.0.2.256",
        "192.0.02.1",
        "0xc0000201",
        "192.0.2.1:",
        "192.0.2.1:x",
        "192.0.2.1:-1",
        "192.0.2.1:080",
        "192.0.2.1:65536",
        "192.0.2.1:100000",
        "192.0.2.1:4294967376",
        "192.0.2.1:8.",
        "192.0.2.1 :80",
        "192.0.2.1/32",
        "[192.0.2.1]",
        "[192.0.2.1]:80",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]80",
        "[2001:db8::1]:",
        "[2001:db8::1]:80x",
        "[2001:db8::1]]",
        "[]",
        "[",
        "]",
        ":",
        ":80",
        ":::",
        "fe80::1%eth0",
        "[fe80::1%eth0]",
        "\"192.0.2.1\"",
        "for=192.0.2.1",
        "1111:2222:3333:4444:5555:6666:192.168.100.1000",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        char list[200];
        assert_picks(entries[i], "");
        (void)snprintf(list, sizeof(list), "1.1.1.1, %s", entries[i]);
        assert_picks(list, "");
        (void)snprintf(list, sizeof(list), "1.1.1.1, %s, 10.0.0.1", entries[i]);
        assert_picks(list, "");
    }
}

static void other_bytes_make_an_address_invalid(void **state)
{
    (void)state;
    char text[80];
    assert_string_equal(pick("192.0.2.1\0", 10, text), "");
    assert_string_equal(pick("\0", 1, text), "");
    assert_string_equal(pick("192.0.2.1\0, 10.0.0.1", 20, text), "");
    for (int c = 0; c < 256; c++) {
        char list[] = "192.0.2.1?";
        list[9] = (char)c;
        bool is_blank_or_end = c == ' ' || c == '\t' || c == ',';
        bool is_digit = c >= '0' && c <= '9';
        assert_int_equal(pick(list, 10, text)[0] != '\0', is_blank_or_end || is_digit);
    }
}

static void without_trusted_proxies_the_last_entry_is_the_device(void **state)
{
    (void)state;
    struct proxy_endpoint out;
    assert_true(forwarded_pick(span_of_str("192.0.2.1, 10.0.0.1"), NULL, 0, &out));
    assert_memory_equal(out.ip, "\x0a\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_false(forwarded_pick(span_of(NULL, 0), NULL, 0, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_parsed_in_all_forms_that_proxies_write),
        cmocka_unit_test(the_rightmost_untrusted_entry_is_the_device),
        cmocka_unit_test(entries_written_by_the_device_are_ignored),
        cmocka_unit_test(if_all_entries_are_trusted_the_leftmost_is_the_device),
        cmocka_unit_test(empty_entries_are_ignored),
        cmocka_unit_test(an_invalid_entry_means_no_result),
        cmocka_unit_test(other_bytes_make_an_address_invalid),
        cmocka_unit_test(without_trusted_proxies_the_last_entry_is_the_device),
    };
    if (!cidr_parse("10.0.0.0/8", &trusted[0]) || !cidr_parse("2001:db8::/32", &trusted[1]))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
