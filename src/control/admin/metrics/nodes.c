/*
 * nodes.c - GET /metrics: the metrics of each node.
 *
 * First makes a view of each node, because all nodes' samples of one family must be consecutive.
 */
#include <stdlib.h>

#include "control/admin/context.h"
#include "control/health/key_shares.h"
#include "control/health/ports_watch.h"
#include "control/health/prober.h"
#include "metrics.h"
#include "text.h"

/* One node and its state. */
struct view {
    struct metrics_text *m;
    const struct admin_context *context;
    const struct cluster *cluster;
    const struct node *node;
    const struct node_live *live;
    struct prober_facts facts;
    double key_share;
};

static void label_node(const struct view *v)
{
    metrics_label(v->m, "cluster", v->cluster->conf->name);
    metrics_label(v->m, "node", v->node->conf->name);
}

static void put_of(const struct view *v, double value)
{
    label_node(v);
    metrics_sample(v->m, value);
}

static void put_status(const struct view *v)
{
    for (int status = 0; status < NODE_STATUS_COUNT; status++) {
        label_node(v);
        metrics_label(v->m, "status", node_status_name((enum node_status)status));
        metrics_sample(v->m, node_live_status(v->live) == (enum node_status)status);
    }
}

static void put_placements(const struct view *v)
{
    for (int kind = 0; kind < PLACEMENT_KIND_COUNT; kind++) {
        label_node(v);
        metrics_label(v->m, "placement", placement_kind_name((enum placement_kind)kind));
        metrics_sample(v->m, (double)NODE_LIVE_READ(v->live->placed[kind]));
    }
}

static void put_checks(const struct view *v)
{
    for (unsigned i = 0; v->facts.has_checks && i < HEALTH_CHECK_RESULTS; i++) {
        label_node(v);
        metrics_label(v->m, "result", check_result_name((enum check_result)i));
        metrics_sample(v->m, (double)v->facts.checks[i]);
    }
}

static void put_ports(const struct view *v)
{
    const uint64_t ports = ports_watch_ports(v->context->ports, v->cluster, v->node);
    if (ports > 0)
        put_of(v, (double)ports);
}

static void put_node_sessions(const struct view *v)
{
    put_of(v, NODE_LIVE_READ(v->live->sessions));
}

static void put_clean(const struct view *v)
{
    put_of(v, NODE_LIVE_READ(v->live->clean));
}

static void put_away(const struct view *v)
{
    put_of(v, node_live_off_home(v->live));
}

static void put_failures(const struct view *v)
{
    put_of(v, (double)NODE_LIVE_READ(v->live->failures));
}

static void put_weight(const struct view *v)
{
    put_of(v, v->node->weight);
}

static void put_limit(const struct view *v)
{
    put_of(v, v->node->max_connections);
}

static void put_key_share(const struct view *v)
{
    put_of(v, v->key_share);
}

static void put_suspected(const struct view *v)
{
    put_of(v, v->facts.suspected);
}

static void put_overridden(const struct view *v)
{
    put_of(v, v->facts.admin_state != v->facts.in_file || v->node->weight != v->node->conf->weight);
}

static const struct {
    const char *name;
    enum metric_type type;
    const char *help;
    void (*put)(const struct view *v);
} node_families[] = {
    {"node_status", METRIC_GAUGE, "1 for the current status of a node, 0 for every other status.",
     put_status},
    {"node_sessions", METRIC_GAUGE, "Sessions on a node, including those being placed.",
     put_node_sessions},
    {"node_sessions_clean", METRIC_GAUGE,
     "Relayed sessions on a node that the broker does not keep after they end.", put_clean},
    {"node_sessions_away", METRIC_GAUGE, "Sessions on other nodes whose home is this node.",
     put_away},
    {"node_sessions_limit", METRIC_GAUGE,
     "Maximum number of sessions on a node (max_connections); 0 means no limit.", put_limit},
    {"node_placements_total", METRIC_COUNTER, "Sessions placed on a node, by kind of placement.",
     put_placements},
    {"node_failures_total", METRIC_COUNTER, "Session failures that count against a node.",
     put_failures},
    {"node_checks_total", METRIC_COUNTER,
     "Health checks of a node, by result: good, no_new, timeout, bad.", put_checks},
    {"node_suspected", METRIC_GAUGE,
     "1 if a node accepts sessions although its checks time out, because its cluster is in panic "
     "mode.",
     put_suspected},
    {"node_weight", METRIC_GAUGE, "Current weight of a node.", put_weight},
    {"node_key_share_ratio", METRIC_GAUGE, "Share of all keys whose home is currently this node.",
     put_key_share},
    {"node_overridden", METRIC_GAUGE,
     "1 if an operator has overridden the state or weight of a node.", put_overridden},
    {"node_local_ports", METRIC_GAUGE, "Local ports available for sessions on a node.", put_ports},
};

/* Make a view of each node. Returns null if out of memory. */
static struct view *views_new(struct metrics_text *m, const struct admin_context *context,
                              size_t *n)
{
    struct service *service = context->service;
    const struct snapshot *snapshot = service->snapshot;
    const uint32_t *shares = key_shares_get(context->shares, service->snapshot, service->registry);
    *n = 0;
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        *n += snapshot->clusters[i].n_all;
    struct view *views = calloc(*n + 1, sizeof(*views));
    size_t at = 0;
    for (size_t i = 0; views && i < snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = &snapshot->clusters[i];
        for (size_t k = 0; k < cluster->n_all; k++) {
            const struct node *node = &cluster->nodes[k];
            struct view *v = &views[at++];
            *v = (struct view){
                .m = m, .context = context, .cluster = cluster, .node = node, .live = node->live};
            if (!prober_read(service->prober, node->live, &v->facts))
                v->facts = (struct prober_facts){0};
            v->key_share = shares && k < cluster->n ? *shares++ / 1000.0 : 0;
        }
    }
    return views;
}

static void put_clusters(struct metrics_text *m, const struct service *service)
{
    metrics_family(m, "cluster_panic", METRIC_GAUGE,
                   "1 if a cluster is in panic mode: checks of too many nodes time out, so these "
                   "nodes still accept sessions.");
    for (size_t i = 0; i < service->snapshot->config->n_clusters; i++) {
        metrics_label(m, "cluster", service->snapshot->config->clusters[i].name);
        metrics_sample(m, prober_panics(service->prober, i));
    }
}

void metrics_nodes(struct metrics_text *m, const struct admin_context *context)
{
    size_t n;
    put_clusters(m, context->service);
    struct view *views = views_new(m, context, &n);
    for (size_t i = 0; views && i < ARRAY_LEN(node_families); i++) {
        metrics_family(m, node_families[i].name, node_families[i].type, node_families[i].help);
        for (size_t k = 0; k < n; k++)
            node_families[i].put(&views[k]);
    }
    free(views);
}
