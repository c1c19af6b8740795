/*
 * session_query.c - a question to the workers: who owns it, and when it is answered.
 */
#include "proxy/session_query.h"

#include <stdlib.h>
#include <string.h>

#include "worker.h"

struct session_query {
    _Atomic uint32_t refs;    /* release when one goes, acquire by the last */
    _Atomic uint32_t pending; /* parts not done: release by who ends one, acquire by the reader */
    struct session_terms terms;
    char *texts; /* owned: the terms' */
    void (*answered)(void *arg);
    void *arg;
    size_t n;
    struct session_part parts[];
};

/* The terms' texts, one behind the other. */
static bool copy_texts(struct session_query *query)
{
    struct session_terms *terms = &query->terms;
    const size_t cluster = terms->cluster ? strlen(terms->cluster) + 1 : 0;
    const size_t node = terms->node ? strlen(terms->node) + 1 : 0;
    char *p = query->texts = malloc(terms->client_id.n + cluster + node + 1);
    if (!p)
        return false;
    if (terms->client_id.p)
        terms->client_id =
            span_of(memcpy(p, terms->client_id.p, terms->client_id.n), terms->client_id.n);
    p += terms->client_id.n;
    if (cluster)
        terms->cluster = memcpy(p, terms->cluster, cluster);
    if (node)
        terms->node = memcpy(p + cluster, terms->node, node);
    return true;
}

struct session_query *session_query_new(const struct session_terms *terms, size_t n,
                                        void (*answered)(void *arg), void *arg)
{
    struct session_query *query = calloc(1, sizeof(*query) + n * sizeof(query->parts[0]));
    if (!query)
        return NULL;
    query->refs = 1;
    query->terms = *terms;
    query->answered = answered;
    query->arg = arg;
    query->n = n;
    bool good = copy_texts(query);
    for (size_t i = 0; i < n; i++) {
        struct session_part *part = &query->parts[i];
        part->query = query;
        list_init(&part->link);
        part->facts = calloc(terms->limit, sizeof(*part->facts));
        good = good && part->facts;
    }
    if (good)
        return query;
    session_query_unref(query);
    return NULL;
}

void session_query_ask(struct session_query *query, size_t part, struct worker *w)
{
    atomic_fetch_add_explicit(&query->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&query->pending, 1, memory_order_relaxed);
    worker_give_question(w, &query->parts[part]);
}

const struct session_terms *session_part_terms(const struct session_part *part)
{
    return &part->query->terms;
}

void session_part_done(struct session_part *part)
{
    struct session_query *query = part->query;
    /* release: what was written down is read by who sees none pending */
    if (atomic_fetch_sub_explicit(&query->pending, 1, memory_order_acq_rel) == 1)
        query->answered(query->arg);
    session_query_unref(query);
}

bool session_query_is_done(const struct session_query *query)
{
    return atomic_load_explicit(&query->pending, memory_order_acquire) == 0;
}

const struct session_part *session_query_part(const struct session_query *query, size_t i)
{
    return &query->parts[i];
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
    free(query);
}
