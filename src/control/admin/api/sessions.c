/*
 * sessions.c - find sessions by client identifier, node or source; show or disconnect a session by
 * its id.
 *
 * Queries the workers (session_queries.h), and holds the call until they have answered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "control/admin/context.h"
#include "proxy/node_live.h"
#include "routes.h"
#include "session_queries.h"

#define LIMIT_DEFAULT 100u
#define ID_DIGITS     16u

/* A call that waits for the workers' answers. */
struct lookup {
    struct admin_call *call;
    struct pending_query *pending;
    struct session_filter terms;
};

/* ---- a session, as JSON ---- */

/* Replace bytes that are not UTF-8, which a lenient listener accepts, by U+FFFD. */
static json_t *name_json(const struct session_name *name)
{
    char text[3 * sizeof(name->text) + 4];
    size_t n = 0;
    if (!name->there)
        return json_null();
    const bool is_cut = name->n > SESSION_FACT_NAME_MAX;
    const size_t end =
        is_cut ? utf8_whole((const uint8_t *)name->text, sizeof(name->text), SESSION_FACT_NAME_MAX)
               : name->n;
    for (size_t i = 0; i < end;) {
        int length = utf8_char((const uint8_t *)name->text + i, end - i, end - i);
        bool bad = length == UTF8_BAD || name->text[i] == '\0';
        memcpy(text + n, bad ? "\xef\xbf\xbd" : name->text + i, bad ? 3 : (size_t)length);
        n += bad ? 3 : (size_t)length;
        i += bad ? 1 : (size_t)length;
    }
    if (is_cut) {
        memcpy(text + n, "...", 3);
        n += 3;
    }
    return json_stringn(text, n);
}

static json_t *node_name(const struct node_live *live)
{
    return live ? json_string(live->name) : json_null();
}

static const char *version_name(uint8_t version)
{
    return version == 3 ? "3.1" : version == 4 ? "3.1.1" : version == 5 ? "5.0" : NULL;
}

static void add_connect(json_t *out, const struct session_facts *facts)
{
    const char *version = version_name(facts->mqtt_version);
    json_object_set_new(out, "client_id", name_json(&facts->client_id));
    json_object_set_new(out, "username", name_json(&facts->username));
    json_object_set_new(out, "mqtt_version", version ? json_string(version) : json_null());
    json_object_set_new(out, "keep_alive_s",
                        version ? json_integer(facts->keep_alive_s) : json_null());
}

static void add_node(json_t *out, const struct session_facts *facts)
{
    const struct node_live *node = facts->node;
    json_object_set_new(out, "cluster", node ? json_string(node->cluster) : json_null());
    json_object_set_new(out, "node", node_name(node));
    json_object_set_new(out, "home",
                        node_name(facts->home                          ? facts->home
                                  : facts->placement == PLACEMENT_HOME ? node
                                                                       : NULL));
    json_object_set_new(out, "placement",
                        node ? json_string(placement_kind_name(facts->placement)) : json_null());
    json_object_set_new(out, "tries", json_integer(facts->tries));
    json_object_set_new(out, "connack_code",
                        facts->connack_seen ? json_integer(facts->connack_code) : json_null());
    json_object_set_new(out, "session_present",
                        facts->connack_seen ? json_boolean(facts->session_present) : json_null());
}

static void add_tls(json_t *out, const struct session_facts *facts)
{
    json_object_set_new(out, "tls_version", name_json(&facts->tls_version));
    json_object_set_new(out, "tls_resumed",
                        facts->has_tls ? json_boolean(facts->tls_resumed) : json_null());
    json_object_set_new(out, "tls_detached",
                        facts->has_own_tls ? json_boolean(facts->tls_detached) : json_null());
    json_object_set_new(out, "tls_cn", name_json(&facts->tls_cn));
    json_object_set_new(out, "sni", name_json(&facts->sni));
}

static json_t *session_json(const struct session_facts *facts)
{
    char id[ID_DIGITS + 1], source[ADDRESS_TEXT_MAX];
    (void)snprintf(id, sizeof(id), "%016" PRIx64, facts->id);
    json_t *out = json_pack("{s:s, s:s, s:s}", "id", id, "listener", facts->listener->name,
                            "source", address_format(&facts->source, source));
    add_connect(out, facts);
    json_object_set_new(out, "stage", json_string(session_state_name(facts->stage)));
    add_node(out, facts);
    add_tls(out, facts);
    json_object_set_new(out, "bytes_up", json_integer((json_int_t)facts->bytes_up));
    json_object_set_new(out, "bytes_down", json_integer((json_int_t)facts->bytes_down));
    json_object_set_new(out, "began", admin_time_ago(facts->age_ms));
    json_object_set_new(out, "age_s", json_real((double)facts->age_ms / 1000.0));
    json_object_set_new(out, "stage_s", json_real((double)facts->stage_ms / 1000.0));
    return out;
}

/* ---- responses ---- */

/* Join the workers' answers, up to the limit. */
static void answer_list(struct admin_call *call, const struct session_filter *terms,
                        const struct session_query *query)
{
    json_t *list = json_array();
    bool more = false, complete = true;
    for (size_t i = 0; i < session_query_n(query); i++) {
        const struct session_part *part = session_query_part(query, i);
        more = more || (part && part->more);
        complete = complete && part && part->complete;
        for (size_t k = 0; part && k < part->n; k++) {
            if (json_array_size(list) == terms->limit)
                more = true;
            else
                json_array_append_new(list, session_json(&part->facts[k]));
        }
    }
    admin_reply_json(call, 200,
                     json_pack("{s:o, s:i, s:b, s:b}", "sessions", list, "limit", (int)terms->limit,
                               "more", more, "complete", complete));
}

static void no_such_session(struct admin_call *call)
{
    admin_problem(call, 404, "session_unknown", "unknown session \"%s\"", admin_call_part(call, 0));
}

static void answer_one(struct admin_call *call, const struct session_filter *terms,
                       const struct session_query *query)
{
    const struct session_part *part = session_query_part(query, 0);
    if (!part || !part->complete)
        admin_problem(call, 503, "busy", "the worker did not respond in time: try again");
    else if (part->n == 0)
        no_such_session(call);
    else if (terms->disconnect)
        admin_reply_json(
            call, 200,
            json_pack("{s:s, s:s}", "id", admin_call_part(call, 0), "reason", "disconnected"));
    else
        admin_reply_json(call, 200, session_json(&part->facts[0]));
}

static void on_done(void *arg, const struct session_query *query)
{
    struct lookup *lookup = arg;
    if (lookup->terms.by_id)
        answer_one(lookup->call, &lookup->terms, query);
    else
        answer_list(lookup->call, &lookup->terms, query);
    free(lookup);
}

static void on_gone(void *arg)
{
    struct lookup *lookup = arg;
    session_queries_cancel(lookup->pending);
    free(lookup);
}

/* The call owns the strings in terms; the query copies them. */
static void query_workers(struct admin_call *call, const struct session_filter *terms)
{
    struct admin_context *context = admin_call_context(call);
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    if (!lookup) {
        admin_problem(call, 500, "out_of_memory", "out of memory");
        return;
    }
    lookup->call = call;
    lookup->terms = *terms;
    lookup->pending =
        session_queries_start(context->queries, &context->service->workers, terms, on_done, lookup);
    if (!lookup->pending) {
        admin_problem(call, 503, "busy", "too many requests are waiting: try again");
        free(lookup);
    } else if (!admin_hold(call, on_gone, lookup)) {
        on_gone(lookup);
    }
}

/* ---- handlers ---- */

static bool read_source(struct admin_call *call, struct session_filter *terms)
{
    const char *text = admin_call_query(call, "source");
    if (!text)
        return true;
    terms->by_source = cidr_parse(text, &terms->source);
    if (!terms->by_source)
        admin_problem(call, 400, "invalid_query",
                      "source: must be an address or a network (\"192.0.2.7\", \"2001:db8::/32\")");
    return terms->by_source;
}

void admin_sessions(struct admin_call *call)
{
    struct session_filter terms = {.limit = LIMIT_DEFAULT,
                                   .client_id = span_of_str(admin_call_query(call, "client_id")),
                                   .node = admin_call_query(call, "node")};
    if (admin_call_number(call, "limit", 1, SESSION_QUERY_MAX, &terms.limit) &&
        read_source(call, &terms))
        query_workers(call, &terms);
}

/* Read the session id. If it is invalid, or has no worker, answers the call and returns false. */
static bool read_id(struct admin_call *call, struct session_filter *terms)
{
    const char *text = admin_call_part(call, 0);
    *terms = (struct session_filter){.by_id = true, .limit = 1};
    if (strlen(text) == ID_DIGITS && strspn(text, "0123456789abcdef") == ID_DIGITS) {
        terms->id = strtoull(text, NULL, 16);
        if (session_id_worker(terms->id) < admin_call_context(call)->service->workers.n)
            return true;
    }
    no_such_session(call);
    return false;
}

void admin_session(struct admin_call *call)
{
    struct session_filter terms;
    if (read_id(call, &terms))
        query_workers(call, &terms);
}

void admin_session_disconnect(struct admin_call *call)
{
    struct session_filter terms;
    if (json_object_size(admin_call_body(call)) > 0) {
        admin_problem(call, 400, "invalid_body", "the body must be an empty object");
    } else if (read_id(call, &terms)) {
        terms.disconnect = true;
        query_workers(call, &terms);
    }
}
