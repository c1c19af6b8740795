/*
 * status.c - GET status, config, healthz and readyz: the state of the whole router.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/admin/context.h"
#include "control/admin/readiness.h"
#include "control/health/connect_watch.h"
#include "control/health/prober.h"
#include "control/service/gauges.h"
#include "model/config/dump.h"
#include "nodes.h"
#include "routes.h"

/* ---- overrides ---- */

static void add_override(json_t *list, const char *what, const struct admin_node *at, json_t *now,
                         json_t *in_file)
{
    const struct node *node = at ? &at->cluster->nodes[at->index] : NULL;
    json_array_append_new(list, json_pack("{s:s, s:s?, s:s?, s:o, s:o, s:s}", "what", what,
                                          "cluster", at ? at->cluster->conf->name : NULL, "node",
                                          at ? node->conf->name : NULL, "now", now, "in_file",
                                          in_file, "undone_by",
                                          !at                    ? ADMIN_UNDONE_LEVEL
                                          : json_is_integer(now) ? ADMIN_UNDONE_WEIGHT
                                                                 : ADMIN_UNDONE_STATE));
}

static void add_node_overrides(json_t *list, const struct admin_context *context,
                               const struct admin_node *at)
{
    const struct node *node = &at->cluster->nodes[at->index];
    struct prober_facts facts;
    if (prober_read(context->service->prober, node->live, &facts) &&
        facts.admin_state != facts.in_file)
        add_override(list, "node_state", at, json_string(admin_state_name(facts.admin_state)),
                     json_string(admin_state_name(facts.in_file)));
    if (node->weight != node->conf->weight)
        add_override(list, "node_weight", at, json_integer(node->weight),
                     json_integer(node->conf->weight));
}

static json_t *overrides_json(const struct admin_context *context)
{
    const struct snapshot *snapshot = context->service->snapshot;
    const enum log_level now = log_level(context->service->log);
    const enum log_level in_file = snapshot->config->log.level;
    json_t *list = json_array();
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        struct admin_node at = {.cluster = &snapshot->clusters[i]};
        for (; at.index < at.cluster->n; at.index++)
            add_node_overrides(list, context, &at);
    }
    if (now != in_file)
        add_override(list, "log_level", NULL, json_string(log_level_name(now)),
                     json_string(log_level_name(in_file)));
    return list;
}

/* ---- warnings ---- */

static void add_panic(json_t *list, const struct cluster *cluster)
{
    size_t suspected = 0;
    for (size_t i = 0; i < cluster->n; i++)
        suspected += node_live_status(cluster->nodes[i].live) == NODE_UP &&
                     NODE_LIVE_READ(cluster->nodes[i].live->suspected_since_us) > 0;
    json_array_append_new(
        list, json_sprintf("cluster \"%s\" is in panic mode: checks of too many nodes time out; "
                           "%zu of %zu nodes are suspected but still accept sessions",
                           cluster->conf->name, suspected, cluster->n));
}

static json_t *warnings_json(const struct admin_context *context)
{
    const struct snapshot *snapshot = context->service->snapshot;
    json_t *list = json_array();
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        const char *unanswered =
            connect_watch_warning(context->service->connects, snapshot->clusters[i].conf->name);
        if (prober_panics(context->service->prober, i))
            add_panic(list, &snapshot->clusters[i]);
        if (unanswered)
            json_array_append_new(list, json_string(unanswered));
    }
    return list;
}

/* ---- counts ---- */

static json_t *states_json(const struct gauges *gauges)
{
    json_t *states = json_object();
    for (int state = 0; state < SESSION_STATE_COUNT; state++)
        json_object_set_new(states, session_state_name((enum session_state)state),
                            json_integer((json_int_t)gauges->in_state[state]));
    return states;
}

/* The TLS connections of relayed sessions: {"client": {"detached": 3, ...}, "node": ...}. */
static json_t *tls_json(const struct gauges *gauges)
{
    json_t *sides = json_object();
    for (enum tls_side side = 0; side < TLS_SIDE_COUNT; side++) {
        json_t *states = json_object();
        for (enum tls_hold hold = 0; hold < TLS_HOLD_COUNT; hold++)
            json_object_set_new(states, tls_hold_name(hold),
                                json_integer((json_int_t)gauges->tls_holds[side][hold]));
        json_object_set_new(sides, tls_side_name(side), states);
    }
    return sides;
}

static json_t *reasons_json(const struct gauges *gauges)
{
    json_t *reasons = json_object();
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
        if (gauges->closed[reason] > 0)
            json_object_set_new(reasons, close_reason_row((enum close_reason)reason)->name,
                                json_integer((json_int_t)gauges->closed[reason]));
    return reasons;
}

static void add_counts(json_t *out, const struct service *service)
{
    const struct worker_shared *shared = service->shared;
    struct gauges gauges;
    gauges_sum(&service->workers, &gauges);
    json_object_set_new(
        out, "connections",
        json_integer(atomic_load_explicit(&shared->connections, memory_order_relaxed)));
    json_object_set_new(
        out, "max_connections",
        json_integer(atomic_load_explicit(&shared->max_connections, memory_order_relaxed)));
    json_object_set_new(out, "sessions", states_json(&gauges));
    json_object_set_new(out, "tls_sessions", tls_json(&gauges));
    json_object_set_new(out, "accepted_total",
                        json_integer((json_int_t)gauges.count[COUNT_accepted]));
    json_object_set_new(out, "closed_total", json_integer((json_int_t)gauges.closed_total));
    json_object_set_new(out, "closed_by_reason", reasons_json(&gauges));
    json_object_set_new(out, "bytes_up_total", json_integer((json_int_t)gauges.bytes_up));
    json_object_set_new(out, "bytes_down_total", json_integer((json_int_t)gauges.bytes_down));
    json_object_set_new(
        out, "relay_memory",
        json_pack("{s:I, s:I}", "used_bytes", (json_int_t)gauges.count[COUNT_waiting_bytes],
                  "max_bytes", (json_int_t)service->snapshot->config->limits.relay_memory_bytes));
}

void admin_status(struct admin_call *call)
{
    const struct admin_context *context = admin_call_context(call);
    const struct service *service = context->service;
    const uint64_t up_ms = (clock_monotonic_us() - context->started_us) / 1000;
    bool ready;
    json_t *out = json_pack("{s:s, s:i, s:o, s:I}", "version", MQTT_ROUTER_VERSION, "pid",
                            (int)getpid(), "started", admin_time(context->started_unix_ms),
                            "uptime_s", (json_int_t)(up_ms / 1000));
    json_t *readiness = admin_readiness(context, ADMIN_ANY_LISTENER, 0, &ready);
    json_object_update(out, readiness);
    json_decref(readiness);
    json_object_set_new(out, "warnings", warnings_json(context));
    json_object_set_new(out, "workers", json_integer(service->workers.n));
    json_object_set_new(out, "config_file", json_string(service->config_path));
    json_object_set_new(out, "config_loaded", admin_time(service->loaded_unix_ms));
    add_counts(out, service);
    json_object_set_new(out, "log_level", json_string(log_level_name(log_level(service->log))));
    json_object_set_new(out, "log_level_in_file",
                        json_string(log_level_name(service->snapshot->config->log.level)));
    json_object_set_new(out, "overrides", overrides_json(context));
    admin_reply_json(call, 200, out);
}

void admin_config(struct admin_call *call)
{
    const struct service *service = admin_call_context(call)->service;
    char *text = config_dump(service->snapshot->config);
    json_t *config = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (config)
        admin_reply_json(call, 200,
                         json_pack("{s:s, s:o, s:o}", "file", service->config_path, "loaded",
                                   admin_time(service->loaded_unix_ms), "config", config));
    else
        admin_problem(call, 500, "out_of_memory", "out of memory");
}

/* ---- probes ---- */

void admin_healthz(struct admin_call *call)
{
    admin_reply_json(call, 200, json_pack("{s:s}", "status", "alive"));
}

/* Read the query parameters. If they are invalid, answers the call and returns false. */
static bool read_scope(struct admin_call *call, enum admin_scope *scope, size_t *cluster)
{
    const struct config *config = admin_call_context(call)->service->snapshot->config;
    const char *name = admin_call_query(call, "cluster"), *all = admin_call_query(call, "all");
    if (all && (name || (*all && strcmp(all, "true") != 0))) {
        admin_problem(call, 400, "invalid_query", "use ?all, ?all=true or ?cluster=NAME");
        return false;
    }
    *scope = all ? ADMIN_ALL_CLUSTERS : name ? ADMIN_ONE_CLUSTER : ADMIN_ANY_LISTENER;
    if (config_find_cluster(config, name, cluster))
        return true;
    admin_problem(call, 404, "cluster_unknown", "unknown cluster \"%s\"", name);
    return false;
}

void admin_readyz(struct admin_call *call)
{
    enum admin_scope scope;
    size_t cluster;
    bool ready;
    if (!read_scope(call, &scope, &cluster))
        return;
    json_t *answer = admin_readiness(admin_call_context(call), scope, cluster, &ready);
    admin_reply_json(call, ready ? 200 : 503, answer);
}
