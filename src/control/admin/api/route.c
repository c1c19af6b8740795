/*
 * route.c - GET route: show the nodes that a device would be placed on now.
 *
 * Like `mqtt-router route --config`, but with the current health and weights. Ignores limits,
 * slow start and bounded load, because their effects change all the time.
 */
#include <stdlib.h>
#include <string.h>

#include "control/admin/context.h"
#include "model/placement.h"
#include "model/route_key.h"
#include "net/address.h"
#include "routes.h"

static const struct cluster *find_cluster(struct admin_call *call)
{
    const struct snapshot *snapshot = admin_call_context(call)->service->snapshot;
    const char *name = admin_call_query(call, "cluster");
    const struct cluster *cluster = snapshot_find_cluster(snapshot, name);
    if (!cluster)
        admin_problem(call, 404, "cluster_unknown", "unknown cluster \"%s\"", name);
    return cluster;
}

/* Returns false if out of memory. */
static bool place(const struct cluster *cluster, struct span key, struct placement *out)
{
    bool *open = calloc(2 * cluster->n + 1, sizeof(*open)), *paused = open + cluster->n;
    const struct placement_view view = {.nodes = cluster->homes,
                                        .open = open,
                                        .backup = cluster->backup,
                                        .paused = paused,
                                        .n = cluster->n};
    for (size_t i = 0; open && i < cluster->n; i++) {
        const enum node_status status = node_live_status(cluster->nodes[i].live);
        open[i] = status == NODE_UP;
        paused[i] = status == NODE_PAUSED;
    }
    if (open)
        placement_by_key(&view, key, out);
    free(open);
    return open;
}

/* Return the name of the fact that contains the key. */
static const char *key_from(struct span key, const struct route_facts *facts)
{
    const struct {
        const uint8_t *p;
        const char *name;
    } all[] = {{facts->client_id.p, "client_id"},
               {facts->username.p, "username"},
               {facts->source_ip.p, "source_ip"},
               {facts->tls_cn.p, "tls_cn"},
               {facts->sni.p, "sni"}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (key.p && key.p == all[i].p)
            return all[i].name;
    return NULL;
}

static json_t *candidates_json(const struct cluster *cluster, const struct placement *placement)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < placement->n; i++) {
        const struct node *node = &cluster->nodes[placement->candidates[i]];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "node", node->conf->name,
                                              "address", node->conf->address, "status",
                                              node_status_name(node_live_status(node->live))));
    }
    return list;
}

static void answer(struct admin_call *call, const struct cluster *cluster,
                   const struct route_facts *facts)
{
    const struct cluster_conf *conf = cluster->conf;
    struct span key = {0};
    struct placement placement = {0};
    const bool has_key = route_key_pick(conf, facts, &key);
    if (has_key && !place(cluster, key, &placement)) {
        admin_problem(call, 500, "out_of_memory", "out of memory");
        return;
    }
    const char *home = placement.has_home ? cluster->nodes[placement.home].conf->name : NULL;
    const char *without = has_key                                    ? NULL
                          : conf->empty_client_id == EMPTY_ID_REFUSE ? "refused"
                                                                     : "least_loaded";
    admin_reply_json(call, 200,
                     json_pack("{s:s, s:o, s:s?, s:s?, s:o, s:s?}", "cluster", conf->name, "key",
                               has_key ? json_stringn((const char *)key.p, key.n) : json_null(),
                               "key_from", key_from(key, facts), "home", home, "candidates",
                               candidates_json(cluster, &placement), "without_key", without));
}

/* Read the source address in the form that workers hash; empty if it is missing. If it is invalid,
 * answers the call and returns false. */
static bool read_source_ip(struct admin_call *call, char text[ADDRESS_TEXT_MAX])
{
    const char *given = admin_call_query(call, "source_ip");
    text[0] = '\0';
    if (!given || address_normalize(given, text))
        return true;
    admin_problem(call, 400, "invalid_query", "source_ip: must be " ADDRESS_HOST_RULE);
    return false;
}

void admin_route(struct admin_call *call)
{
    char source_ip[ADDRESS_TEXT_MAX];
    const struct cluster *cluster = find_cluster(call);
    uint8_t server_name[ROUTE_SERVER_NAME_MAX];
    const struct span sni = span_of_str(admin_call_query(call, "sni"));
    if (!cluster || !read_source_ip(call, source_ip))
        return;
    const struct route_facts facts = {.client_id = span_of_str(admin_call_query(call, "client_id")),
                                      .username = span_of_str(admin_call_query(call, "username")),
                                      .source_ip = span_of_str(source_ip),
                                      .tls_cn = span_of_str(admin_call_query(call, "tls_cn")),
                                      .sni = route_key_server_name(sni, server_name)};
    answer(call, cluster, &facts);
}
