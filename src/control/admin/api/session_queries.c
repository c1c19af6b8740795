/*
 * session_queries.c - questions to the workers that are under way.
 *
 * The last worker to answer wakes the desk; it looks which tickets are done. A worker may be busy
 * for long, or at its end: then the ticket is given up, and the query freed by who lets go of it
 * last.
 */
#include "session_queries.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"

struct session_queries {
    struct ev_loop *loop;
    struct ev_async answered;
    struct list tickets;
    _Atomic uint32_t alive; /* queries, those that only workers hold any more included; relaxed */
};

struct pending_query {
    struct session_queries *queries;
    struct list link;
    struct session_query *query; /* a reference */
    struct ev_timer patience;
    void (*done)(void *arg, const struct session_query *query);
    void *arg;
};

static void drop(struct pending_query *ticket)
{
    list_remove(&ticket->link);
    session_query_cancel(ticket->query);
    ev_timer_stop(ticket->queries->loop, &ticket->patience);
    session_query_unref(ticket->query);
    free(ticket);
}

static void on_answered(struct ev_loop *loop, struct ev_async *async, int events)
{
    (void)loop;
    (void)events;
    struct session_queries *queries = async->data;
    for (struct list *l = queries->tickets.next, *next; l != &queries->tickets; l = next) {
        next = l->next;
        struct pending_query *ticket = CONTAINER_OF(l, struct pending_query, link);
        if (!session_query_is_done(ticket->query))
            continue;
        ticket->done(ticket->arg, ticket->query);
        drop(ticket);
    }
}

static void on_patience_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct pending_query *ticket = CONTAINER_OF(timer, struct pending_query, patience);
    ticket->done(ticket->arg, ticket->query);
    drop(ticket);
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
    list_init(&queries->tickets);
    ev_async_init(&queries->answered, on_answered);
    queries->answered.data = queries;
    ev_async_start(loop, &queries->answered);
    return queries;
}

void session_queries_free(struct session_queries *queries)
{
    if (!queries)
        return;
    while (!list_empty(&queries->tickets))
        drop(CONTAINER_OF(queries->tickets.next, struct pending_query, link));
    ev_async_stop(queries->loop, &queries->answered);
    free(queries);
}

struct pending_query *
session_queries_start(struct session_queries *queries, const struct workers *workers,
                      const struct session_terms *terms,
                      void (*done)(void *arg, const struct session_query *query), void *arg)
{
    const unsigned one = session_id_worker(terms->id);
    const bool all = !terms->by_id;
    if (atomic_load_explicit(&queries->alive, memory_order_relaxed) >= SESSION_QUERIES_MAX ||
        (!all && one >= workers->n))
        return NULL;
    struct pending_query *ticket = calloc(1, sizeof(*ticket));
    if (!ticket)
        return NULL;
    const struct session_query_news news = {
        .answered = note_answered, .arg = queries, .alive = &queries->alive};
    ticket->query = session_query_new(terms, all ? workers->n : 1, &news);
    if (!ticket->query) {
        free(ticket);
        return NULL;
    }
    ticket->queries = queries;
    ticket->done = done;
    ticket->arg = arg;
    list_append(&queries->tickets, &ticket->link);
    ev_timer_init(&ticket->patience, on_patience_over, SESSION_QUERIES_TIMEOUT_S, 0);
    ev_timer_start(queries->loop, &ticket->patience);
    for (unsigned i = 0; i < (all ? workers->n : 1); i++)
        session_query_ask(ticket->query, i, workers->list[all ? i : one]);
    return ticket;
}

void session_queries_cancel(struct pending_query *ticket)
{
    drop(ticket);
}
