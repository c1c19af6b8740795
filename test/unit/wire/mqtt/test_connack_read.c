/*
 * test_connack_read.c - reading a node's CONNACK.
 *
 * The 5.0 packets are made by hand from MQTT 5.0 section 3.2 (figures 3-6 to 3-9).
 */
#include "guard_page.h"
#include "hex.h"
#include "unit.h"
#include "wire/mqtt/connack.h"

struct expectation {
    const char *hex;
    uint8_t version;
    enum parse_result result;
    struct mqtt_connack connack;
};

static const struct expectation whole[] = {
    {"20020000", 4, PARSE_DONE, {0}},
    {"20020100", 4, PARSE_DONE, {.session_present = true}},
    {"20020005", 3, PARSE_DONE, {.code = 5}},
    {"2003000000", 5, PARSE_DONE, {0}},
    {"2003008800", 5, PARSE_DONE, {.code = 0x88}},
    /* server keep alive 300 */
    {"20060100031301 2c",
     5,
     PARSE_DONE,
     {.session_present = true, .has_server_keep_alive = true, .server_keep_alive_s = 300}},
    /* topic alias maximum, user property, server keep alive 0, reason string */
    {"2017 0000 14 22000a 26000161 000162 130000 1f0002 6f6b 2a01",
     5,
     PARSE_DONE,
     {.has_server_keep_alive = true}},
    /* bytes after the packet are not part of it */
    {"20020000d000", 4, PARSE_DONE, {0}},
};

static const struct expectation not_connack[] = {
    {"d000", 4, PARSE_BAD, {0}},              /* PINGRESP */
    {"f0021800", 5, PARSE_BAD, {0}},          /* AUTH */
    {"21020000", 4, PARSE_BAD, {0}},          /* reserved flags */
    {"2003000000", 4, PARSE_BAD, {0}},        /* one byte too many for 3.1.1 */
    {"20020000", 5, PARSE_BAD, {0}},          /* no property length */
    {"20020200", 4, PARSE_BAD, {0}},          /* reserved acknowledge flag */
    {"20ffffffff7f", 5, PARSE_BAD, {0}},      /* length of five bytes */
    {"2004000001 13", 5, PARSE_BAD, {0}},     /* property list of one byte */
    {"2005000002 1301", 5, PARSE_BAD, {0}},   /* value cut by the list */
    {"2005000003 130001", 5, PARSE_BAD, {0}}, /* list longer than the packet */
    {"2006000002 130001", 5, PARSE_BAD, {0}}, /* list shorter than the packet */
    {"2006000003 7f0001", 5, PARSE_BAD, {0}}, /* no such property */
};

/* The result for the first n bytes of a packet that ends at a guard page. */
static enum parse_result read_first(const struct guard_page *guard, const uint8_t *bytes, size_t n,
                                    const struct expectation *e, struct mqtt_connack *out)
{
    return mqtt_connack_read(span_of(guard_page_put(guard, bytes, n), n), e->version, out);
}

static void connack_returns_code_session_and_keep_alive(void **state)
{
    struct guard_page guard = guard_page_new(64);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        const struct expectation *e = &whole[i];
        uint8_t bytes[64];
        struct mqtt_connack got = {.code = 0xee};
        size_t n = hex_decode(e->hex, bytes, sizeof(bytes));
        assert_int_equal(read_first(&guard, bytes, n, e, &got), PARSE_DONE);
        assert_int_equal(got.code, e->connack.code);
        assert_int_equal(got.session_present, e->connack.session_present);
        assert_int_equal(got.has_server_keep_alive, e->connack.has_server_keep_alive);
        assert_int_equal(got.server_keep_alive_s, e->connack.server_keep_alive_s);
    }
    guard_page_free(&guard);
}

static void incomplete_connack_returns_more(void **state)
{
    struct guard_page guard = guard_page_new(64);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        uint8_t bytes[64];
        struct mqtt_connack got = {.code = 0xee};
        hex_decode(whole[i].hex, bytes, sizeof(bytes));
        size_t packet = 2u + bytes[1];
        for (size_t n = 0; n < packet; n++)
            assert_int_equal(read_first(&guard, bytes, n, &whole[i], &got), PARSE_MORE);
        assert_int_equal(got.code, 0xee); /* untouched */
    }
    guard_page_free(&guard);
}

static void invalid_connack_is_rejected(void **state)
{
    struct guard_page guard = guard_page_new(64);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(not_connack); i++) {
        uint8_t bytes[64];
        struct mqtt_connack got = {.code = 0xee};
        size_t n = hex_decode(not_connack[i].hex, bytes, sizeof(bytes));
        if (read_first(&guard, bytes, n, &not_connack[i], &got) != PARSE_BAD)
            fail_msg("%s is not refused", not_connack[i].hex);
        assert_int_equal(got.code, 0xee);
    }
    guard_page_free(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connack_returns_code_session_and_keep_alive),
        cmocka_unit_test(incomplete_connack_returns_more),
        cmocka_unit_test(invalid_connack_is_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
