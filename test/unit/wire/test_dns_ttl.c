/*
 * test_dns_ttl.c - the lowest TTL of answers from dnsmasq 2.90, complete, cut at every point, and
 * corrupted.
 */
#include "unit.h"

#include <string.h>

#include "base/util.h"
#include "guard_page.h"
#include "hex.h"
#include "wire/dns_ttl.h"

#define HEADER(flags, answers) "1234" flags "0001" answers "00000000"

/*
 * Captured, except the last ones, which are made by hand. The expected result is the first field.
 */
static const struct {
    bool good;
    uint32_t ttl_s;
    const char *what, *hex;
} rows[] = {
    {true, 300, "two SRV records",
     "123485800001000200000000055f6d717474045f74637004746573740000210001c00c002100010000012c00"
     "1300140000075c06656d71782d31047465737400c00c002100010000012c0013000a0005075b06656d71782d"
     "30047465737400"},
    {true, 45, "an alias for less time than its address",
     "12348580000100020000000005616c69617304746573740000010001c00c000500010000002d000b04656d71"
     "78047465737400c028000100010000003c00040a000007"},
    {true, 60, "an IPv6 address",
     "12348580000100010000000004656d7178047465737400001c0001c00c001c00010000003c001020010db800"
     "0000000000000000000007"},
    {true, 90, "two addresses",
     "1234858000010002000000000374776f04746573740000010001c00c000100010000005a00040a000008c00c"
     "000100010000005a00040a000009"},
    {false, 0, "no such name", "123481830001000000000000046e6f6e6504746573740000010001"},
    {true, 0, "TTL 0", HEADER("8580", "0001") "0161000001 0001 c00c 0001 0001 00000000 0000"},
    {true, 0x7fffffff, "the longest TTL there is",
     HEADER("8580", "0001") "0161000001 0001 c00c 0001 0001 7fffffff 0000"},
    {true, 0, "a TTL with its highest bit set",
     HEADER("8580", "0001") "0161000001 0001 c00c 0001 0001 80000001 0000"},
    {true, 7, "no question", "1234858000000001000000000161000001000100000007 0000"},
    {true, 7, "a pointer to itself is never followed",
     "123485800000000100000000c00c0001000100000007 0000"},
    {false, 0, "a label of the reserved kind 01, however well it goes on",
     "123485800000000100000000 40"
     "6161616161616161616161616161616161616161616161616161616161616161"
     "6161616161616161616161616161616161616161616161616161616161616161"
     "00 0001000100000007 0000"},
    {false, 0, "a label of the reserved kind 10 in the question",
     HEADER("8580", "0001") "80"
                            "6161616161616161616161616161616161616161616161616161616161616161"
                            "6161616161616161616161616161616161616161616161616161616161616161"
                            "6161616161616161616161616161616161616161616161616161616161616161"
                            "6161616161616161616161616161616161616161616161616161616161616161"
                            "00 0001 0001 c00c 0001 0001 00000007 0000"},
    {false, 0, "data longer than the message",
     HEADER("8580", "0001") "0161000001 0001 c00c 0001 0001 00000007 0001"},
    {false, 0, "more answers told than there are",
     HEADER("8580", "0002") "0161000001 0001 c00c 0001 0001 00000007 0000"},
    {false, 0, "65535 answers told", HEADER("8580", "ffff") "0161000001 0001"},
    {false, 0, "nothing at all", ""},
};

static bool lowest(const struct guard_page *page, const uint8_t *p, size_t n, uint32_t *ttl_s)
{
    return dns_lowest_ttl(span_of(guard_page_put(page, p, n), n), ttl_s);
}

static void lowest_ttl_of_the_answer_section_is_returned(void **state)
{
    (void)state;
    struct guard_page page = guard_page_new(512);
    uint8_t message[512];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = hex_decode(rows[i].hex, message, sizeof(message));
        uint32_t ttl_s = 12345;
        print_message("%s\n", rows[i].what);
        assert_int_equal(lowest(&page, message, n, &ttl_s), rows[i].good);
        assert_int_equal(ttl_s, rows[i].good ? rows[i].ttl_s : 12345);
    }
    guard_page_free(&page);
}

/* No row has bytes after its answers, so every cut is an error. */
static void truncated_message_is_rejected(void **state)
{
    (void)state;
    struct guard_page page = guard_page_new(512);
    uint8_t message[512];
    uint32_t ttl_s;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = hex_decode(rows[i].hex, message, sizeof(message));
        for (size_t cut = 0; cut < n; cut++)
            assert_false(lowest(&page, message, cut, &ttl_s));
    }
    guard_page_free(&page);
}

static void bytes_after_the_answers_are_ignored(void **state)
{
    (void)state;
    struct guard_page page = guard_page_new(512);
    uint8_t message[512];
    size_t n = hex_decode(rows[0].hex, message, sizeof(message));
    uint32_t ttl_s = 0;
    memset(&message[n], 0xff, 20);
    assert_true(lowest(&page, message, n + 20, &ttl_s));
    assert_int_equal(ttl_s, 300);
    guard_page_free(&page);
}

static void any_corrupted_byte_is_handled_safely(void **state)
{
    (void)state;
    struct guard_page page = guard_page_new(512);
    uint8_t message[512];
    uint32_t ttl_s;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = hex_decode(rows[i].hex, message, sizeof(message));
        for (size_t at = 0; at < n; at++)
            for (unsigned value = 0; value < 256; value++) {
                uint8_t right = message[at];
                message[at] = (uint8_t)value;
                if (lowest(&page, message, n, &ttl_s))
                    assert_true(ttl_s <= 0x7fffffff);
                message[at] = right;
            }
    }
    guard_page_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_ttl_of_the_answer_section_is_returned),
        cmocka_unit_test(truncated_message_is_rejected),
        cmocka_unit_test(bytes_after_the_answers_are_ignored),
        cmocka_unit_test(any_corrupted_byte_is_handled_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
