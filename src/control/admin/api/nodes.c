/*
 * nodes.c - GET nodes: configuration, overrides, health and load of each node.
 */
#include "nodes.h"
#include "control/health/evictor.h"
#include "control/health/prober.h"

#include <string.h>

#include "base/clock.h"
#include "control/health/key_shares.h"
#include "routes.h"

const char *admin_state_name(enum node_state state)
{
    static const char *const words[] = {
        [NODE_STATE_UP] = "up", [NODE_STATE_DRAINING] = "draining", [NODE_STATE_DOWN] = "down"};
    return words[state];
}

static json_t *time_of(uint64_t us)
{
    const uint64_t now_us = clock_monotonic_us();
    return admin_time_ago(now_us > us ? (now_us - us) / 1000 : 0);
}

static json_t *check_json(const struct cluster_conf *conf, const struct prober_facts *facts)
{
    static const char *const types[] = {
        [CHECK_TYPE_TCP] = "tcp", [CHECK_TYPE_MQTT] = "mqtt", [CHECK_TYPE_HTTP] = "http"};
    if (!conf->health_check)
        return json_null();
    return json_pack("{s:s, s:s?, s:o}", "type", types[conf->health_check->type], "last",
                     facts->checked ? check_result_name(facts->latest) : NULL, "last_at",
                     facts->checked ? time_of(facts->checked_us) : json_null());
}

static json_t *drain_json(const struct admin_context *context, const struct node_live *live)
{
    struct evictor_drain drain;
    if (node_live_status(live) != NODE_DRAINING ||
        !evictor_read_drain(context->service->evictor, live, &drain))
        return json_null();
    return json_pack("{s:i, s:i, s:o, s:i, s:b}", "rate_per_s", (int)drain.rate_per_s,
                     "deadline_ms", (int)drain.deadline_ms, "began", time_of(drain.begun_us),
                     "sessions_at_start", (int)drain.sessions_at_start, "held", drain.held);
}

static json_t *placed_json(const struct node_live *live)
{
    json_t *placed = json_object();
    for (int kind = 0; kind < PLACEMENT_KIND_COUNT; kind++)
        json_object_set_new(placed, placement_kind_name((enum placement_kind)kind),
                            json_integer((json_int_t)NODE_LIVE_READ(live->placed[kind])));
    return placed;
}

/* ---- shares ---- */

static json_t *key_share(const struct admin_context *context, const struct admin_node *at)
{
    struct service *service = context->service;
    const uint32_t *shares = key_shares_get(context->shares, service->snapshot, service->registry);
    if (!shares || at->index >= at->cluster->n)
        return shares ? json_integer(0) : json_null();
    for (const struct cluster *c = service->snapshot->clusters; c != at->cluster; c++)
        shares += c->n;
    return json_integer(shares[at->index]);
}

static json_t *session_share(const struct admin_node *at)
{
    uint64_t all = 0;
    for (size_t i = 0; i < at->cluster->n_all; i++)
        all += NODE_LIVE_READ(at->cluster->nodes[i].live->sessions);
    const uint64_t mine = NODE_LIVE_READ(at->cluster->nodes[at->index].live->sessions);
    return json_integer(all ? (json_int_t)((mine * 1000 + all / 2) / all) : 0);
}

/* ---- a node ---- */

static void add_overrides(json_t *out, const struct node *node, const struct prober_facts *facts)
{
    const char *undone = facts->admin_state != facts->in_file ? ADMIN_UNDONE_STATE
                         : node->weight != node->conf->weight ? ADMIN_UNDONE_WEIGHT
                                                              : NULL;
    json_object_set_new(out, "state", json_string(admin_state_name(facts->admin_state)));
    json_object_set_new(out, "state_in_file", json_string(admin_state_name(facts->in_file)));
    json_object_set_new(out, "weight", json_integer(node->weight));
    json_object_set_new(out, "weight_in_file", json_integer(node->conf->weight));
    json_object_set_new(out, "undone_by", undone ? json_string(undone) : json_null());
}

static void add_load(json_t *out, const struct admin_context *context, const struct admin_node *at)
{
    const struct node *node = &at->cluster->nodes[at->index];
    const struct node_live *live = node->live;
    json_object_set_new(out, "sessions", json_integer(NODE_LIVE_READ(live->sessions)));
    json_object_set_new(out, "sessions_clean", json_integer(NODE_LIVE_READ(live->clean)));
    json_object_set_new(out, "sessions_away", json_integer(node_live_off_home(live)));
    json_object_set_new(out, "key_share_permille", key_share(context, at));
    json_object_set_new(out, "session_share_permille", session_share(at));
    json_object_set_new(out, "failures_total",
                        json_integer((json_int_t)NODE_LIVE_READ(live->failures)));
    json_object_set_new(out, "placed_total", placed_json(live));
    json_object_set_new(out, "max_connections", json_integer(node->max_connections));
}

json_t *admin_node_json(const struct admin_context *context, const struct admin_node *at)
{
    const struct node *node = &at->cluster->nodes[at->index];
    const uint64_t up_since_us = NODE_LIVE_READ(node->live->up_since_us);
    struct prober_facts facts;
    if (!prober_read(context->service->prober, node->live, &facts))
        facts = (struct prober_facts){.why = ""};
    json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s?}", "cluster", at->cluster->conf->name,
                            "name", node->conf->name, "address", node->conf->address, "status",
                            node_status_name(node_live_status(node->live)), "why",
                            *facts.why ? facts.why : NULL);
    add_overrides(out, node, &facts);
    json_object_set_new(out, "backup", json_boolean(node->conf->backup));
    json_object_set_new(out, "departed", json_boolean(at->index >= at->cluster->n));
    json_object_set_new(out, "suspected", json_boolean(facts.suspected));
    json_object_set_new(
        out, "unanswered",
        json_boolean(facts.unanswered || (NODE_LIVE_READ(node->live->unanswered) > 0 &&
                                          !NODE_LIVE_READ(node->live->answered))));
    add_load(out, context, at);
    json_object_set_new(out, "up_since", up_since_us ? time_of(up_since_us) : json_null());
    json_object_set_new(out, "check", check_json(at->cluster->conf, &facts));
    json_object_set_new(out, "drain", drain_json(context, node->live));
    return out;
}

void admin_nodes(struct admin_call *call)
{
    const struct admin_context *context = admin_call_context(call);
    const struct snapshot *snapshot = context->service->snapshot;
    json_t *clusters = json_array();
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        struct admin_node at = {.cluster = &snapshot->clusters[i]};
        json_t *nodes = json_array();
        for (; at.index < at.cluster->n_all; at.index++)
            json_array_append_new(nodes, admin_node_json(context, &at));
        json_array_append_new(
            clusters, json_pack("{s:s, s:b, s:b, s:o}", "name", at.cluster->conf->name,
                                "discovered", at.cluster->conf->discovery != NULL, "panic",
                                prober_panics(context->service->prober, i), "nodes", nodes));
    }
    admin_reply_json(call, 200, json_pack("{s:o}", "clusters", clusters));
}
