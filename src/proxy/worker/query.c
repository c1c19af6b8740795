/*
 * query.c - search sessions for queries, a slice per turn of the loop, so that half a million
 * sessions do not block it.
 */
#include <string.h>

#include "base/clock.h"
#include "proxy/session/device.h"
#include "proxy/session/off_home.h"
#include "proxy/session/session.h"
#include "proxy/session/session_list.h"
#include "proxy/stages/run.h"
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
    device_facts((struct session *)(uintptr_t)s, &tls, &facts);
    copy_name(&out->sni, facts.authority.p, facts.authority.n);
    if (!facts.has_tls)
        return;
    out->has_tls = true;
    out->has_own_tls = s->tls;
    out->tls_resumed = s->tls && tls.resumed;
    out->tls_detached = s->tls && tls.detached;
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
                                  .home = s->off_home ? s->off_home->home : NULL,
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
    if (s->off_home)
        node_live_ref(s->off_home->home);
    const struct span client_id = session_client_id(s), username = session_username(s);
    copy_name(&out->client_id, client_id.p, client_id.n);
    copy_name(&out->username, username.p, username.n);
    copy_tls(out, s);
}

/* ---- matching ---- */

/*
 * Match NODE or CLUSTER/NODE. Names may contain slashes, so the filter cannot be split at a slash.
 */
static bool is_at(const struct session_filter *terms, const struct session *s)
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

static bool has_client_id(const struct session_filter *terms, const struct session *s)
{
    if (!terms->client_id.p)
        return true;
    const size_t n = size_min(terms->client_id.n, SESSION_NAME_MAX + 1);
    const struct span client_id = session_client_id(s);
    return client_id.p && client_id.n == n && memcmp(client_id.p, terms->client_id.p, n) == 0;
}

static bool comes_from(const struct session_filter *terms, const struct session *s)
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

static bool matches(const struct session_filter *terms, const struct session *s)
{
    return (!terms->by_id || s->id == terms->id) && has_client_id(terms, s) && is_at(terms, s) &&
           comes_from(terms, s);
}

/* ---- searching ---- */

static void finish(struct session_part *part, bool complete)
{
    part->complete = complete;
    list_remove(&part->link);
    session_walk_end(&part->walk);
    session_part_done(part);
}

/* Return false if the search is complete. */
static bool look_at(struct session_part *part, struct session *s, uint64_t now_us)
{
    const struct session_filter *terms = session_part_filter(part);
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
    return false; /* session ids are unique */
}

static void look(struct worker *w, struct session_part *part)
{
    if (session_part_is_cancelled(part)) {
        finish(part, false);
        return;
    }
    const uint64_t now_us = clock_monotonic_us();
    for (unsigned i = 0; i < SESSION_QUERY_SLICE; i++) {
        struct session *s = session_walk_next(&w->core, &part->walk);
        if (!s || !look_at(part, s, now_us)) {
            finish(part, true);
            return;
        }
    }
    list_remove(&part->link); /* continue after the other queries */
    list_append(&w->queries_active, &part->link);
}

static void take_queries(struct worker *w)
{
    struct session_part *part = worker_mailbox_take_queries(w);
    while (part) {
        struct session_part *next = part->next;
        session_walk_begin(&w->core, &part->walk);
        list_append(&w->queries_active, &part->link);
        part = next;
    }
}

bool worker_search_sessions(struct worker *w)
{
    take_queries(w);
    if (!list_empty(&w->queries_active))
        look(w, CONTAINER_OF(w->queries_active.next, struct session_part, link));
    return !list_empty(&w->queries_active);
}

void worker_end_queries(struct worker *w)
{
    take_queries(w);
    while (!list_empty(&w->queries_active))
        finish(CONTAINER_OF(w->queries_active.next, struct session_part, link), false);
}
