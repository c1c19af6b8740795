/*
 * Tests of slab.c: objects of every size are separate and aligned, and memory is reused and
 * returned.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slab.h"

#define OBJECTS 4000

static void objects_of_every_size_are_separate_and_aligned(void **state)
{
    static uint8_t *objects[2048];
    (void)state;
    for (size_t n = 1; n < ARRAY_LEN(objects); n++) {
        objects[n] = slab_alloc(n);
        assert_non_null(objects[n]);
        assert_int_equal((uintptr_t)objects[n] % 8, 0);
        memset(objects[n], (int)(n & 0xff), n);
    }
    for (size_t n = 1; n < ARRAY_LEN(objects); n++) {
        for (size_t i = 0; i < n; i++)
            assert_int_equal(objects[n][i], n & 0xff);
        slab_free(objects[n], n);
    }
}

static void objects_can_be_freed_in_any_order(void **state)
{
    static uint64_t *objects[OBJECTS];
    uint32_t random = 1;
    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        random = random * 1664525u + 1013904223u;
        uint64_t **object = &objects[(random >> 8) % OBJECTS];
        if (*object) {
            assert_int_equal(**object, (uintptr_t)object);
            slab_free(*object, 496);
            *object = NULL;
        } else {
            *object = slab_alloc(496);
            assert_non_null(*object);
            **object = (uintptr_t)object;
        }
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        slab_free(objects[i], 496);
}

static void zeroed_object_is_zero_when_memory_is_reused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *p = slab_zalloc(100);
        assert_non_null(p);
        for (size_t k = 0; k < 100; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xff, 100);
        slab_free(p, 100);
    }
    slab_free(NULL, 100);
}

static size_t mapped_pages(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu", &pages), 1);
    fclose(f);
    return pages;
}

static void empty_slabs_are_returned_to_the_system(void **state)
{
    static void *objects[OBJECTS];
    const size_t before = mapped_pages(), page = (size_t)sysconf(_SC_PAGESIZE);
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* the slab is malloc() */
#endif
    for (unsigned i = 0; i < OBJECTS; i++)
        assert_non_null(objects[i] = slab_alloc(1024));
    assert_true((mapped_pages() - before) * page >= (OBJECTS - 128) * 1024u);
    for (unsigned i = 0; i < OBJECTS; i++)
        slab_free(objects[i], 1024);
    assert_true((mapped_pages() - before) * page <= 2u * 65536u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_of_every_size_are_separate_and_aligned),
        cmocka_unit_test(objects_can_be_freed_in_any_order),
        cmocka_unit_test(zeroed_object_is_zero_when_memory_is_reused),
        cmocka_unit_test(empty_slabs_are_returned_to_the_system),
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
