/*
 * test_check.c - the CONNECT of a health check.
 *
 * The expected bytes are made by hand from MQTT 3.1.1 section 3.1 (figures 3.2 to 3.9); the
 * router's own CONNECT reader is a second check.
 */
#include "guard_page.h"
#include "hex.h"
#include "unit.h"
#include "wire/mqtt/check.h"
#include "wire/mqtt/connect.h"

#define LONG_TEXT 65535u

static struct mqtt_check check_of(const char *client_id, const char *username, const char *password)
{
    return (struct mqtt_check){.client_id = span_of_str(client_id),
                               .username = span_of_str(username),
                               .password = span_of_str(password),
                               .keep_alive_s = 10};
}

/* The buffer ends at a guard page: one byte more would crash. */
static void expect_bytes(const struct mqtt_check *check, const char *hex)
{
    struct guard_page guard = guard_page_new(256);
    uint8_t want[256], zeros[256] = {0};
    size_t n = hex_decode(hex, want, sizeof(want));
    uint8_t *out = guard.base + (guard_page_put(&guard, zeros, n) - guard.base);
    assert_int_equal(mqtt_check_connect(check, out, n), n);
    assert_memory_equal(out, want, n);
    guard_page_free(&guard);
}

static void connect_has_the_bytes_of_the_standard(void **state)
{
    (void)state;
    struct mqtt_check bare = check_of("a-1", NULL, NULL);
    struct mqtt_check named = check_of("a-1", "u", NULL);
    struct mqtt_check known = check_of("a-1", "u", "pw");
    struct mqtt_check empty = check_of("a-1", "", "");
    expect_bytes(&bare, "10 0f 0004 4d515454 04 02 000a 0003 612d31");
    expect_bytes(&named, "10 12 0004 4d515454 04 82 000a 0003 612d31 0001 75");
    expect_bytes(&known, "10 16 0004 4d515454 04 c2 000a 0003 612d31 0001 75 0002 7077");
    expect_bytes(&empty, "10 13 0004 4d515454 04 c2 000a 0003 612d31 0000 0000");
}

static void password_without_user_name_is_left_out(void **state)
{
    (void)state;
    struct mqtt_check check = check_of("a-1", NULL, "pw");
    expect_bytes(&check, "10 0f 0004 4d515454 04 02 000a 0003 612d31");
}

static void nothing_is_written_if_there_is_too_little_room(void **state)
{
    struct guard_page guard = guard_page_new(64);
    struct mqtt_check check = check_of("a-1", "u", "pw");
    uint8_t untouched[64];
    (void)state;
    memset(untouched, 0xaa, sizeof(untouched));
    for (size_t max = 0; max < 24; max++) {
        uint8_t *out = guard.base + (guard_page_put(&guard, untouched, max) - guard.base);
        assert_int_equal(mqtt_check_connect(&check, out, max), 0);
        assert_memory_equal(out, untouched, max);
    }
    guard_page_free(&guard);
}

/* Write texts of these lengths, and read them back with the router's reader. */
static void expect_read_back(size_t id_n, size_t username_n, size_t password_n)
{
    static uint8_t text[LONG_TEXT], out[3 * LONG_TEXT + MQTT_CHECK_CONNECT_ROOM];
    struct mqtt_connect got;
    memset(text, 'x', sizeof(text));
    const struct mqtt_check check = {.client_id = span_of(text, id_n),
                                     .username = span_of(text, username_n),
                                     .password = span_of(text, password_n),
                                     .keep_alive_s = 300};
    size_t max = id_n + username_n + password_n + MQTT_CHECK_CONNECT_ROOM;
    size_t n = mqtt_check_connect(&check, out, max);
    assert_in_range(n, 1, max);
    mqtt_connect_init(&got, false, sizeof(out));
    assert_int_equal(mqtt_connect_read(&got, out, n), PARSE_DONE);
    assert_int_equal(got.packet_n, n);
    assert_int_equal(got.version, 4);
    assert_true(got.clean_start);
    assert_false(got.has_will);
    assert_int_equal(got.keep_alive_s, 300);
    assert_int_equal(mqtt_connect_client_id(&got, out).n, id_n);
    assert_int_equal(mqtt_connect_username(&got, out).n, username_n);
}

static void remaining_length_of_every_size_can_be_read_back(void **state)
{
    (void)state;
    /* plus 16 bytes: remaining lengths of 127 and 128, 16,383 and 16,384 */
    expect_read_back(23, 40, 48);
    expect_read_back(23, 40, 49);
    expect_read_back(23, 16000, 344);
    expect_read_back(23, 16000, 345);
    expect_read_back(23, LONG_TEXT, LONG_TEXT);
}

static void text_longer_than_65535_bytes_is_rejected(void **state)
{
    static uint8_t text[LONG_TEXT + 1], out[3 * LONG_TEXT];
    struct mqtt_check check = check_of("a-1", "u", "pw");
    (void)state;
    check.password = span_of(text, sizeof(text));
    assert_int_equal(mqtt_check_connect(&check, out, sizeof(out)), 0);
    check = check_of("a-1", NULL, NULL);
    check.username = span_of(text, sizeof(text));
    assert_int_equal(mqtt_check_connect(&check, out, sizeof(out)), 0);
    check = (struct mqtt_check){.client_id = span_of(text, sizeof(text))};
    assert_int_equal(mqtt_check_connect(&check, out, sizeof(out)), 0);
}

static void disconnect_is_two_bytes(void **state)
{
    (void)state;
    assert_int_equal(mqtt_check_disconnect[0], 0xe0); /* section 3.14.1 */
    assert_int_equal(mqtt_check_disconnect[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_has_the_bytes_of_the_standard),
        cmocka_unit_test(password_without_user_name_is_left_out),
        cmocka_unit_test(nothing_is_written_if_there_is_too_little_room),
        cmocka_unit_test(remaining_length_of_every_size_can_be_read_back),
        cmocka_unit_test(text_longer_than_65535_bytes_is_rejected),
        cmocka_unit_test(disconnect_is_two_bytes),
    };
    return cmocka_run_group_tests_name("mqtt_check", tests, NULL, NULL);
}
