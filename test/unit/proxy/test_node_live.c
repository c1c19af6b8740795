/*
 * test_node_live.c - a node's record is found by its names, outlives those who used it, and
 * says that its status moved.
 *
 * Compiles node_live.c into itself, with allocators that fail on demand.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t allowed = SIZE_MAX; /* allocations until one fails */

static int may_allocate(void)
{
    if (allowed == 0)
        return 0;
    allowed--;
    return 1;
}

static void *failing_calloc(size_t n, size_t size)
{
    return may_allocate() ? calloc(n, size) : NULL;
}

static void *failing_aligned_alloc(size_t alignment, size_t size)
{
    return may_allocate() ? aligned_alloc(alignment, size) : NULL;
}

static char *failing_strdup(const char *text)
{
    return may_allocate() ? strdup(text) : NULL;
}

#define calloc        failing_calloc
#define aligned_alloc failing_aligned_alloc
#define strdup        failing_strdup
#include "proxy/node_live.c"
#undef calloc
#undef aligned_alloc
#undef strdup

#include "unit.h"

static void the_same_names_get_the_same_record(void **state)
{
    (void)state;
    struct node_registry registry;
    node_registry_init(&registry, 2);
    char cluster[] = "emqx", name[] = "n1";
    struct node_live *first = node_registry_get(&registry, cluster, name);
    assert_non_null(first);
    cluster[0] = name[0] = '?'; /* it keeps its own */
    struct node_live *again = node_registry_get(&registry, "emqx", "n1");
    assert_ptr_equal(again, first);
    struct node_live *other_cluster = node_registry_get(&registry, "other", "n1");
    struct node_live *other_node = node_registry_get(&registry, "emqx", "n2");
    assert_ptr_not_equal(other_cluster, first);
    assert_ptr_not_equal(other_node, first);
    assert_string_equal(first->cluster, "emqx");
    assert_string_equal(first->name, "n1");
    node_live_unref(first);
    node_live_unref(again);
    node_live_unref(other_cluster);
    node_live_unref(other_node);
    node_live_unref(NULL);
    node_registry_fini(&registry);
}

static void a_new_record_is_up_and_empty(void **state)
{
    (void)state;
    struct node_registry registry;
    node_registry_init(&registry, 3);
    struct node_live *live = node_registry_get(&registry, "c", "n");
    assert_non_null(live);
    assert_int_equal(node_live_status(live), NODE_UP);
    assert_int_equal(NODE_LIVE_READ(live->up_since_us), 0);
    assert_int_equal(NODE_LIVE_READ(live->sessions), 0);
    assert_int_equal(NODE_LIVE_READ(live->failures), 0);
    assert_int_equal(live->n_seats, 3);
    for (unsigned i = 0; i < 3; i++) {
        /* a line of the cache for each worker */
        assert_int_equal((uintptr_t)&live->seats[i] % 64, 0);
        assert_true(list_empty(&live->seats[i].waiting) && list_empty(&live->seats[i].clean));
        assert_true(list_empty(&live->seats[i].kept));
        for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
            assert_true(list_empty(&live->seats[i].off_home[cause]));
    }
    node_live_unref(live);
    node_registry_fini(&registry);
}

static void a_record_is_kept_while_it_is_referenced(void **state)
{
    (void)state;
    struct node_registry registry;
    node_registry_init(&registry, 1);
    struct node_live *held = node_registry_get(&registry, "c", "held");
    struct node_live *left = node_registry_get(&registry, "c", "left");
    assert_true(held && left);
    node_live_ref(held); /* a relayed session's */
    node_live_unref(held);
    node_live_unref(left);
    node_registry_sweep(&registry);
    assert_ptr_equal(registry.records.next, &held->link);
    assert_ptr_equal(registry.records.prev, &held->link);
    atomic_store(&held->sessions, 1);
    struct node_live *back = node_registry_get(&registry, "c", "held");
    assert_ptr_equal(back, held);
    assert_int_equal(NODE_LIVE_READ(back->sessions), 1);
    node_live_unref(back);
    node_live_unref(held);
    node_registry_sweep(&registry);
    assert_true(list_empty(&registry.records));
    node_registry_fini(&registry);
}

static void a_status_change_changes_the_version(void **state)
{
    (void)state;
    struct node_registry registry;
    node_registry_init(&registry, 1);
    struct node_live *live = node_registry_get(&registry, "c", "n");
    assert_non_null(live);
    uint32_t before = atomic_load(&registry.status_version);
    node_live_set_status(&registry, live, NODE_DRAINING);
    assert_int_equal(node_live_status(live), NODE_DRAINING);
    assert_int_not_equal(atomic_load(&registry.status_version), before);
    node_live_unref(live);
    node_registry_fini(&registry);
}

static void a_partly_built_record_is_freed_completely(void **state)
{
    (void)state;
    struct node_registry registry;
    struct node_live *live = NULL;
    size_t n = 0;
    node_registry_init(&registry, 2);
    for (; !live; n++) {
        allowed = n;
        live = node_registry_get(&registry, "c", "n");
        allowed = SIZE_MAX;
        assert_int_equal(list_empty(&registry.records), !live);
    }
    assert_int_equal(n - 1, 4); /* itself, two names, seats */
    allowed = 0;                /* one that is there needs no memory */
    assert_ptr_equal(node_registry_get(&registry, "c", "n"), live);
    assert_null(node_registry_get(&registry, "c", "other"));
    allowed = SIZE_MAX;
    node_live_unref(live);
    node_live_unref(live);
    node_registry_fini(&registry);
}

#define ROUNDS 100000

static void *hold_and_let_go(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        node_live_ref(arg);
        node_live_unref(arg);
    }
    node_live_unref(arg); /* the one it was given */
    return NULL;
}

static void references_are_taken_and_released_on_all_threads(void **state)
{
    (void)state;
    struct node_registry registry;
    node_registry_init(&registry, 4);
    struct node_live *live = node_registry_get(&registry, "c", "n");
    assert_non_null(live);
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        node_live_ref(live);
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_let_go, live), 0);
    }
    node_live_unref(live);
    while (!list_empty(&registry.records)) /* frees it once, when the last has let go */
        node_registry_sweep(&registry);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    node_registry_fini(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_names_get_the_same_record),
        cmocka_unit_test(a_new_record_is_up_and_empty),
        cmocka_unit_test(a_record_is_kept_while_it_is_referenced),
        cmocka_unit_test(a_status_change_changes_the_version),
        cmocka_unit_test(a_partly_built_record_is_freed_completely),
        cmocka_unit_test(references_are_taken_and_released_on_all_threads),
    };
    return cmocka_run_group_tests_name("node_live", tests, NULL, NULL);
}
