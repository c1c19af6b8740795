/*
 * test_first_bytes.c - identify the protocol of a client by its first bytes.
 */
#include <string.h>

#include "base/util.h"
#include "guard_page.h"
#include "hex.h"
#include "unit.h"
#include "wire/first_bytes.h"

static struct guard_page guard;

static enum first_protocol protocol_of(const void *p, size_t n)
{
    return first_bytes_protocol(span_of(guard_page_put(&guard, p, n), n));
}

static void protocols_are_identified_by_their_first_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        enum first_protocol protocol;
        size_t enough; /* bytes after which this is the result */
    } rows[] = {
        {"100d 0004 4d515454 04 02003c 0001 61", FIRST_MQTT, 1},
        {"1f0f 0006 4d5149736470 03 02003c 0001 61", FIRST_MQTT, 1},
        {"160f 0006 4d5149736470 03 02003c 0001 61", FIRST_MQTT, 2}, /* flags 6: no TLS */
        {"100d 0004 4d515454 09 02003c 0001 61", FIRST_MQTT, 1},     /* unknown protocol level */
        {"108f00 0004 4d515454 04", FIRST_MQTT, 1},
        {"1603010200 010001fc 0303", FIRST_TLS, 1},
        {"1603030200 010001fc 0303", FIRST_TLS, 1},
        {"474554202f20485454502f312e310d0a", FIRST_HTTP, 3},         /* GET / HTTP/1.1 */
        {"4f5054494f4e53202f20485454502f312e300d0a", FIRST_HTTP, 3}, /* OPTIONS / HTTP/1.0 */
        {"505249202a20485454502f322e300d0a", FIRST_HTTP, 3},         /* PRI * HTTP/2.0 */
        {"50524f585920544350342031", FIRST_PROXY, 3},                /* PROXY TCP4 1 */
        {"0d0a0d0a000d0a515549540a 2111000c", FIRST_PROXY, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[64];
        const size_t n = hex_decode(rows[i].hex, bytes, sizeof(bytes));
        for (size_t have = rows[i].enough; have <= n; have++)
            if (protocol_of(bytes, have) != rows[i].protocol)
                fail_msg("%s, %zu bytes: %d", rows[i].hex, have, protocol_of(bytes, have));
    }
}

static void other_bytes_are_unknown(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "00",         "ff",        "20020000",           "c000",    "15030100", "80640103",
        "1000",       "1103 0100", "100d 0005 4d515454", "4745",    "47455a",   "67657420",
        "50524f585a", "0d0a",      "0d0a0d0a0d",         "16040100"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[64];
        const size_t n = hex_decode(rows[i], bytes, sizeof(bytes));
        if (protocol_of(bytes, n) != FIRST_UNKNOWN)
            fail_msg("%s: %d", rows[i], protocol_of(bytes, n));
    }
    assert_int_equal(protocol_of("", 0), FIRST_NOTHING);
}

static void only_known_protocols_have_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < FIRST_COUNT; i++) {
        const char *word = first_protocol_name((enum first_protocol)i);
        assert_int_equal(word != NULL, i > FIRST_UNKNOWN);
    }
    assert_string_equal(first_protocol_name(FIRST_TLS), "TLS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protocols_are_identified_by_their_first_bytes),
        cmocka_unit_test(other_bytes_are_unknown),
        cmocka_unit_test(only_known_protocols_have_a_name),
    };
    guard = guard_page_new(64);
    int failed = cmocka_run_group_tests_name("first_bytes", tests, NULL, NULL);
    guard_page_free(&guard);
    return failed;
}
