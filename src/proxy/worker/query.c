/*
 * query.c - answer questions about sessions, a slice in each turn of the loop, so that
 * half a million of them keep nobody waiting.
 *
 * Between two slices sessions come and go. A cursor that stands on one that goes is moved to the
 * next; those that come are behind the last one that a question is about, and not looked at.
 */
#include <string.h>

#include "base/clock.h"
#include "proxy/session/device.h"
#include "proxy/session/session.h"
#include "proxy/worker/session_query.h"
#include "worker.h"

/* ---- copying a session ---- */

static void copy_name(struct session_name *out, const uint8_t *p, size_t n)
{
    if (!p)
        return;
    out->there = true;
    out->n = (uint8_t)(n < sizeof(out->text) ? n : sizeof(out->text));
    memcpy(out->text, p, out->n);
}

static void copy_tls(struct session_facts *out, const struct session *s)
{
    struct tls_facts tls = {0};
    struct proxy_facts facts;
    proxied_facts((struct session *)(uintptr_t)s, &tls, &facts);
    copy_name(&out->sni, facts.authority.p, facts.authority.n);
    if (!facts.has_tls)
        return;
    out->has_tls = true;
    out->tls_resumed = s->tls && tls.resumed;
    copy_name(&out->tls_version, facts.tls_version.p, facts.tls_version.n);
    if (facts.verified)
        copy_name(&out->tls_cn, facts.tls_cn.p, facts.tls_cn.n);
}

static uint64_t age_ms(const struct session *s, uint64_t stage_ms)
{
    for (int state = 0; state < SESSION_STATE_COUNT; state++)
        stage_ms += session_spent_ms(s, (enum session_state)state);
    return stage_ms;
}

static void copy(struct session_facts *out, const struct session *s, uint64_t now_us)
{
    *out = (struct session_facts){.id = s->id,
                                  .source = s->source,
                                  .listener = listener_live_ref(s->tag->live),
                                  .node = s->node,
                                  .home = s->away ? s->away->home : NULL,
                                  .stage = s->state,
                                  .placement = s->kind,
                                  .tries = s->tries,
                                  .mqtt_version = s->mqtt_version,
                                  .keep_alive_s = s->keep_alive_s,
                                  .connack_seen = s->connack_seen,
                                  .connack_code = s->connack.code,
                                  .session_present = s->connack.session_present,
                                  .bytes_up = s->up.bytes,
                                  .bytes_down = s->down.bytes,
                                  .stage_ms = (now_us - s->entered_us) / 1000u};
    out->age_ms = age_ms(s, out->stage_ms);
    if (s->node)
        node_live_ref(s->node);
    if (s->away)
        node_live_ref(s->away->home);
    const struct span client_id = session_client_id(s), username = session_username(s);
    copy_name(&out->client_id, client_id.p, client_id.n);
    copy_name(&out->username, username.p, username.n);
    copy_tls(out, s);
}

/* ---- does it match? ---- */

/* Where "a/b/c" stands, only the node can say which slash is the one between its names. */
static bool is_at(const struct session_terms *terms, const struct session *s)
{
    if (!terms->node)
        return true;
    if (!s->node)
        return false;
    const size_t n = strlen(s->node->cluster);
    return strcmp(terms->node, s->node->name) == 0 ||
           (strncmp(terms->node, s->node->cluster, n) == 0 && terms->node[n] == '/' &&
            strcmp(terms->node + n + 1, s->node->name) == 0);
}

static bool has_client_id(const struct session_terms *terms, const struct session *s)
{
    if (!terms->client_id.p)
        return true;
    const size_t n = size_min(terms->client_id.n, SESSION_NAME_MAX + 1);
    const struct span client_id = session_client_id(s);
    return client_id.p && client_id.n == n && memcmp(client_id.p, terms->client_id.p, n) == 0;
}

static bool comes_from(const struct session_terms *terms, const struct session *s)
{
    uint8_t ip[16] = {0};
    const bool v6 = s->source.sa.sa_family == AF_INET6;
    if (!terms->by_source)
        return true;
    if (v6)
        memcpy(ip, &s->source.in6.sin6_addr, 16);
    else if (s->source.sa.sa_family == AF_INET)
        memcpy(ip, &s->source.in.sin_addr, 4);
    else
        return false;
    return cidr_contains(&terms->source, 1, ip, v6);
}

static bool matches(const struct session_terms *terms, const struct session *s)
{
    return (!terms->by_id || s->id == terms->id) && has_client_id(terms, s) && is_at(terms, s) &&
           comes_from(terms, s);
}

/* ---- looking ---- */

static void finish(struct session_part *part, bool complete)
{
    part->complete = complete;
    list_remove(&part->link);
    session_part_done(part);
}

/* False: it has seen enough. */
static bool look_at(struct session_part *part, struct session *s, uint64_t now_us)
{
    const struct session_terms *terms = session_part_terms(part);
    if (!matches(terms, s))
        return true;
    if (part->n == terms->limit) {
        part->more = true;
        return false;
    }
    copy(&part->facts[part->n++], s, now_us);
    if (!terms->by_id)
        return true;
    if (terms->disconnect)
        session_end(s, CLOSE_DISCONNECTED);
    return false; /* there is no other */
}

/*
 * To the next session, up to the last one there was at the beginning. Not by ids: they begin
 * again, and a session may stay for longer than that takes.
 */
static void move_cursor(struct worker *w, struct session_part *part)
{
    part->cursor = part->cursor == part->last ? &w->sessions : part->cursor->next;
}

static void look(struct worker *w, struct session_part *part)
{
    if (session_part_is_cancelled(part)) {
        finish(part, false);
        return;
    }
    const uint64_t now_us = clock_monotonic_us();
    for (unsigned i = 0; i < SESSION_QUERY_SLICE; i++) {
        struct session *s = CONTAINER_OF(part->cursor, struct session, link);
        const bool more = part->cursor != &w->sessions;
        if (more)
            move_cursor(w, part); /* s may be gone after look_at() */
        if (!more || !look_at(part, s, now_us)) {
            finish(part, true);
            return;
        }
    }
    list_remove(&part->link); /* behind the others */
    list_append(&w->asking, &part->link);
}

static void take_questions(struct worker *w)
{
    struct session_part *part = atomic_exchange_explicit(&w->questions, NULL, memory_order_acq_rel);
    while (part) {
        struct session_part *next = part->next;
        part->cursor = w->sessions.next;
        part->last = w->sessions.prev;
        list_append(&w->asking, &part->link);
        part = next;
    }
}

void worker_look_for_sessions(struct worker *w)
{
    take_questions(w);
    if (list_empty(&w->asking))
        return;
    look(w, CONTAINER_OF(w->asking.next, struct session_part, link));
    if (!list_empty(&w->asking))
        worker_wake(w); /* in the next turn of the loop */
}

void worker_session_leaves(struct worker *w, struct session *s)
{
    for (struct list *l = w->asking.next; l != &w->asking; l = l->next) {
        struct session_part *part = CONTAINER_OF(l, struct session_part, link);
        if (part->cursor == &s->link)
            move_cursor(w, part);
        if (part->last == &s->link)
            part->last = s->link.prev; /* not before the cursor, unless that has nowhere to go */
    }
}

void worker_answer_no_more(struct worker *w)
{
    take_questions(w);
    while (!list_empty(&w->asking))
        finish(CONTAINER_OF(w->asking.next, struct session_part, link), false);
}

void worker_give_question(struct worker *w, struct session_part *part)
{
    part->next = atomic_load_explicit(&w->questions, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&w->questions, &part->next, part,
                                                  memory_order_acq_rel, memory_order_relaxed))
        continue;
    worker_wake(w);
}
