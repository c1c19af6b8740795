/*
 * route.c - `mqtt-router route --config`: place a device as a worker would.
 *
 * Uses only the configuration: health, load and limits are not known. remote.c queries a running
 * router instead.
 */
#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "model/placement.h"
#include "model/route_key.h"

bool route_nodes_init(struct route_nodes *nodes, const struct cluster_conf *conf)
{
    const size_t n = conf ? conf->n_nodes : 0;
    *nodes = (struct route_nodes){.nodes = calloc(n + 1, sizeof(*nodes->nodes)),
                                  .backup = calloc(n + 1, sizeof(*nodes->backup)),
                                  .n = n};
    for (size_t i = 0; nodes->nodes && nodes->backup && i < n; i++) {
        const struct node_conf *node = &conf->nodes[i];
        nodes->nodes[i] =
            (struct rendezvous_node){.name = node->name,
                                     .seed = rendezvous_seed(node->name),
                                     .weight = node->state == NODE_STATE_UP ? node->weight : 0};
        nodes->backup[i] = node->backup;
    }
    return nodes->nodes && nodes->backup;
}

void route_nodes_fini(struct route_nodes *nodes)
{
    free(nodes->nodes);
    free(nodes->backup);
}

/* False: out of memory. */
static bool place(const struct cluster_conf *conf, struct span key, struct placement *out)
{
    struct route_nodes nodes;
    bool *open = malloc((conf->n_nodes + 1) * sizeof(*open));
    const bool ready = route_nodes_init(&nodes, conf) && open;
    if (ready) {
        const struct placement_view view = {
            .nodes = nodes.nodes, .open = open, .backup = nodes.backup, .n = nodes.n};
        memset(open, true, nodes.n * sizeof(*open));
        placement_by_key(&view, key, out);
    }
    free(open);
    route_nodes_fini(&nodes);
    return ready;
}

static int print_candidates(const struct cluster_conf *cluster, const struct route_query *query,
                            FILE *out, FILE *err)
{
    uint8_t server_name[ROUTE_SERVER_NAME_MAX];
    struct route_facts facts = {.client_id = span_of_str(query->client_id),
                                .username = span_of_str(query->username),
                                .source_ip = span_of_str(query->source_ip),
                                .tls_cn = span_of_str(query->tls_cn),
                                .sni = route_key_server_name(span_of_str(query->sni), server_name)};
    struct span key;
    if (!route_key_pick(cluster, &facts, &key)) {
        (void)fprintf(err, "no route key: cluster \"%s\" would %s\n", cluster->name,
                      cluster->empty_client_id == EMPTY_ID_REFUSE
                          ? "refuse this device"
                          : "send this device to the least loaded node");
        return 1;
    }
    struct placement placement = {0};
    if (!place(cluster, key, &placement)) {
        (void)fprintf(err, "error: out of memory\n");
        return 1;
    }
    for (size_t i = 0; i < placement.n; i++) {
        const struct node_conf *conf = &cluster->nodes[placement.candidates[i]];
        (void)fprintf(out, "%zu %s %s\n", i + 1, conf->name, conf->address);
    }
    if (placement.n == 0)
        (void)fprintf(err, "no node of cluster \"%s\" accepts new sessions\n", cluster->name);
    return placement.n > 0 ? 0 : 1;
}

int route_command(const struct config *config, const struct route_query *query, FILE *out,
                  FILE *err)
{
    size_t index;
    const bool found = config_find_cluster(config, query->cluster, &index);
    const struct cluster_conf *cluster = found ? &config->clusters[index] : NULL;
    if (cluster && !cluster->discovery)
        return print_candidates(cluster, query, out, err);
    if (cluster)
        (void)fprintf(
            err,
            "error: cluster \"%s\": its nodes are discovered by DNS, so they are not in the file\n",
            cluster->name);
    else
        (void)fprintf(err, "error: unknown cluster \"%s\"\n", query->cluster);
    return 1;
}
