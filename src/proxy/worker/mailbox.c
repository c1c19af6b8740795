/*
 * mailbox.c - messages from other threads to a worker: updates, session queries, a mode.
 *
 * The mailbox consists of an atomic mode, two atomic lists, and one ev_async. Because ev_async
 * events coalesce, the worker checks the whole mailbox when it wakes.
 */
#include "worker.h"

/* Push an element onto an atomic list. acq_rel: pairs with the exchange that takes the list. */
#define PUSH(chain, element)                                                                       \
    do {                                                                                           \
        (element)->next = atomic_load_explicit(chain, memory_order_relaxed);                       \
        while (!atomic_compare_exchange_weak_explicit(chain, &(element)->next, element,            \
                                                      memory_order_acq_rel, memory_order_relaxed)) \
            continue;                                                                              \
    } while (0)

void worker_wake(struct worker *w)
{
    ev_async_send(w->core.loop, &w->mail);
}

void worker_send_update(struct worker *w, struct worker_update *update)
{
    update->counted = update->snapshot;
    if (update->counted)
        atomic_fetch_add_explicit(&w->core.shared->registry->recounts, 1, memory_order_relaxed);
    PUSH(&w->updates, update);
    worker_wake(w);
}

struct worker_update *worker_mailbox_take_updates(struct worker *w)
{
    struct worker_update *newest =
        atomic_exchange_explicit(&w->updates, NULL, memory_order_acq_rel);
    struct worker_update *oldest = NULL;
    while (newest) {
        struct worker_update *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    return oldest;
}

void worker_send_query(struct worker *w, struct session_part *part)
{
    PUSH(&w->queries, part);
    worker_wake(w);
}

struct session_part *worker_mailbox_take_queries(struct worker *w)
{
    return atomic_exchange_explicit(&w->queries, NULL, memory_order_acq_rel);
}

void worker_set_mode(struct worker *w, enum worker_mode mode)
{
    atomic_store_explicit(&w->mode, (int)mode, memory_order_release);
    worker_wake(w);
}
