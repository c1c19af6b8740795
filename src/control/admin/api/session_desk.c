/*
 * session_desk.c - questions to the workers that are under way.
 *
 * The last worker to answer wakes the desk; it looks which tickets are done. A worker may be busy
 * for long, or at its end: then the ticket is given up, and the query freed by who lets go of it
 * last.
 */
#include "session_desk.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"

struct session_desk {
    struct ev_loop *loop;
    struct ev_async answered;
    struct list tickets;
    _Atomic uint32_t alive; /* queries, those that only workers hold any more included; relaxed */
};

struct session_ticket {
    struct session_desk *desk;
    struct list link;
    struct session_query *query; /* a reference */
    struct ev_timer patience;
    void (*done)(void *arg, const struct session_query *query);
    void *arg;
};

static void drop(struct session_ticket *ticket)
{
    list_remove(&ticket->link);
    session_query_cancel(ticket->query);
    ev_timer_stop(ticket->desk->loop, &ticket->patience);
    session_query_unref(ticket->query);
    free(ticket);
}

static void on_answered(struct ev_loop *loop, struct ev_async *async, int events)
{
    (void)loop;
    (void)events;
    struct session_desk *desk = async->data;
    for (struct list *l = desk->tickets.next, *next; l != &desk->tickets; l = next) {
        next = l->next;
        struct session_ticket *ticket = CONTAINER_OF(l, struct session_ticket, link);
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
    struct session_ticket *ticket = CONTAINER_OF(timer, struct session_ticket, patience);
    ticket->done(ticket->arg, ticket->query);
    drop(ticket);
}

/* Called on a worker's thread. */
static void note_answered(void *arg)
{
    struct session_desk *desk = arg;
    ev_async_send(desk->loop, &desk->answered);
}

struct session_desk *session_desk_new(struct ev_loop *loop)
{
    struct session_desk *desk = calloc(1, sizeof(*desk));
    if (!desk)
        return NULL;
    desk->loop = loop;
    list_init(&desk->tickets);
    ev_async_init(&desk->answered, on_answered);
    desk->answered.data = desk;
    ev_async_start(loop, &desk->answered);
    return desk;
}

void session_desk_free(struct session_desk *desk)
{
    if (!desk)
        return;
    while (!list_empty(&desk->tickets))
        drop(CONTAINER_OF(desk->tickets.next, struct session_ticket, link));
    ev_async_stop(desk->loop, &desk->answered);
    free(desk);
}

struct session_ticket *session_desk_ask(struct session_desk *desk, const struct workers *workers,
                                        const struct session_terms *terms,
                                        void (*done)(void *arg, const struct session_query *query),
                                        void *arg)
{
    const unsigned one = session_id_worker(terms->id);
    const bool all = !terms->by_id;
    if (atomic_load_explicit(&desk->alive, memory_order_relaxed) >= SESSION_DESK_MAX ||
        (!all && one >= workers->n))
        return NULL;
    struct session_ticket *ticket = calloc(1, sizeof(*ticket));
    if (!ticket)
        return NULL;
    const struct session_query_news news = {
        .answered = note_answered, .arg = desk, .alive = &desk->alive};
    ticket->query = session_query_new(terms, all ? workers->n : 1, &news);
    if (!ticket->query) {
        free(ticket);
        return NULL;
    }
    ticket->desk = desk;
    ticket->done = done;
    ticket->arg = arg;
    list_append(&desk->tickets, &ticket->link);
    ev_timer_init(&ticket->patience, on_patience_over, SESSION_DESK_PATIENCE_S, 0);
    ev_timer_start(desk->loop, &ticket->patience);
    for (unsigned i = 0; i < (all ? workers->n : 1); i++)
        session_query_ask(ticket->query, i, workers->list[all ? i : one]);
    return ticket;
}

void session_desk_forget(struct session_ticket *ticket)
{
    drop(ticket);
}
