/*
 * test_reader.c - the bounded reader is big-endian and never reads past its end.
 */
#include "base/reader.h"
#include "guard_page.h"
#include "unit.h"

static const uint8_t bytes[] = {0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07};

static void numbers_are_big_endian(void **state)
{
    struct reader rd = reader_from(span_of(bytes, sizeof(bytes)), 0);

    (void)state;
    assert_int_equal(reader_u8(&rd), 0x01);
    assert_int_equal(reader_u16_be(&rd), 0x8203);
    assert_int_equal(reader_u32_be(&rd), 0x84058607);
    assert_int_equal(rd.at, sizeof(bytes));
    assert_int_equal(reader_left(&rd), 0);
    assert_false(rd.cut);
}

static void a_read_past_the_end_makes_all_later_reads_fail(void **state)
{
    struct guard_page guard = guard_page_new(sizeof(bytes));
    const uint8_t *p = guard_page_put(&guard, bytes, 3);
    struct reader rd = reader_from(span_of(p, 3), 0);

    (void)state;
    assert_int_equal(reader_u32_be(&rd), 0);
    assert_true(rd.cut);
    assert_int_equal(reader_u8(&rd), 0); /* although three bytes are available */
    assert_int_equal(reader_u16_be(&rd), 0);
    assert_int_equal(reader_left(&rd), 0);
    assert_int_equal(rd.at, 0);

    rd = reader_from(span_of(p, 3), 2);
    assert_int_equal(reader_u16_be(&rd), 0);
    assert_true(rd.cut);
    rd = reader_from(span_of(p, 3), 3);
    assert_false(rd.cut);
    assert_int_equal(reader_u8(&rd), 0);
    assert_true(rd.cut);
    guard_page_free(&guard);
}

static void a_start_beyond_the_end_makes_reads_fail(void **state)
{
    struct reader rd = reader_from(span_of(bytes, 2), 3);

    (void)state;
    assert_true(rd.cut);
    assert_int_equal(reader_left(&rd), 0);
    rd = reader_from(span_of(NULL, 0), 0);
    assert_false(rd.cut);
    assert_int_equal(reader_u8(&rd), 0);
    assert_true(rd.cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_big_endian),
        cmocka_unit_test(a_read_past_the_end_makes_all_later_reads_fail),
        cmocka_unit_test(a_start_beyond_the_end_makes_reads_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
