/*
 * test_buffer.c - a buffer grows at both ends and moves without losing data.
 *
 * Includes buffer.c with allocators that fail on demand; the sanitizer checks the bounds of its
 * memory.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static bool memory_is_short;

static void *failing_malloc(size_t n)
{
    return memory_is_short ? NULL : malloc(n);
}

static void *failing_realloc(void *old, size_t n)
{
    return memory_is_short ? NULL : realloc(old, n);
}

#define malloc  failing_malloc
#define realloc failing_realloc
#include "base/buffer.c"
#undef malloc
#undef realloc

static void append(struct buffer *b, const char *text)
{
    size_t n = strlen(text);
    assert_true(buffer_reserve(b, 0, n));
    memcpy(b->mem + b->tail, text, n);
    buffer_grew(b, n);
}

static void expect(const struct buffer *b, const char *text)
{
    assert_int_equal(buffer_len(b), strlen(text));
    assert_memory_equal(buffer_bytes(b), text, strlen(text));
}

static void a_header_is_prepended_to_the_data(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_true(buffer_reserve(&b, 6, 4));
    assert_int_equal(buffer_len(&b), 0);
    assert_int_equal(buffer_room(&b), 4);
    append(&b, "body");
    buffer_prepend(&b, "head", 4);
    expect(&b, "headbody");
    buffer_prepend(&b, "<<", 2);
    expect(&b, "<<headbody");
    buffer_release(&b);
}

static void growing_keeps_the_data_and_the_headroom(void **state)
{
    (void)state;
    struct buffer b = {0};
    char want[2000] = "";
    assert_true(buffer_reserve(&b, 3, 1));
    for (int i = 0; i < 100; i++) {
        append(&b, &"0123456789abc"[i % 7]);
        strcat(want, &"0123456789abc"[i % 7]);
        expect(&b, want);
        assert_int_equal(b.head, 3);
    }
    /* the headroom is not reserved twice */
    assert_true(buffer_reserve(&b, 50, 500));
    assert_int_equal(b.head, 3);
    assert_true(buffer_room(&b) >= 500);
    memset(b.mem + b.tail, 'x', buffer_room(&b)); /* all room is writable */
    buffer_prepend(&b, "abc", 3);
    assert_memory_equal(buffer_bytes(&b), "abc0123", 7);
    buffer_release(&b);
}

static void reserving_available_room_does_not_allocate(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_true(buffer_reserve(&b, 8, 100));
    const uint8_t *mem = b.mem;
    memory_is_short = true;
    assert_true(buffer_reserve(&b, 8, 100));
    assert_true(buffer_reserve(&b, 8, 1));
    memory_is_short = false;
    assert_ptr_equal(b.mem, mem);
    buffer_release(&b);
}

static void out_of_memory_keeps_the_data(void **state)
{
    (void)state;
    struct buffer b = {0};
    memory_is_short = true;
    assert_false(buffer_reserve(&b, 8, 8));
    assert_null(b.mem);
    assert_int_equal(buffer_len(&b), 0);
    memory_is_short = false;
    append(&b, "kept");
    memory_is_short = true;
    assert_false(buffer_reserve(&b, 0, 1000));
    memory_is_short = false;
    expect(&b, "kept");
    assert_true(buffer_reserve(&b, 0, 1000));
    expect(&b, "kept");
    buffer_release(&b);
}

static void consumed_bytes_are_removed_and_the_rest_stays(void **state)
{
    (void)state;
    struct buffer b = {0};
    append(&b, "abcdef");
    buffer_consume(&b, 0);
    buffer_consume(&b, 2);
    expect(&b, "cdef");
    append(&b, "gh");
    buffer_consume(&b, 5);
    expect(&b, "h");
    buffer_consume(&b, 1);
    assert_int_equal(buffer_len(&b), 0);
    buffer_release(&b);
}

static void a_released_buffer_can_be_used_again(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_true(buffer_reserve(&b, 2, 2));
    append(&b, "x");
    buffer_release(&b);
    assert_null(b.mem);
    assert_int_equal(buffer_len(&b), 0);
    assert_int_equal(buffer_room(&b), 0);
    assert_true(buffer_reserve(&b, 9, 1));
    assert_int_equal(b.head, 9);
    buffer_release(&b);
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_prepended_to_the_data),
        cmocka_unit_test(growing_keeps_the_data_and_the_headroom),
        cmocka_unit_test(reserving_available_room_does_not_allocate),
        cmocka_unit_test(out_of_memory_keeps_the_data),
        cmocka_unit_test(consumed_bytes_are_removed_and_the_rest_stays),
        cmocka_unit_test(a_released_buffer_can_be_used_again),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
