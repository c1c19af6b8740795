/*
 * test_connect.c - the CONNECT reader beyond the vectors: which rule is violated and on which
 * byte, the fields of a valid packet, limits, and linear run time.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard_page.h"
#include "hex.h"
#include "unit.h"
#include "wire/mqtt/connect.h"

static struct guard_page guard;

/* Pass a packet in hexadecimal byte by byte until the reader returns DONE or BAD. */
static enum parse_result read_hex(const char *hex, bool lenient, struct mqtt_connect *c,
                                  size_t *decided_at)
{
    static uint8_t bytes[4096];
    size_t whole = hex_decode(hex, bytes, sizeof(bytes)), n = 0;
    enum parse_result result;

    mqtt_connect_init(c, lenient, MQTT_CONNECT_MAX_BYTES_DEFAULT);
    do {
        result = mqtt_connect_read(c, guard_page_put(&guard, bytes, n), n);
        *decided_at = n;
    } while (result == PARSE_MORE && ++n <= whole);
    return result;
}

/* The start of a CONNECT up to and including the keep alive. */
#define V31(length, flags)  "10" length "0006 4d5149736470 03" flags "003c "
#define V311(length, flags) "10" length "0004 4d515454 04" flags "003c "
#define V5(length, flags)   "10" length "0004 4d515454 05" flags "003c "

/*
 * One row per way to cause a fault: the packet, the fault, the number of bytes needed to detect
 * it, and the result in lenient mode.
 */
static const struct {
    const char *hex;
    enum mqtt_fault fault;
    size_t bad_at;
    enum parse_result lenient;
} faulty[] = {
    {"20", MQTT_FAULT_NOT_CONNECT, 1, PARSE_BAD},
    {"00", MQTT_FAULT_NOT_CONNECT, 1, PARSE_BAD},
    {"11 0d", MQTT_FAULT_FIXED_HEADER_FLAGS, 2, PARSE_BAD},
    {"11 0b", MQTT_FAULT_FIELD_OVERRUN, 2, PARSE_BAD},
    {"1f 7f 0004", MQTT_FAULT_FIXED_HEADER_FLAGS, 4, PARSE_BAD},
    {"18 ffffff7f 0004", MQTT_FAULT_FIXED_HEADER_FLAGS, 7, PARSE_BAD},
    {"14 7f 0005", MQTT_FAULT_PROTOCOL_NAME, 4, PARSE_BAD},
    {"12 7f 0006 4d51495344", MQTT_FAULT_PROTOCOL_NAME, 8, PARSE_BAD},
    {"12 0e 0006 4d5149736470 04", MQTT_FAULT_PROTOCOL_LEVEL, 11, PARSE_BAD},
    {"1f 0e 0006 4d5149736470 83 0200", MQTT_FAULT_NONE, 0, PARSE_MORE},
    {"10 80808080", MQTT_FAULT_LENGTH_MALFORMED, 5, PARSE_BAD},
    {"10 00", MQTT_FAULT_FIELD_OVERRUN, 2, PARSE_BAD},
    {"10 0b", MQTT_FAULT_FIELD_OVERRUN, 2, PARSE_BAD},
    {"10 0d 0006", MQTT_FAULT_FIELD_OVERRUN, 4, PARSE_BAD},
    {"10 0c 0004 4d515454 05", MQTT_FAULT_FIELD_OVERRUN, 9, PARSE_BAD},
    {"10 0c 01", MQTT_FAULT_PROTOCOL_NAME, 3, PARSE_BAD},
    {"10 0c 0005", MQTT_FAULT_PROTOCOL_NAME, 4, PARSE_BAD},
    {"10 0c 0004 4d5171", MQTT_FAULT_PROTOCOL_NAME, 7, PARSE_BAD},
    {"10 0e 0006 4d51495344", MQTT_FAULT_PROTOCOL_NAME, 8, PARSE_BAD},
    {"10 0c 0004 4d515454 03", MQTT_FAULT_PROTOCOL_LEVEL, 9, PARSE_BAD},
    {"10 0c 0004 4d515454 85", MQTT_FAULT_PROTOCOL_LEVEL, 9, PARSE_BAD},
    {"10 0e 0006 4d5149736470 04", MQTT_FAULT_PROTOCOL_LEVEL, 11, PARSE_BAD},
    {"10 818004 0004 4d515454 05", MQTT_FAULT_TOO_LARGE, 11, PARSE_BAD},
    {"10 ffffff7f 0006 4d5149736470 03", MQTT_FAULT_TOO_LARGE, 14, PARSE_BAD},
    {"10 8d00 0004 4d515454 05 02003c 00 0000", MQTT_FAULT_LENGTH_NOT_MINIMAL, 10, PARSE_DONE},
    {V5("0e", "02") "8000 0000", MQTT_FAULT_LENGTH_NOT_MINIMAL, 14, PARSE_DONE},
    {V5("0e", "02") "8080", MQTT_FAULT_FIELD_OVERRUN, 14, PARSE_BAD},
    {V5("7f", "02") "80808080", MQTT_FAULT_LENGTH_MALFORMED, 16, PARSE_BAD},
    {V5("7f", "02") "73", MQTT_FAULT_FIELD_OVERRUN, 13, PARSE_BAD},
    {V311("0c", "03") "0000", MQTT_FAULT_RESERVED_FLAG, 10, PARSE_DONE},
    {V5("0d", "03") "00 0000", MQTT_FAULT_RESERVED_FLAG, 10, PARSE_DONE},
    {V311("10", "1e") "0000 0000 0000", MQTT_FAULT_WILL_QOS, 10, PARSE_DONE},
    {V31("10", "1e") "0000 0000 0000", MQTT_FAULT_WILL_QOS, 12, PARSE_BAD},
    {V311("0c", "0a") "0000", MQTT_FAULT_WILL_FLAGS, 10, PARSE_DONE},
    {V311("0c", "1a") "0000", MQTT_FAULT_WILL_FLAGS, 10, PARSE_DONE},
    {V5("0d", "22") "00 0000", MQTT_FAULT_WILL_FLAGS, 10, PARSE_DONE},
    {V311("0f", "42") "0000 0001 70", MQTT_FAULT_PASSWORD_WITHOUT_USERNAME, 10, PARSE_DONE},
    {V31("11", "42") "0000 0001 70", MQTT_FAULT_PASSWORD_WITHOUT_USERNAME, 12, PARSE_DONE},
    {V311("0f", "c2") "", MQTT_FAULT_FIELD_OVERRUN, 10, PARSE_BAD},
    {V5("11", "06") "", MQTT_FAULT_FIELD_OVERRUN, 10, PARSE_BAD},
    {V5("12", "06") "00 0000 00 0000", MQTT_FAULT_NONE, 0, PARSE_MORE},
    {V311("11", "c2") "00", MQTT_FAULT_NONE, 0, PARSE_MORE},
    {V311("11", "c2") "0002", MQTT_FAULT_FIELD_OVERRUN, 14, PARSE_BAD},
    {V311("11", "c2") "01", MQTT_FAULT_FIELD_OVERRUN, 13, PARSE_BAD},
    {V31("10", "82") "0001 61", MQTT_FAULT_FIELD_OVERRUN, 17, PARSE_BAD},
    {V311("0d", "02") "0000", MQTT_FAULT_NONE, 0, PARSE_MORE},
    {V311("0d", "02") "0000 00", MQTT_FAULT_TRAILING_BYTES, 15, PARSE_BAD},
    {V31("10", "02") "0001 61 00", MQTT_FAULT_TRAILING_BYTES, 18, PARSE_BAD},
    {V5("0e", "02") "01", MQTT_FAULT_PROPERTY_OVERRUN, 13, PARSE_BAD},
    {V5("11", "02") "04 17 00", MQTT_FAULT_NONE, 0, PARSE_MORE},
    {V5("10", "02") "03 17", MQTT_FAULT_PROPERTY_OVERRUN, 14, PARSE_BAD},
    {V5("10", "02") "03 11", MQTT_FAULT_PROPERTY_OVERRUN, 14, PARSE_BAD},
    {V5("12", "02") "05 15 0003", MQTT_FAULT_PROPERTY_OVERRUN, 16, PARSE_BAD},
    {V5("12", "02") "05 15 01", MQTT_FAULT_PROPERTY_OVERRUN, 15, PARSE_BAD},
    {V5("12", "02") "05 15 0001", MQTT_FAULT_PROPERTY_OVERRUN, 16, PARSE_BAD},
    {V5("13", "02") "06 26 0002", MQTT_FAULT_PROPERTY_OVERRUN, 16, PARSE_BAD},
    {V5("13", "02") "06 26 0001 61 0001", MQTT_FAULT_PROPERTY_OVERRUN, 19, PARSE_BAD},
    {V5("10", "02") "03 0b 8080", MQTT_FAULT_PROPERTY_NOT_ALLOWED, 14, PARSE_BAD},
    {V5("12", "02") "05 0b 80808080", MQTT_FAULT_PROPERTY_NOT_ALLOWED, 14, PARSE_BAD},
    {V5("12", "02") "05 0b 80808001 0000", MQTT_FAULT_PROPERTY_NOT_ALLOWED, 14, PARSE_DONE},
    {V5("10", "02") "03 04", MQTT_FAULT_PROPERTY_UNKNOWN, 14, PARSE_BAD},
    {V5("10", "02") "03 91", MQTT_FAULT_PROPERTY_UNKNOWN, 14, PARSE_BAD},
    {V5("10", "02") "03 7f", MQTT_FAULT_PROPERTY_UNKNOWN, 14, PARSE_BAD},
    {V5("0f", "02") "02 01 00 0000", MQTT_FAULT_PROPERTY_NOT_ALLOWED, 14, PARSE_DONE},
    {V5("10", "02") "03 13 0001 0000", MQTT_FAULT_PROPERTY_NOT_ALLOWED, 14, PARSE_DONE},
    {V5("17", "06") "00 0000 05 11 00000001 0000 0000", MQTT_FAULT_PROPERTY_NOT_ALLOWED, 17,
     PARSE_DONE},
    {V5("11", "02") "04 17 01 17 01 0000", MQTT_FAULT_PROPERTY_DUPLICATE, 16, PARSE_DONE},
    {V5("16", "06") "00 0000 04 01 01 01 00 0000 0000", MQTT_FAULT_PROPERTY_DUPLICATE, 19,
     PARSE_DONE},
    {V5("0f", "02") "02 17 02 0000", MQTT_FAULT_PROPERTY_VALUE, 15, PARSE_DONE},
    {V5("0f", "02") "02 19 ff 0000", MQTT_FAULT_PROPERTY_VALUE, 15, PARSE_DONE},
    {V5("10", "02") "03 21 0000 0000", MQTT_FAULT_PROPERTY_VALUE, 16, PARSE_DONE},
    {V5("12", "02") "05 27 00000000 0000", MQTT_FAULT_PROPERTY_VALUE, 18, PARSE_DONE},
    {V5("14", "06") "00 0000 02 01 02 0000 0000", MQTT_FAULT_PAYLOAD_FORMAT, 18, PARSE_DONE},
    {V5("11", "02") "04 15 0001 ff 0000", MQTT_FAULT_PROPERTY_UTF8, 17, PARSE_DONE},
    {V5("15", "02") "08 26 0001 61 0002 6100 0000", MQTT_FAULT_PROPERTY_UTF8, 21, PARSE_DONE},
    {V5("11", "02") "04 16 0001 ff 0000", MQTT_FAULT_AUTH_DATA_WITHOUT_METHOD, 16, PARSE_DONE},
    {V5("13", "02") "06 16 0001 ff 17 00 0000", MQTT_FAULT_AUTH_DATA_WITHOUT_METHOD, 16,
     PARSE_DONE},
    {V5("17", "02") "0a 16 0001 ff 11 00000000 17", MQTT_FAULT_PROPERTY_OVERRUN, 18, PARSE_BAD},
    {V5("18", "02") "0b 16 0001 ff 11 00000000 17 00 0000", MQTT_FAULT_AUTH_DATA_WITHOUT_METHOD, 18,
     PARSE_DONE},
    {V311("0e", "02") "0002 61ff", MQTT_FAULT_CLIENT_ID_UTF8, 16, PARSE_DONE},
    {V311("0e", "02") "0002 61c3", MQTT_FAULT_CLIENT_ID_UTF8, 16, PARSE_DONE},
    {V31("10", "02") "0002 0061", MQTT_FAULT_CLIENT_ID_UTF8, 17, PARSE_DONE},
    {V31("10", "02") "0002 0000", MQTT_FAULT_CLIENT_ID_UTF8, 17, PARSE_DONE},
    {V311("0c", "00") "0000", MQTT_FAULT_CLIENT_ID_EMPTY, 14, PARSE_DONE},
    {V31("0e", "02") "0000", MQTT_FAULT_CLIENT_ID_EMPTY, 16, PARSE_DONE},
    {V311("11", "06") "0000 0001 ff 0000", MQTT_FAULT_WILL_TOPIC_UTF8, 17, PARSE_DONE},
    {V311("10", "82") "0000 0002 c0af", MQTT_FAULT_USERNAME_UTF8, 17, PARSE_DONE},
};

static void every_fault_is_reported_on_the_earliest_byte(void **state)
{
    uint64_t produced = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faulty); i++) {
        struct mqtt_connect c;
        size_t at;
        enum parse_result result = read_hex(faulty[i].hex, false, &c, &at);
        enum parse_result want = faulty[i].fault == MQTT_FAULT_NONE ? PARSE_MORE : PARSE_BAD;
        if (result != want || c.fault != faulty[i].fault ||
            (want == PARSE_BAD && at != faulty[i].bad_at))
            fail_msg("%s: answer %d, %s at byte %zu", faulty[i].hex, result,
                     mqtt_fault_name(c.fault), at);
        produced |= UINT64_C(1) << c.fault;
    }
    for (int fault = 0; fault < MQTT_FAULT_COUNT; fault++)
        if (!(produced & UINT64_C(1) << fault))
            fail_msg("no packet breaks %s", mqtt_fault_name((enum mqtt_fault)fault));
}

static void fault_is_the_same_for_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faulty); i++) {
        uint8_t bytes[64];
        size_t n = hex_decode(faulty[i].hex, bytes, sizeof(bytes));
        for (size_t cut = 0; cut <= n; cut++) {
            struct mqtt_connect c;
            mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_DEFAULT);
            assert_int_not_equal(mqtt_connect_read(&c, guard_page_put(&guard, bytes, cut), cut),
                                 PARSE_DONE);
            assert_int_not_equal(mqtt_connect_read(&c, guard_page_put(&guard, bytes, n), n),
                                 PARSE_DONE);
            if (c.fault != faulty[i].fault)
                fail_msg("%s cut at %zu: %s", faulty[i].hex, cut, mqtt_fault_name(c.fault));
        }
    }
}

static void first_byte_of_another_packet_type_is_rejected(void **state)
{
    (void)state;
    for (unsigned b = 0; b <= 0xff; b++) {
        const uint8_t first = (uint8_t)b;
        struct mqtt_connect c;
        mqtt_connect_init(&c, true, MQTT_CONNECT_MAX_BYTES_DEFAULT);
        assert_int_equal(mqtt_connect_read(&c, &first, 1), b >> 4 == 1 ? PARSE_MORE : PARSE_BAD);
    }
}

/*
 * Check the result of a CONNECT with these flags in its first byte, and the byte on which it is
 * known.
 */
static void assert_flags_give(const char *packet, unsigned flags, bool lenient,
                              enum parse_result want, size_t want_at)
{
    struct mqtt_connect c;
    char hex[128];
    size_t at;

    snprintf(hex, sizeof(hex), "1%x %s", flags, packet);
    enum parse_result result = read_hex(hex, lenient, &c, &at);
    if (result != want || at != want_at)
        fail_msg("%s: answer %d, %s at byte %zu", hex, result, mqtt_fault_name(c.fault), at);
    if (want == PARSE_BAD)
        assert_int_equal(c.fault, MQTT_FAULT_FIXED_HEADER_FLAGS);
}

/* MQTT V3.1 section 3.1: "The DUP, QoS, and RETAIN flags are not used in the CONNECT message." */
static void fixed_header_flags_are_ignored_in_31_and_rejected_in_later_versions(void **state)
{
    (void)state;
    for (unsigned flags = 1; flags <= 0xf; flags++) {
        for (int lenient = 0; lenient <= 1; lenient++) {
            assert_flags_give("0f 0006 4d5149736470 03 02003c 0001 61", flags, lenient, PARSE_DONE,
                              17);
            assert_flags_give("0f 0006 4d5149736470 83 02003c 0001 61", flags, lenient, PARSE_DONE,
                              17);
            assert_flags_give("8f00 0006 4d5149736470 03 02003c 0001 61", flags, lenient,
                              PARSE_DONE, 18);
            assert_flags_give("0e 0004 4d515454 04 02003c 0002 6162", flags, lenient, PARSE_BAD, 4);
            assert_flags_give("0e 0004 4d515454 84 02003c 0002 6162", flags, lenient, PARSE_BAD, 4);
            assert_flags_give("0e 0004 4d515454 05 02003c 00 0001 61", flags, lenient, PARSE_BAD,
                              4);
            assert_flags_give("0d 0004 4d515454 04 02003c 0001 61", flags, lenient, PARSE_BAD, 2);
        }
    }
}

static void authentication_data_may_precede_its_method(void **state)
{
    struct mqtt_connect c;
    size_t at;

    (void)state;
    assert_int_equal(read_hex(V5("14", "02") "07 16 0001 ff 15 0000 0000", false, &c, &at),
                     PARSE_DONE);
}

static void lenient_mode_rejects_only_framing_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faulty); i++) {
        struct mqtt_connect c;
        size_t at;
        enum parse_result result = read_hex(faulty[i].hex, true, &c, &at);
        if (result != faulty[i].lenient || (result != PARSE_BAD && c.fault != MQTT_FAULT_NONE))
            fail_msg("%s: answer %d, %s at byte %zu", faulty[i].hex, result,
                     mqtt_fault_name(c.fault), at);
        if (result == PARSE_BAD)
            assert_true(mqtt_fault_is_framing(c.fault));
    }
}

static void every_fault_has_a_name_and_a_clause(void **state)
{
    (void)state;
    for (int i = MQTT_FAULT_NONE + 1; i < MQTT_FAULT_COUNT; i++) {
        assert_true(strlen(mqtt_fault_name((enum mqtt_fault)i)) > 0);
        assert_true(strlen(mqtt_fault_clause((enum mqtt_fault)i)) > 0);
    }
    assert_string_equal(mqtt_fault_name(MQTT_FAULT_RESERVED_FLAG), "reserved_flag");
    assert_string_equal(mqtt_fault_clause(MQTT_FAULT_RESERVED_FLAG), "MQTT-3.1.2-3");
}

/* A 5.0 CONNECT with every field: 5.0 sections 3.1.2.11 and 3.1.3. */
static const char everything[] =
    V5("a101", "c6") "2b "                     /* keep alive 60, 43 bytes of properties */
                     "11 00000e10 "            /* session expiry interval 3600 */
                     "21 0014 "                /* receive maximum 20 */
                     "27 00010000 "            /* maximum packet size 65536 */
                     "22 000a 19 01 17 00 "    /* topic alias maximum, the two booleans */
                     "26 0001 61 0001 62 "     /* user property a=b */
                     "26 0001 61 0001 62 "     /* repeated, which is allowed */
                     "15 0001 6d 16 0002 00ff" /* authentication method m, data 00 ff */
                     "0006 6465762d c3a9 "     /* client identifier "dev-é" */
                     "29 "                     /* 41 bytes of will properties */
                     "18 00000005 01 01 02 0000003c "
                     "03 000a 746578742f706c61696e "
                     "08 0001 72 09 0002 ff00 "
                     "26 0001 61 0001 62 "
                     "0003 612f62 "           /* will topic a/b */
                     "0004 00ff00ff "         /* will payload */
                     "0005 616c696365 "       /* user name "alice" */
                     "0008 ff00700000000000"; /* password */

/* The same packet with the correct remaining length filled in. */
static size_t build_everything(uint8_t *out, size_t max)
{
    size_t n = hex_decode(everything, out, max), head = 3;

    assert_in_range(n - head, 128, 16383);
    out[1] = (uint8_t)(0x80 | ((n - head) & 0x7f));
    out[2] = (uint8_t)((n - head) >> 7);
    return n;
}

static void fields_of_a_valid_packet_are_returned(void **state)
{
    struct mqtt_connect c;
    uint8_t bytes[512];
    size_t n = build_everything(bytes, sizeof(bytes));
    const uint8_t *p = guard_page_put(&guard, bytes, n);

    (void)state;
    mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_DEFAULT);
    assert_int_equal(mqtt_connect_read(&c, p, n), PARSE_DONE);
    assert_int_equal(mqtt_connect_read(&c, p, n), PARSE_DONE);
    assert_int_equal(c.packet_n, n);
    assert_int_equal(c.version, 5);
    assert_false(c.bridge);
    assert_true(c.clean_start);
    assert_true(c.has_will);
    assert_true(c.has_username);
    assert_int_equal(c.keep_alive_s, 60);
    assert_int_equal(c.session_expiry_s, 3600);
    assert_int_equal(c.max_packet_size, 65536);
    assert_true(span_equal(mqtt_connect_client_id(&c, p), span_of_str("dev-\xc3\xa9")));
    assert_true(span_equal(mqtt_connect_username(&c, p), span_of_str("alice")));
}

static void incomplete_connect_returns_more(void **state)
{
    uint8_t bytes[512];
    size_t n = build_everything(bytes, sizeof(bytes));

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        struct mqtt_connect c;
        mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_DEFAULT);
        enum parse_result first = mqtt_connect_read(&c, guard_page_put(&guard, bytes, cut), cut);
        assert_int_equal(first, PARSE_MORE);
        assert_int_equal(c.packet_n, cut < 3 ? 0 : n);
        assert_int_equal(mqtt_connect_read(&c, guard_page_put(&guard, bytes, n), n), PARSE_DONE);
    }
}

static void bytes_after_the_packet_are_not_read(void **state)
{
    struct mqtt_connect c;
    size_t at;

    (void)state;
    /* The whole packet in one call, followed by 0xff: reading a length there would fail. */
    uint8_t bytes[64];
    size_t n = hex_decode(V311("0d", "02") "0001 61 ffffffff", bytes, sizeof(bytes));
    mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_DEFAULT);
    assert_int_equal(mqtt_connect_read(&c, guard_page_put(&guard, bytes, n), n), PARSE_DONE);
    assert_int_equal(c.packet_n, 15);
    assert_int_equal(read_hex(V311("0d", "02") "0001 61 ffffffff", false, &c, &at), PARSE_DONE);
    assert_int_equal(at, 15);
}

static void parse_bad_is_final(void **state)
{
    struct mqtt_connect c;
    uint8_t bytes[64];
    size_t at, n = hex_decode(V311("0c", "03") "0000 00", bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(read_hex(V311("0c", "03"), false, &c, &at), PARSE_BAD);
    assert_int_equal(mqtt_connect_read(&c, bytes, n), PARSE_BAD);
    assert_int_equal(c.fault, MQTT_FAULT_RESERVED_FLAG);
}

static void bridge_flag_is_accepted_only_as_mosquitto_sends_it(void **state)
{
    struct mqtt_connect c;
    size_t at;

    (void)state;
    assert_int_equal(read_hex("100d 0004 4d515454 84 02003c 0001 61", false, &c, &at), PARSE_DONE);
    assert_true(c.bridge);
    assert_int_equal(c.version, 4);
    assert_int_equal(c.level, 0x84);
    assert_int_equal(read_hex("100f 0006 4d5149736470 83 02003c 0001 61", false, &c, &at),
                     PARSE_DONE);
    assert_true(c.bridge);
    assert_int_equal(c.version, 3);
    assert_int_equal(read_hex("100d 0004 4d515454 83", false, &c, &at), PARSE_BAD);
    assert_int_equal(read_hex("100f 0006 4d5149736470 84", false, &c, &at), PARSE_BAD);
    assert_false(c.bridge);
}

/* MQTT V3.1 section 3.1: "the User Name flag is set, but the User Name string is missing". */
static void mqtt_31_may_omit_fields_announced_by_its_flags(void **state)
{
    struct mqtt_connect c;
    size_t at;

    (void)state;
    assert_int_equal(read_hex(V31("0f", "c2") "0001 61", false, &c, &at), PARSE_DONE);
    assert_false(c.has_username);
    assert_null(mqtt_connect_username(&c, guard.base).p);
    assert_int_equal(read_hex(V31("12", "c2") "0001 61 0001 75", false, &c, &at), PARSE_DONE);
    assert_true(c.has_username);
    assert_int_equal(c.username_n, 1);
    assert_int_equal(read_hex(V311("0d", "82"), false, &c, &at), PARSE_BAD);
}

static void absent_and_empty_user_names_differ(void **state)
{
    struct mqtt_connect c;
    size_t at;

    (void)state;
    assert_int_equal(read_hex(V311("0e", "82") "0000 0000", false, &c, &at), PARSE_DONE);
    assert_non_null(mqtt_connect_username(&c, guard.base).p);
    assert_int_equal(mqtt_connect_username(&c, guard.base).n, 0);
    assert_non_null(mqtt_connect_client_id(&c, guard.base).p);
    assert_int_equal(read_hex(V311("0c", "02") "0000", false, &c, &at), PARSE_DONE);
    assert_null(mqtt_connect_username(&c, guard.base).p);
}

/* The first value of a repeated property is used, and will properties are ignored. */
static void lenient_mode_uses_the_first_of_repeated_properties(void **state)
{
    struct mqtt_connect c;
    size_t at;

    (void)state;
    assert_int_equal(read_hex(V5("21", "06") "0a 27 00000064 27 00000065 0000"
                                             "05 27 00000066 0000 0000",
                              true, &c, &at),
                     PARSE_DONE);
    assert_int_equal(c.max_packet_size, 100);
}

static void max_bytes_applies_to_the_whole_packet(void **state)
{
    uint8_t bytes[64];
    size_t n = hex_decode(V311("0d", "02") "0001 61", bytes, sizeof(bytes));

    (void)state;
    for (uint32_t max = 1; max < 20; max++) {
        struct mqtt_connect c;
        mqtt_connect_init(&c, false, max);
        enum parse_result result = mqtt_connect_read(&c, bytes, n);
        assert_int_equal(result, max < n ? PARSE_BAD : PARSE_DONE);
        assert_int_equal(c.fault, max < n ? MQTT_FAULT_TOO_LARGE : MQTT_FAULT_NONE);
        assert_int_equal(c.packet_n, max < n ? 0 : n);
    }
}

/*
 * Until the protocol level is known, the reader requires only a few bytes to report "too large",
 * not megabytes.
 */
static void too_large_requires_only_the_head(void **state)
{
    struct mqtt_connect c;
    uint8_t bytes[MQTT_CONNECT_HEAD_MAX];
    size_t n = hex_decode("10 ffffff7f 0006 4d5149736470 03", bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(n, MQTT_CONNECT_HEAD_MAX);
    mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_LIMIT);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(mqtt_connect_read(&c, bytes, i), PARSE_MORE);
        assert_int_equal(c.packet_n, 0);
    }
    assert_int_equal(mqtt_connect_read(&c, bytes, n), PARSE_BAD);
    assert_int_equal(c.fault, MQTT_FAULT_TOO_LARGE);
    assert_int_equal(c.version, 3);
}

/* No property of CONNECT has this type: only lenient mode skips one. */
static void lenient_mode_checks_the_length_of_variable_byte_integers(void **state)
{
    struct mqtt_connect c;
    size_t at;

    (void)state;
    assert_int_equal(read_hex(V5("10", "02") "03 0b ff01 0000", true, &c, &at), PARSE_DONE);
    assert_int_equal(read_hex(V5("10", "02") "03 0b 01", true, &c, &at), PARSE_BAD);
    assert_int_equal(c.fault, MQTT_FAULT_PROPERTY_OVERRUN);
    assert_int_equal(read_hex(V5("10", "02") "03 0b 8181", true, &c, &at), PARSE_BAD);
    assert_int_equal(c.fault, MQTT_FAULT_PROPERTY_OVERRUN);
    assert_int_equal(read_hex(V5("13", "02") "06 0b 81818181", true, &c, &at), PARSE_BAD);
    assert_int_equal(c.fault, MQTT_FAULT_LENGTH_MALFORMED);
}

/* A CONNECT of exactly `n` bytes (5.0), made of user properties, the last of which is long. */
static uint8_t *build_big(size_t n)
{
    uint8_t *p = malloc(n), *at = p;
    size_t remaining = n - 4,
           list = remaining - 10 - 3 - 3; /* variable header, property length, client id */
    const uint8_t head[] = {0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60};
    const uint8_t property[] = {0x26, 0, 3, 0xe2, 0x82, 0xac, 0, 2, 'b', 'c'};

    assert_non_null(p);
    *at++ = 0x10;
    for (size_t i = 0; i < 3; i++)
        *at++ = (uint8_t)((remaining >> (7 * i) & 0x7f) | (i < 2 ? 0x80 : 0));
    memcpy(at, head, sizeof(head));
    at += sizeof(head);
    for (size_t i = 0; i < 3; i++)
        *at++ = (uint8_t)((list >> (7 * i) & 0x7f) | (i < 2 ? 0x80 : 0));
    const uint8_t *end = at + list;
    while ((size_t)(end - at) >= 2 * sizeof(property)) {
        memcpy(at, property, sizeof(property));
        at += sizeof(property);
    }
    size_t last = (size_t)(end - at) - 5; /* the value of the last property, which fills the list */
    const uint8_t filler[] = {0x26, 0, 0, 0, (uint8_t)last};
    memcpy(at, filler, sizeof(filler));
    memset(at + sizeof(filler), 'x', last);
    at += sizeof(filler) + last;
    const uint8_t client_id[] = {0, 1, 'a'};
    memcpy(at, client_id, sizeof(client_id));
    assert_int_equal(at + sizeof(client_id) - p, n);
    return p;
}

/*
 * A reader that started again on each byte would take 10^11 steps here, and the test would time
 * out.
 */
static void reading_a_megabyte_byte_by_byte_takes_linear_time(void **state)
{
    const size_t n = MQTT_CONNECT_MAX_BYTES_LIMIT;
    uint8_t *p = build_big(n);
    struct mqtt_connect c;

    (void)state;
    mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_LIMIT);
    for (size_t i = 0; i < n; i++)
        if (mqtt_connect_read(&c, p, i) != PARSE_MORE)
            fail_msg("%s at byte %zu", mqtt_fault_name(c.fault), i);
    assert_int_equal(mqtt_connect_read(&c, p, n), PARSE_DONE);
    assert_int_equal(c.client_id_n, 1);
    assert_int_equal(c.packet_n, n);
    free(p);
}

/*
 * One string of 64 KiB: the text check also resumes. Checking it again on each byte would take
 * only a second, so the test compares the number of bytes already checked.
 */
static void reading_a_long_client_id_byte_by_byte_takes_linear_time(void **state)
{
    const size_t n = 1 + 3 + 10 + 2 + 65535;
    uint8_t *p = malloc(n);
    struct mqtt_connect c;

    (void)state;
    assert_non_null(p);
    hex_decode("10 8b8004 0004 4d515454 04 02 003c ffff", p, 16);
    memset(p + 16, 'i', 65535);
    mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_LIMIT);
    for (size_t i = 0; i < n; i++)
        if (mqtt_connect_read(&c, p, i) != PARSE_MORE)
            fail_msg("%s at byte %zu", mqtt_fault_name(c.fault), i);
        else if (i > 16)
            assert_int_equal(c.checked, i - 16);
    assert_int_equal(mqtt_connect_read(&c, p, n), PARSE_DONE);
    assert_int_equal(c.client_id_n, 65535);
    free(p);
}

/* The same for the text of a property, an Authentication Method of 64 KiB. */
static void reading_a_long_property_byte_by_byte_takes_linear_time(void **state)
{
    const size_t n = 20 + 65535 + 2;
    uint8_t *p = calloc(n, 1); /* ends with an empty client identifier */
    struct mqtt_connect c;

    (void)state;
    assert_non_null(p);
    hex_decode("10 918004 0004 4d515454 05 02 003c 828004 15 ffff", p, 20);
    memset(p + 20, 'm', 65535);
    mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_LIMIT);
    for (size_t i = 0; i < n; i++)
        if (mqtt_connect_read(&c, p, i) != PARSE_MORE)
            fail_msg("%s at byte %zu", mqtt_fault_name(c.fault), i);
        else if (i > 20)
            assert_int_equal(c.properties.checked, size_min(i - 20, 65535));
    assert_int_equal(mqtt_connect_read(&c, p, n), PARSE_DONE);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_is_reported_on_the_earliest_byte),
        cmocka_unit_test(fault_is_the_same_for_every_split),
        cmocka_unit_test(first_byte_of_another_packet_type_is_rejected),
        cmocka_unit_test(fixed_header_flags_are_ignored_in_31_and_rejected_in_later_versions),
        cmocka_unit_test(authentication_data_may_precede_its_method),
        cmocka_unit_test(lenient_mode_rejects_only_framing_faults),
        cmocka_unit_test(every_fault_has_a_name_and_a_clause),
        cmocka_unit_test(fields_of_a_valid_packet_are_returned),
        cmocka_unit_test(incomplete_connect_returns_more),
        cmocka_unit_test(bytes_after_the_packet_are_not_read),
        cmocka_unit_test(parse_bad_is_final),
        cmocka_unit_test(bridge_flag_is_accepted_only_as_mosquitto_sends_it),
        cmocka_unit_test(mqtt_31_may_omit_fields_announced_by_its_flags),
        cmocka_unit_test(absent_and_empty_user_names_differ),
        cmocka_unit_test(lenient_mode_uses_the_first_of_repeated_properties),
        cmocka_unit_test(lenient_mode_checks_the_length_of_variable_byte_integers),
        cmocka_unit_test(max_bytes_applies_to_the_whole_packet),
        cmocka_unit_test(too_large_requires_only_the_head),
        cmocka_unit_test(reading_a_megabyte_byte_by_byte_takes_linear_time),
        cmocka_unit_test(reading_a_long_client_id_byte_by_byte_takes_linear_time),
        cmocka_unit_test(reading_a_long_property_byte_by_byte_takes_linear_time),
    };
    guard = guard_page_new(4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_page_free(&guard);
    return failed;
}
