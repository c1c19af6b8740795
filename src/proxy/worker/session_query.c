/*
 * session_query.c - ownership and completion of a query to the workers.
 */
#include "proxy/worker/session_query.h"

#include <stdlib.h>
#include <string.h>

#include "worker.h"

struct session_query {
    _Atomic uint32_t refs;    /* unref: release; the last one also acquires */
    _Atomic uint32_t pending; /* parts not done; workers release, readers acquire */
    struct session_filter terms;
    char *texts; /* owned; the strings of the filter */
    struct session_query_callback callback;
    _Atomic bool cancelled; /* relaxed: reading it late is harmless */
    size_t n;
    struct session_part parts[];
};

/* Copy the strings of the filter into one block. */
static bool copy_texts(struct session_query *query)
{
    struct session_filter *terms = &query->terms;
    const size_t id_n = terms->client_id.n, node_n = terms->node ? strlen(terms->node) + 1 : 0;
    query->texts = malloc(id_n + node_n + 1);
    if (!query->texts)
        return false;
    if (terms->client_id.p)
        terms->client_id = span_of(memcpy(query->texts, terms->client_id.p, id_n), id_n);
    if (terms->node)
        terms->node = memcpy(query->texts + id_n, terms->node, node_n);
    return true;
}

struct session_query *session_query_new(const struct session_filter *terms, size_t n,
                                        const struct session_query_callback *callback)
{
    struct session_query *query = calloc(1, sizeof(*query) + n * sizeof(query->parts[0]));
    if (!query)
        return NULL;
    query->refs = 1;
    query->terms = *terms;
    query->callback = *callback;
    atomic_fetch_add_explicit(callback->alive, 1, memory_order_relaxed);
    query->n = n;
    bool good = copy_texts(query);
    for (size_t i = 0; i < n; i++) {
        struct session_part *part = &query->parts[i];
        part->query = query;
        list_init(&part->link);
        list_init(&part->walk.link);
        part->facts = calloc(terms->limit, sizeof(*part->facts));
        good = good && part->facts;
    }
    if (good)
        return query;
    session_query_unref(query);
    return NULL;
}

void session_query_send(struct session_query *query, size_t part, struct worker *w)
{
    atomic_fetch_add_explicit(&query->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&query->pending, 1, memory_order_relaxed);
    worker_send_query(w, &query->parts[part]);
}

const struct session_filter *session_part_filter(const struct session_part *part)
{
    return &part->query->terms;
}

void session_part_done(struct session_part *part)
{
    struct session_query *query = part->query;
    atomic_store_explicit(&part->done, true, memory_order_release);
    /* release: a thread that reads 0 pending also reads the results */
    if (atomic_fetch_sub_explicit(&query->pending, 1, memory_order_acq_rel) == 1)
        query->callback.answered(query->callback.arg);
    session_query_unref(query);
}

bool session_query_is_done(const struct session_query *query)
{
    return atomic_load_explicit(&query->pending, memory_order_acquire) == 0;
}

const struct session_part *session_query_part(const struct session_query *query, size_t i)
{
    const struct session_part *part = &query->parts[i];
    return atomic_load_explicit(&part->done, memory_order_acquire) ? part : NULL;
}

void session_query_cancel(struct session_query *query)
{
    atomic_store_explicit(&query->cancelled, true, memory_order_relaxed);
}

bool session_part_is_cancelled(const struct session_part *part)
{
    return atomic_load_explicit(&part->query->cancelled, memory_order_relaxed);
}

size_t session_query_n(const struct session_query *query)
{
    return query->n;
}

static void drop_facts(struct session_part *part)
{
    for (size_t i = 0; i < part->n; i++) {
        listener_live_unref(part->facts[i].listener);
        node_live_unref(part->facts[i].node);
        node_live_unref(part->facts[i].home);
    }
    free(part->facts);
}

void session_query_unref(struct session_query *query)
{
    if (!query || atomic_fetch_sub_explicit(&query->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < query->n; i++)
        drop_facts(&query->parts[i]);
    free(query->texts);
    atomic_fetch_sub_explicit(query->callback.alive, 1, memory_order_relaxed);
    free(query);
}
