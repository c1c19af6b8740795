/*
 * test_pool.c - blocks are reused, and blocks beyond the number to keep are freed.
 *
 * Includes pool.c with an allocator that counts and fails on demand.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static bool memory_is_short;
static size_t made, given_back;

static void *counting_malloc(size_t n)
{
    if (memory_is_short)
        return NULL;
    made++;
    return malloc(n);
}

static void counting_free(void *p)
{
    given_back++;
    free(p);
}

#define malloc counting_malloc
#define free   counting_free
#include "base/pool.c"
#undef malloc
#undef free

#define BLOCK_SIZE 100u

static int start(void **state)
{
    (void)state;
    made = given_back = 0;
    memory_is_short = false;
    return 0;
}

static void get_all(struct pool *pool, void **blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        blocks[i] = pool_get(pool);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)i, BLOCK_SIZE); /* the whole block is writable */
    }
}

static void put_all(struct pool *pool, void **blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < BLOCK_SIZE; k++)
            assert_int_equal(((uint8_t *)blocks[i])[k], i);
        pool_put(pool, blocks[i]);
    }
}

static void blocks_do_not_overlap_and_have_the_requested_size(void **state)
{
    (void)state;
    struct pool pool;
    void *blocks[20];
    pool_init(&pool, BLOCK_SIZE, 4);
    for (int round = 0; round < 3; round++) {
        get_all(&pool, blocks, 20);
        assert_int_equal(pool.n_held, 20);
        put_all(&pool, blocks, 20);
        assert_int_equal(pool.n_held, 0);
    }
    pool_fini(&pool);
}

static void a_kept_block_is_reused_without_malloc(void **state)
{
    (void)state;
    struct pool pool;
    void *blocks[3];
    pool_init(&pool, BLOCK_SIZE, 3);
    get_all(&pool, blocks, 3);
    put_all(&pool, blocks, 3);
    assert_int_equal(made, 3);
    memory_is_short = true;
    get_all(&pool, blocks, 3);
    put_all(&pool, blocks, 3);
    assert_int_equal(given_back, 0);
    pool_fini(&pool);
    assert_int_equal(given_back, 3);
}

static void blocks_beyond_the_number_to_keep_are_freed(void **state)
{
    (void)state;
    struct pool pool;
    void *blocks[50];
    pool_init(&pool, BLOCK_SIZE, 4);
    get_all(&pool, blocks, 50);
    put_all(&pool, blocks, 50);
    assert_int_equal(made, 50);
    assert_int_equal(given_back, 46);
    assert_int_equal(pool.n_free, 4);
    pool_fini(&pool);
    assert_int_equal(given_back, 50);
    assert_int_equal(pool.n_free, 0);
}

static void a_pool_that_keeps_none_still_works(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, sizeof(void *), 0);
    pool_put(&pool, pool_get(&pool));
    assert_int_equal(given_back, 1);
    pool_fini(&pool);
    assert_int_equal(given_back, 1);
}

static void out_of_memory_returns_null_and_counts_no_block(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, BLOCK_SIZE, 4);
    memory_is_short = true;
    assert_null(pool_get(&pool));
    assert_int_equal(pool.n_held, 0);
    pool_put(&pool, NULL);
    assert_int_equal(pool.n_held, 0);
    assert_int_equal(pool.n_free, 0);
    pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_do_not_overlap_and_have_the_requested_size, start),
        cmocka_unit_test_setup(a_kept_block_is_reused_without_malloc, start),
        cmocka_unit_test_setup(blocks_beyond_the_number_to_keep_are_freed, start),
        cmocka_unit_test_setup(a_pool_that_keeps_none_still_works, start),
        cmocka_unit_test_setup(out_of_memory_returns_null_and_counts_no_block, start),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
