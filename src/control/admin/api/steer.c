/*
 * steer.c - change a node's state, weight or drain at run time, and start homecoming.
 *
 * A request is checked completely before anything is changed.
 */
#include <string.h>

#include "control/health/evictor.h"
#include "control/health/prober.h"
#include "control/reload/reload.h"
#include "control/service/overrides.h"
#include "nodes.h"
#include "routes.h"

#define WEIGHT_MAX   65535u
#define RATE_MAX     1000000u
#define DEADLINE_MAX 86400000u

/* The changes that a request makes. */
struct change {
    bool has_state, has_weight, weight_of_file;
    enum node_state state;
    uint32_t weight;
    uint32_t drain_rate_per_s, drain_deadline_ms; /* 0 = as configured */
};

static bool is_serving(struct admin_call *call)
{
    const struct admin_context *context = admin_call_context(call);
    if (context->phase(context->arg) == ADMIN_SERVING)
        return true;
    admin_problem(call, 409, "not_serving", "the router is starting or draining");
    return false;
}

/* Find a node, including removed ones, whose remaining sessions can still be drained. */
static bool find_node(const struct snapshot *snapshot, const char *cluster, const char *node,
                      struct admin_node *out)
{
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        *out = (struct admin_node){.cluster = &snapshot->clusters[i]};
        if (strcmp(out->cluster->conf->name, cluster) != 0)
            continue;
        for (; out->index < out->cluster->n_all; out->index++)
            if (strcmp(out->cluster->nodes[out->index].conf->name, node) == 0)
                return true;
        return false;
    }
    return false;
}

static bool read_state(struct admin_call *call, struct change *change)
{
    const char *text = NULL;
    if (!admin_body_text(call, "state", &text))
        return false;
    if (!text)
        return true;
    for (int state = NODE_STATE_UP; state < NODE_STATE_COUNT; state++) {
        if (strcmp(text, admin_state_name((enum node_state)state)) != 0)
            continue;
        change->has_state = true;
        change->state = (enum node_state)state;
        return true;
    }
    admin_problem(call, 400, "invalid_body", "state: must be \"up\", \"draining\" or \"down\"");
    return false;
}

static bool read_weight(struct admin_call *call, struct change *change)
{
    const json_t *value = json_object_get(admin_call_body(call), "weight");
    change->weight_of_file = json_is_null(value);
    change->has_weight = value && !change->weight_of_file;
    return !change->has_weight || admin_body_number(call, "weight", 0, WEIGHT_MAX, &change->weight);
}

static bool read_change(struct admin_call *call, struct change *change)
{
    *change = (struct change){0};
    if (!admin_body_has_only(call, "state weight drain_rate_per_s drain_deadline_ms") ||
        !read_state(call, change) || !read_weight(call, change) ||
        !admin_body_number(call, "drain_rate_per_s", 1, RATE_MAX, &change->drain_rate_per_s) ||
        !admin_body_number(call, "drain_deadline_ms", 1, DEADLINE_MAX, &change->drain_deadline_ms))
        return false;
    if (json_object_size(admin_call_body(call)) > 0)
        return true;
    admin_problem(call, 400, "invalid_body",
                  "expected one or more of: state weight drain_rate_per_s drain_deadline_ms");
    return false;
}

/* Returns false, and changes nothing, if out of memory. */
static bool set_weight(const struct admin_context *context, const struct admin_node *at,
                       const struct change *change)
{
    const struct node_conf *conf = at->cluster->nodes[at->index].conf;
    const uint32_t before = at->cluster->nodes[at->index].weight;
    const char *cluster = at->cluster->conf->name;
    if (!change->has_weight && !change->weight_of_file)
        return true;
    const uint32_t wanted = change->has_weight ? change->weight : conf->weight;
    if (!overrides_set_weight(context->overrides, cluster, conf->name, wanted, conf->weight))
        return false;
    if (reload_members(context->service))
        return true;
    (void)!overrides_set_weight(context->overrides, cluster, conf->name, before, conf->weight);
    return false;
}

static void log_change(const struct admin_context *context, const struct node_live *live,
                       const struct change *change)
{
    struct log_line line;
    log_begin(&line, context->service->log, LOG_NOTICE, "node.steered");
    log_text(&line, "cluster", live->cluster);
    log_text(&line, "node", live->name);
    if (change->has_state)
        log_text(&line, "state", admin_state_name(change->state));
    if (change->has_weight)
        log_u64(&line, "weight", change->weight);
    if (change->weight_of_file)
        log_text(&line, "weight", "as in the file");
    if (change->drain_rate_per_s)
        log_u64(&line, "drain_rate_per_s", change->drain_rate_per_s);
    if (change->drain_deadline_ms)
        log_u64(&line, "drain_deadline_ms", change->drain_deadline_ms);
    log_emit(&line);
}

static void apply(const struct admin_context *context, const struct admin_node *at,
                  const struct change *change)
{
    const struct cluster_conf *conf = at->cluster->conf;
    struct node_live *live = at->cluster->nodes[at->index].live;
    const enum node_state in_file = at->cluster->nodes[at->index].conf->state;
    log_change(context, live, change);
    if (change->has_state) /* if out of memory, the override is lost when the node is removed and
                              added again */
        (void)!overrides_set_state(context->overrides, live->cluster, live->name, change->state,
                                   in_file);
    if (change->has_state)
        (void)prober_override(context->service->prober, live->cluster, live->name, change->state);
    if (change->drain_rate_per_s || change->drain_deadline_ms)
        evictor_set_drain(
            context->service->evictor, live,
            change->drain_rate_per_s ? change->drain_rate_per_s : conf->drain_rate_per_s,
            change->drain_deadline_ms ? change->drain_deadline_ms : conf->drain_deadline_ms);
}

void admin_node_steer(struct admin_call *call)
{
    struct admin_context *context = admin_call_context(call);
    const char *cluster = admin_call_part(call, 0), *node = admin_call_part(call, 1);
    struct admin_node at;
    struct change change;
    if (!find_node(context->service->snapshot, cluster, node, &at)) {
        admin_problem(call, 404, "node_unknown", "cluster \"%s\" has no node \"%s\"", cluster,
                      node);
        return;
    }
    if (!is_serving(call) || !read_change(call, &change))
        return;
    if (at.index >= at.cluster->n && (change.has_weight || change.weight_of_file)) {
        admin_problem(
            call, 400, "invalid_body",
            "weight: the node is no longer in the configuration, so it is not the home of any key");
        return;
    }
    if (!set_weight(context, &at, &change)) {
        admin_problem(call, 500, "out_of_memory", "out of memory");
        return;
    }
    if (find_node(context->service->snapshot, cluster, node, &at)) { /* in the new snapshot */
        apply(context, &at, &change);
        admin_reply_json(call, 200, admin_node_json(context, &at));
    } else {
        admin_problem(call, 404, "node_unknown", "the node was removed in the meantime");
    }
}

/* ---- homecoming ---- */

struct homecoming {
    const char *cluster, *node; /* null = all */
    uint32_t rate_per_s;
};

static bool matches(const struct homecoming *request, const struct node_live *live)
{
    return (!request->cluster || strcmp(request->cluster, live->cluster) == 0) &&
           (!request->node || strcmp(request->node, live->name) == 0);
}

/* Start homecoming on all matching nodes, and list these nodes. */
static json_t *bring_home(const struct admin_context *context, const struct homecoming *request)
{
    const struct snapshot *snapshot = context->service->snapshot;
    json_t *nodes = json_array();
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = &snapshot->clusters[i];
        for (size_t k = 0; k < cluster->n; k++) {
            struct node_live *live = cluster->nodes[k].live;
            if (!matches(request, live))
                continue;
            json_array_append_new(nodes, json_pack("{s:s, s:s, s:i}", "cluster", live->cluster,
                                                   "node", live->name, "sessions_away",
                                                   (int)node_live_off_home(live)));
            evictor_bring_home(context->service->evictor, live, request->rate_per_s);
        }
    }
    return nodes;
}

void admin_homecoming(struct admin_call *call)
{
    struct homecoming request = {0};
    if (!is_serving(call) || !admin_body_has_only(call, "cluster node rate_per_s") ||
        !admin_body_text(call, "cluster", &request.cluster) ||
        !admin_body_text(call, "node", &request.node) ||
        !admin_body_number(call, "rate_per_s", 1, RATE_MAX, &request.rate_per_s))
        return;
    if (request.rate_per_s == 0) {
        admin_problem(call, 400, "invalid_body", "rate_per_s: must be an integer in 1..%u",
                      RATE_MAX);
        return;
    }
    json_t *nodes = bring_home(admin_call_context(call), &request);
    if (json_array_size(nodes) > 0) {
        admin_reply_json(call, 200, json_pack("{s:o}", "nodes", nodes));
        return;
    }
    json_decref(nodes);
    admin_problem(call, 404, "node_unknown", "no node matches");
}
