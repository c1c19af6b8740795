/*
 * check.c - compose the CONNECT of a health check, version 3.1.1.
 *
 *    0x10 | remaining length | 0 4 M Q T T | 4 | flags | keep alive | id [user [password]]
 */
#include "wire/mqtt/check.h"

#include <string.h>

#define CONNECT_TYPE 0x10
#define LEVEL_3_1_1  4

enum { FLAG_CLEAN_SESSION = 0x02, FLAG_PASSWORD = 0x40, FLAG_USERNAME = 0x80 };

#define VARIABLE_HEADER_N 10u /* name, level, flags, keep alive */
#define TEXT_MAX          65535u

const uint8_t mqtt_check_disconnect[MQTT_DISCONNECT_N] = {0xe0, 0};

static uint8_t *put_u16_be(uint8_t *at, size_t value)
{
    *at++ = (uint8_t)(value >> 8);
    *at++ = (uint8_t)value;
    return at;
}

/* Write a string with its length, or nothing if the string is absent. */
static uint8_t *put_text(uint8_t *at, struct span text)
{
    if (!text.p)
        return at;
    at = put_u16_be(at, text.n);
    memcpy(at, text.p, text.n);
    return at + text.n;
}

static size_t text_size(struct span text)
{
    return text.p ? 2 + text.n : 0;
}

/* Section 2.2.3. At most three bytes: the strings have less than 200,000 bytes in total. */
static uint8_t *put_remaining_length(uint8_t *at, size_t n)
{
    do {
        *at++ = (uint8_t)(n % 128u | (n >= 128u ? 0x80u : 0));
        n /= 128u;
    } while (n > 0);
    return at;
}

static size_t remaining_length_size(size_t n)
{
    return n < 128u ? 1 : n < 128u * 128u ? 2 : 3;
}

size_t mqtt_check_connect(const struct mqtt_check *check, uint8_t *out, size_t max)
{
    static const uint8_t name_and_level[] = {0, 4, 'M', 'Q', 'T', 'T', LEVEL_3_1_1};
    struct span password = check->username.p ? check->password : (struct span){0};
    if (check->client_id.n > TEXT_MAX || check->username.n > TEXT_MAX || password.n > TEXT_MAX)
        return 0;
    size_t n = VARIABLE_HEADER_N + 2 + check->client_id.n + text_size(check->username) +
               text_size(password);
    size_t whole = 1 + remaining_length_size(n) + n;
    if (whole > max)
        return 0;
    uint8_t *at = out;
    *at++ = CONNECT_TYPE;
    at = put_remaining_length(at, n);
    memcpy(at, name_and_level, sizeof(name_and_level));
    at += sizeof(name_and_level);
    *at++ = (uint8_t)(FLAG_CLEAN_SESSION | (check->username.p ? FLAG_USERNAME : 0) |
                      (password.p ? FLAG_PASSWORD : 0));
    at = put_u16_be(at, check->keep_alive_s);
    at = put_u16_be(at, check->client_id.n);
    if (check->client_id.n > 0)
        memcpy(at, check->client_id.p, check->client_id.n);
    at += check->client_id.n;
    at = put_text(at, check->username);
    (void)put_text(at, password);
    return whole;
}
