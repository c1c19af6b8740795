/*
 * test_list.c - a circular list keeps its order in both directions.
 */
#include <string.h>

#include "base/list.h"
#include "base/util.h"
#include "unit.h"

struct item {
    char name;
    struct list link;
};

static void items_init(struct item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        items[i].name = (char)('a' + i);
        list_init(&items[i].link);
    }
}

static void expect(const struct list *head, const char *names)
{
    const struct list *link = head->next;
    size_t n = strlen(names);
    for (size_t i = 0; i < n; i++, link = link->next) {
        assert_ptr_not_equal(link, head);
        assert_int_equal(CONTAINER_OF(link, struct item, link)->name, names[i]);
        assert_ptr_equal(link->next->prev, link);
        assert_ptr_equal(link->prev->next, link);
    }
    assert_ptr_equal(link, head);
    assert_int_equal(list_empty(head), n == 0);
}

static void members_are_in_insertion_order(void **state)
{
    (void)state;
    struct list head;
    struct item items[4];
    list_init(&head);
    items_init(items, 4);
    expect(&head, "");
    for (size_t i = 0; i < 4; i++)
        list_append(&head, &items[i].link);
    expect(&head, "abcd");
}

static void any_member_can_be_removed_even_twice(void **state)
{
    (void)state;
    struct list head;
    struct item items[4];
    list_init(&head);
    items_init(items, 4);
    for (size_t i = 0; i < 4; i++)
        list_append(&head, &items[i].link);
    list_remove(&items[1].link);
    expect(&head, "acd");
    list_remove(&items[1].link);
    expect(&head, "acd");
    assert_true(list_empty(&items[1].link));
    list_remove(&items[3].link);
    list_remove(&items[0].link);
    expect(&head, "c");
    list_append(&head, &items[1].link);
    expect(&head, "cb");
    list_remove(&items[2].link);
    list_remove(&items[1].link);
    expect(&head, "");
}

static void all_members_move_to_the_end_of_the_other_list(void **state)
{
    (void)state;
    struct list from, to;
    struct item items[4];
    list_init(&from);
    list_init(&to);
    items_init(items, 4);
    list_move_all(&from, &to);
    expect(&to, "");
    list_append(&from, &items[0].link);
    list_append(&from, &items[1].link);
    list_move_all(&from, &to);
    expect(&from, "");
    expect(&to, "ab");
    list_append(&from, &items[2].link);
    list_move_all(&from, &to);
    expect(&to, "abc");
    list_move_all(&from, &to);
    expect(&to, "abc");
    list_append(&from, &items[3].link);
    expect(&from, "d");
    list_remove(&items[2].link);
    expect(&to, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_in_insertion_order),
        cmocka_unit_test(any_member_can_be_removed_even_twice),
        cmocka_unit_test(all_members_move_to_the_end_of_the_other_list),
    };
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
