/*
 * readiness.c - tell load balancers and Kubernetes whether to send devices to this router. A router
 * that is not ready still serves its devices.
 */
#include "readiness.h"
#include "control/health/prober.h"

static const char *phase_name(enum admin_phase phase)
{
    static const char *const words[] = {
        [ADMIN_STARTING] = "starting", [ADMIN_SERVING] = "serving", [ADMIN_DRAINING] = "draining"};
    return words[phase];
}

/*
 * Return whether a node accepts new sessions. Paused nodes do if no other node is up. In panic
 * mode, nodes whose checks time out do too, except if the checks cannot even connect: this router
 * cannot reach such a node, but other routers may.
 */
static bool has_node_up(const struct prober *prober, const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->n; i++) {
        struct prober_facts facts;
        const enum node_status status = node_live_status(cluster->nodes[i].live);
        if ((status == NODE_UP || status == NODE_PAUSED) && cluster->homes[i].weight > 0 &&
            !(prober_read(prober, cluster->nodes[i].live, &facts) && facts.suspected &&
              facts.unreachable))
            return true;
    }
    return false;
}

static bool has_listener(const struct config *config, size_t cluster)
{
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].cluster == cluster)
            return true;
    return false;
}

/* List the clusters in scope without a usable node. Returns true if enough clusters have one. */
static bool can_serve(const struct service *service, enum admin_scope scope, size_t cluster,
                      json_t *reasons)
{
    const struct snapshot *snapshot = service->snapshot;
    size_t checked = 0, able = 0;
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        if ((scope == ADMIN_ONE_CLUSTER && i != cluster) ||
            (scope == ADMIN_ANY_LISTENER && !has_listener(snapshot->config, i)))
            continue;
        const bool has = has_node_up(service->prober, &snapshot->clusters[i]);
        checked++;
        able += has;
        if (!has)
            json_array_append_new(reasons,
                                  json_sprintf("no node of cluster \"%s\" accepts new sessions",
                                               snapshot->clusters[i].conf->name));
    }
    return scope == ADMIN_ANY_LISTENER ? able > 0 : able == checked;
}

json_t *admin_readiness(const struct admin_context *context, enum admin_scope scope, size_t cluster,
                        bool *ready)
{
    const enum admin_phase phase = context->phase(context->arg);
    json_t *reasons = json_array();
    if (phase != ADMIN_SERVING)
        json_array_append_new(reasons, json_sprintf("the router is %s", phase_name(phase)));
    const bool able = can_serve(context->service, scope, cluster, reasons);
    *ready = able && phase == ADMIN_SERVING;
    if (*ready)
        json_array_clear(reasons);
    return json_pack("{s:b, s:s, s:o}", "ready", *ready, "phase", phase_name(phase), "reasons",
                     reasons);
}
