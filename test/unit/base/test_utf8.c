/*
 * test_utf8.c - well-formed UTF-8 according to the tables of the Unicode Standard.
 */
#include <stdbool.h>

#include "base/utf8.h"
#include "guard_page.h"
#include "hex.h"
#include "unit.h"

static struct guard_page guard;

/* Encode a code point as in RFC 3629, including surrogates and values that are too large. */
static size_t encode(uint32_t cp, uint8_t *out)
{
    if (cp < 0x80) {
        out[0] = (uint8_t)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (uint8_t)(0x80 | (cp & 0x3f));
    out[0] = (uint8_t)((0xf00u >> n) | cp);
    return n;
}

static bool whole_is_good(const uint8_t *text, size_t n)
{
    size_t checked = 0;
    const uint8_t *p = guard_page_put(&guard, text, n);
    bool good = utf8_check(p, n, n, &checked);

    assert_true(!good || checked == n);
    return good;
}

/* Check the text byte by byte; *bad_at = number of bytes available when it was rejected. */
static bool bytewise_is_good(const uint8_t *text, size_t whole, size_t *bad_at)
{
    size_t checked = 0;

    for (size_t n = 0; n <= whole; n++) {
        const uint8_t *p = guard_page_put(&guard, text, n);
        *bad_at = n;
        if (!utf8_check(p, n, whole, &checked))
            return false;
        assert_true(checked <= n && n - checked <= 3);
    }
    return checked == whole;
}

static void every_code_point_has_the_right_length(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp < 0x120000; cp++) {
        uint8_t b[4];
        size_t n = encode(cp, b);
        bool character = cp < 0xd800 || (cp > 0xdfff && cp <= 0x10ffff);
        assert_int_equal(utf8_char(b, n, n), character ? (int)n : UTF8_BAD);
    }
}

/* A reference that decodes and encodes again: only the shortest form round-trips. */
static bool reference_is_character(const uint8_t *b, size_t n)
{
    uint8_t again[4];
    uint32_t cp = n == 1 ? b[0] : b[0] & (0x7fu >> n);

    for (size_t i = 1; i < n; i++)
        cp = cp << 6 | (b[i] & 0x3f);
    bool character = cp < 0xd800 || (cp > 0xdfff && cp <= 0x10ffff);
    return character && encode(cp, again) == n && memcmp(again, b, n) == 0;
}

static void every_pair_and_triple_agrees_with_a_second_decoder(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x1000000; i++) {
        uint8_t b[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        int got = utf8_char(b, 3, 3);
        int want = UTF8_BAD;
        for (int n = 1; n <= 3 && want == UTF8_BAD; n++)
            if (reference_is_character(b, (size_t)n))
                want = n;
        if (got != want)
            fail_msg("%02x %02x %02x: got %d, want %d", b[0], b[1], b[2], got, want);
    }
}

static void invalid_text_is_rejected_at_the_first_invalid_byte(void **state)
{
    static const struct {
        const char *hex;
        size_t bad_at; /* 0 = good */
    } cases[] = {
        {"", 0},
        {"61", 0},
        {"6162636465666768 69", 0},
        {"7f 01 0a 1b", 0},          /* control characters are characters */
        {"ef bb bf 61", 0},          /* a byte order mark too [MQTT-1.5.4-3] */
        {"ef bf bf f4 8f bf bf", 0}, /* noncharacters too */
        {"c3 a9 e2 82 ac f0 9f 98 80", 0},
        {"00", 1},                 /* [MQTT-1.5.4-2] */
        {"61626364 00 626364", 5}, /* among eight plain bytes */
        {"6162636465666768 00", 9},
        {"c0 80", 1}, /* overlong */
        {"c1 bf", 1},
        {"e0 9f bf", 2},
        {"f0 8f bf bf", 2},
        {"ed a0 80", 2},    /* a surrogate [MQTT-1.5.4-1] */
        {"f4 90 80 80", 2}, /* above U+10FFFF */
        {"f5 80 80 80", 1},
        {"80", 1},
        {"61 bf", 2},
        {"c3 28", 2},
        {"e2 82 28", 3},
        {"f0 9f 98 28", 4},
        {"61 e2 82", 2}, /* a three-byte character does not fit in the last two bytes */
        {"61 c3", 2},
        {"fe", 1},
        {"ff", 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t text[16];
        size_t n = hex_decode(cases[i].hex, text, sizeof(text)), bad_at;
        bool want = cases[i].bad_at == 0;
        if (whole_is_good(text, n) != want || bytewise_is_good(text, n, &bad_at) != want)
            fail_msg("%s: want %s", cases[i].hex, want ? "good" : "bad");
        if (!want)
            assert_int_equal(bad_at, cases[i].bad_at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_has_the_right_length),
        cmocka_unit_test(every_pair_and_triple_agrees_with_a_second_decoder),
        cmocka_unit_test(invalid_text_is_rejected_at_the_first_invalid_byte),
    };
    guard = guard_page_new(64);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_page_free(&guard);
    return failed;
}
