/*
 * admin_health.c - is the process alive, and should devices be sent here? For those who look
 * after many routers: Kubernetes, load balancers.
 */
#include <stdio.h>

#include "admin_health.h"
#include "admin_house.h"
#include "admin_routes.h"

static const char *phase_word(enum admin_phase phase)
{
    static const char *const words[] = {
        [ADMIN_STARTING] = "starting", [ADMIN_SERVING] = "serving", [ADMIN_DRAINING] = "draining"};
    return words[phase];
}

/* One that takes new sessions. */
static bool has_node_up(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->n; i++)
        if (node_live_status(cluster->nodes[i].live) == NODE_UP && cluster->homes[i].weight > 0)
            return true;
    return false;
}

json_t *admin_readiness(const struct admin_house *house, bool *ready)
{
    const struct snapshot *snapshot = house->service->snapshot;
    const enum admin_phase phase = house->phase(house->arg);
    json_t *reasons = json_array();
    if (phase != ADMIN_SERVING)
        json_array_append_new(reasons, json_sprintf("it is %s", phase_word(phase)));
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        if (!has_node_up(&snapshot->clusters[i]))
            json_array_append_new(reasons,
                                  json_sprintf("no node of cluster \"%s\" takes new sessions",
                                               snapshot->clusters[i].conf->name));
    *ready = json_array_size(reasons) == 0 && phase == ADMIN_SERVING;
    return json_pack("{s:b, s:s, s:o}", "ready", *ready, "phase", phase_word(phase), "reasons",
                     reasons);
}

void admin_healthz(struct admin_call *call)
{
    admin_reply_json(call, 200, json_pack("{s:s}", "status", "alive"));
}

void admin_readyz(struct admin_call *call)
{
    bool ready;
    json_t *answer = admin_readiness(admin_call_house(call), &ready);
    admin_reply_json(call, ready ? 200 : 503, answer);
}
