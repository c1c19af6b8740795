/*
 * session_queries.c - pending queries to the workers.
 *
 *    main thread --query--> workers --ev_async by the last one--> main thread: done()
 *
 * If a worker is busy for too long, or is stopping, the pending query times out. The query is
 * reference-counted: the worker can still use it, and the last user frees it.
 */
#include "session_queries.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"

struct session_queries {
    struct ev_loop *loop;
    struct ev_async answered;
    struct list pending_list;
    _Atomic uint32_t alive; /* queries, including those that only workers still hold; relaxed */
};

struct pending_query {
    struct session_queries *queries;
    struct list link;
    struct session_query *query; /* a reference */
    struct ev_timer timeout;
    void (*done)(void *arg, const struct session_query *query);
    void *arg;
};

static void drop(struct pending_query *pending)
{
    list_remove(&pending->link);
    session_query_cancel(pending->query);
    ev_timer_stop(pending->queries->loop, &pending->timeout);
    session_query_unref(pending->query);
    free(pending);
}

static void on_answered(struct ev_loop *loop, struct ev_async *async, int events)
{
    (void)loop;
    (void)events;
    struct session_queries *queries = async->data;
    for (struct list *l = queries->pending_list.next, *next; l != &queries->pending_list;
         l = next) {
        next = l->next;
        struct pending_query *pending = CONTAINER_OF(l, struct pending_query, link);
        if (!session_query_is_done(pending->query))
            continue;
        pending->done(pending->arg, pending->query);
        drop(pending);
    }
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct pending_query *pending = CONTAINER_OF(timer, struct pending_query, timeout);
    pending->done(pending->arg, pending->query);
    drop(pending);
}

/* Called on a worker's thread. */
static void note_answered(void *arg)
{
    struct session_queries *queries = arg;
    ev_async_send(queries->loop, &queries->answered);
}

struct session_queries *session_queries_new(struct ev_loop *loop)
{
    struct session_queries *queries = calloc(1, sizeof(*queries));
    if (!queries)
        return NULL;
    queries->loop = loop;
    list_init(&queries->pending_list);
    ev_async_init(&queries->answered, on_answered);
    queries->answered.data = queries;
    ev_async_start(loop, &queries->answered);
    return queries;
}

void session_queries_free(struct session_queries *queries)
{
    if (!queries)
        return;
    while (!list_empty(&queries->pending_list))
        drop(CONTAINER_OF(queries->pending_list.next, struct pending_query, link));
    ev_async_stop(queries->loop, &queries->answered);
    free(queries);
}

struct pending_query *
session_queries_start(struct session_queries *queries, const struct workers *workers,
                      const struct session_filter *terms,
                      void (*done)(void *arg, const struct session_query *query), void *arg)
{
    const unsigned one = session_id_worker(terms->id);
    const bool all = !terms->by_id;
    if (atomic_load_explicit(&queries->alive, memory_order_relaxed) >= SESSION_QUERIES_MAX ||
        (!all && one >= workers->n))
        return NULL;
    struct pending_query *pending = calloc(1, sizeof(*pending));
    if (!pending)
        return NULL;
    const struct session_query_callback news = {
        .answered = note_answered, .arg = queries, .alive = &queries->alive};
    pending->query = session_query_new(terms, all ? workers->n : 1, &news);
    if (!pending->query) {
        free(pending);
        return NULL;
    }
    pending->queries = queries;
    pending->done = done;
    pending->arg = arg;
    list_append(&queries->pending_list, &pending->link);
    ev_timer_init(&pending->timeout, on_timeout, SESSION_QUERIES_TIMEOUT_S, 0);
    ev_timer_start(queries->loop, &pending->timeout);
    for (unsigned i = 0; i < (all ? workers->n : 1); i++)
        session_query_send(pending->query, i, workers->list[all ? i : one]);
    return pending;
}

void session_queries_cancel(struct pending_query *pending)
{
    drop(pending);
}
