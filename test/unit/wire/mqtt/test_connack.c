/*
 * test_connack.c - a refusal uses the client's version, or is not sent.
 *
 * Expected bytes are written out from MQTT 5.0 section 3.2 and MQTT 3.1.1 section 3.2.
 */
#include <stdbool.h>

#include "hex.h"
#include "unit.h"
#include "wire/mqtt/connack.h"

#define UNTOUCHED 0xaa

/*
 * Expect this CONNACK in hexadecimal, "" = none; the unused bytes of the buffer must be unchanged.
 */
static void assert_says(const char *want, const struct mqtt_connect *c, enum mqtt_refusal refusal)
{
    uint8_t out[MQTT_CONNACK_REFUSAL_MAX + 1];
    char hex[2 * sizeof(out) + 1];

    memset(out, UNTOUCHED, sizeof(out));
    size_t n = mqtt_connack_refuse(c, refusal, out);
    assert_true(n <= MQTT_CONNACK_REFUSAL_MAX);
    assert_string_equal(hex_encode(out, n, hex), want);
    for (size_t i = n; i < sizeof(out); i++)
        assert_int_equal(out[i], UNTOUCHED);
}

static void each_version_uses_its_own_codes(void **state)
{
    /* refusal, CONNACK in 3.1 and 3.1.1, CONNACK in 5.0 */
    static const struct {
        enum mqtt_refusal refusal;
        const char *v3, *v5;
    } cases[] = {
        {MQTT_REFUSAL_MALFORMED, "", "2003008100"},
        {MQTT_REFUSAL_PROTOCOL_ERROR, "", "2003008200"},
        {MQTT_REFUSAL_UNSUPPORTED_VERSION, "20020001", "2003008400"},
        {MQTT_REFUSAL_CLIENT_ID_INVALID, "20020002", "2003008500"},
        {MQTT_REFUSAL_BAD_CREDENTIALS, "20020004", "2003008600"},
        {MQTT_REFUSAL_NOT_AUTHORIZED, "20020005", "2003008700"},
        {MQTT_REFUSAL_SERVER_UNAVAILABLE, "20020003", "2003008800"},
        {MQTT_REFUSAL_SERVER_BUSY, "20020003", "2003008900"},
        {MQTT_REFUSAL_BANNED, "20020005", "2003008a00"},
        {MQTT_REFUSAL_PACKET_TOO_LARGE, "", "2003009500"},
        {MQTT_REFUSAL_QUOTA_EXCEEDED, "20020003", "2003009700"},
        {MQTT_REFUSAL_CONNECTION_RATE_EXCEEDED, "20020003", "2003009f00"},
    };

    (void)state;
    assert_int_equal(ARRAY_LEN(cases), MQTT_REFUSAL_COUNT);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_says(cases[i].v3, &(struct mqtt_connect){.version = 3}, cases[i].refusal);
        assert_says(cases[i].v3, &(struct mqtt_connect){.version = 4}, cases[i].refusal);
        assert_says(cases[i].v5, &(struct mqtt_connect){.version = 5}, cases[i].refusal);
    }
}

static void unknown_version_is_answered_in_the_nearest_known_format(void **state)
{
    const enum mqtt_refusal refusal = MQTT_REFUSAL_UNSUPPORTED_VERSION;
    struct mqtt_connect c = {.level_seen = true};

    (void)state;
    for (int level = 0; level <= 0xff; level++) {
        if (level == 4 || level == 5 || level == 0x84)
            continue;
        c.level = (uint8_t)level;
        c.name_is_mqisdp = false;
        assert_says((level & 0x7f) > 4 ? "2003008400" : "20020001", &c, refusal);
        c.name_is_mqisdp = true;
        assert_says("20020001", &c, refusal);
    }
}

static void no_connack_is_sent_if_the_version_is_unknown(void **state)
{
    (void)state;
    for (int i = 0; i < MQTT_REFUSAL_COUNT; i++)
        assert_says("", &(struct mqtt_connect){0}, (enum mqtt_refusal)i);
}

/* [MQTT-3.1.2-24] */
static void maximum_packet_size_is_never_exceeded(void **state)
{
    struct mqtt_connect c = {.version = 5};

    (void)state;
    for (uint32_t max = 1; max < 8; max++) {
        c.max_packet_size = max;
        assert_says(max < 5 ? "" : "2003008800", &c, MQTT_REFUSAL_SERVER_UNAVAILABLE);
    }
    /* MQTT 3.1.1 has no such property. */
    c.version = 4;
    c.max_packet_size = 1;
    assert_says("20020003", &c, MQTT_REFUSAL_SERVER_UNAVAILABLE);
}

static void faults_are_answered_as_the_version_prescribes(void **state)
{
    static const struct {
        enum mqtt_fault fault;
        const char *v4, *v5;
    } cases[] = {
        {MQTT_FAULT_TRAILING_BYTES, "", "2003008100"},
        {MQTT_FAULT_CLIENT_ID_UTF8, "", "2003008100"},
        {MQTT_FAULT_PROPERTY_NOT_ALLOWED, "", "2003008100"},
        {MQTT_FAULT_PAYLOAD_FORMAT, "", "2003008100"},
        {MQTT_FAULT_PROPERTY_DUPLICATE, "", "2003008200"},
        {MQTT_FAULT_PROPERTY_VALUE, "", "2003008200"},
        {MQTT_FAULT_AUTH_DATA_WITHOUT_METHOD, "", "2003008200"},
        {MQTT_FAULT_TOO_LARGE, "", "2003009500"},
        {MQTT_FAULT_CLIENT_ID_EMPTY, "20020002", "2003008500"}, /* [MQTT-3.1.3-9] */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (uint8_t version = 4; version <= 5; version++) {
            struct mqtt_connect c = {.version = version, .fault = cases[i].fault};
            uint8_t out[MQTT_CONNACK_REFUSAL_MAX];
            char hex[2 * sizeof(out) + 1];
            hex_encode(out, mqtt_connack_for_fault(&c, out), hex);
            assert_string_equal(hex, version == 4 ? cases[i].v4 : cases[i].v5);
        }
    }
}

/* With the result of the reader: "too large" is answered in the version of the rejected packet. */
static void too_large_is_answered_once_the_level_is_known(void **state)
{
    uint8_t in[16], out[MQTT_CONNACK_REFUSAL_MAX];
    size_t n = hex_decode("10 818004 0004 4d515454 05", in, sizeof(in));
    char hex[2 * sizeof(out) + 1];
    struct mqtt_connect c;

    (void)state;
    mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_DEFAULT);
    assert_int_equal(mqtt_connect_read(&c, in, n), PARSE_BAD);
    assert_string_equal(hex_encode(out, mqtt_connack_for_fault(&c, out), hex), "2003009500");
    in[n - 1] = 4;
    mqtt_connect_init(&c, false, MQTT_CONNECT_MAX_BYTES_DEFAULT);
    assert_int_equal(mqtt_connect_read(&c, in, n), PARSE_BAD);
    assert_int_equal(mqtt_connack_for_fault(&c, out), 0);
}

/* The codes of each subject, taken from the tables of the standards by hand. */
static void connack_codes_are_classified_by_subject(void **state)
{
    static const uint8_t device_3[] = {2, 4, 5}, node_3[] = {3};
    static const uint8_t device_5[] = {0x85, 0x86, 0x87, 0x8a, 0x8c};
    static const uint8_t node_5[] = {0x88, 0x89, 0x9c, 0x9d};
    enum mqtt_connack_subject want_3[256] = {0}, want_5[256] = {0};
    (void)state;
    for (int i = 1; i < 256; i++)
        want_3[i] = want_5[i] = MQTT_CONNACK_ABOUT_OTHER;
    for (size_t i = 0; i < ARRAY_LEN(device_3); i++)
        want_3[device_3[i]] = MQTT_CONNACK_ABOUT_DEVICE;
    for (size_t i = 0; i < ARRAY_LEN(node_3); i++)
        want_3[node_3[i]] = MQTT_CONNACK_ABOUT_NODE;
    for (size_t i = 0; i < ARRAY_LEN(device_5); i++)
        want_5[device_5[i]] = MQTT_CONNACK_ABOUT_DEVICE;
    for (size_t i = 0; i < ARRAY_LEN(node_5); i++)
        want_5[node_5[i]] = MQTT_CONNACK_ABOUT_NODE;
    for (int i = 0; i < 256; i++) {
        assert_int_equal(mqtt_connack_subject(3, (uint8_t)i), want_3[i]);
        assert_int_equal(mqtt_connack_subject(4, (uint8_t)i), want_3[i]);
        assert_int_equal(mqtt_connack_subject(5, (uint8_t)i), want_5[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connack_codes_are_classified_by_subject),
        cmocka_unit_test(each_version_uses_its_own_codes),
        cmocka_unit_test(unknown_version_is_answered_in_the_nearest_known_format),
        cmocka_unit_test(no_connack_is_sent_if_the_version_is_unknown),
        cmocka_unit_test(maximum_packet_size_is_never_exceeded),
        cmocka_unit_test(faults_are_answered_as_the_version_prescribes),
        cmocka_unit_test(too_large_is_answered_once_the_level_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
