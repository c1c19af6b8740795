/*
 * list.h - an intrusive, circular, doubly linked list.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>

/* The head of a list, or the link in a member. A link that is in no list points to itself. */
struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_append(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Remove a link from its list, if it is in one. */
static inline void list_remove(struct list *link)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is no longer in the list */
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* Move every member of `from` to the end of `to`. */
static inline void list_move_all(struct list *from, struct list *to)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
