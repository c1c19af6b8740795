/*
 * route.c - `mqtt-router route`: the same pick as a worker makes, on the command line.
 */
#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "model/placement.h"
#include "model/route_key.h"
#include "proxy/snapshot.h"

static enum placement_bar never(void *arg, uint32_t index, struct span key)
{
    (void)arg;
    (void)index;
    (void)key;
    return PLACEMENT_FREE;
}

/* Nodes are taken to be up unless the configuration says otherwise. False: memory is short. */
static bool place(const struct cluster *cluster, struct span key, struct placement *out)
{
    bool *open = calloc(cluster->n + 1, sizeof(*open));
    const struct placement_view view = {.nodes = cluster->homes,
                                        .open = open,
                                        .backup = cluster->backup,
                                        .n = cluster->n,
                                        .bar = never};
    for (size_t i = 0; open && i < cluster->n; i++)
        open[i] = cluster->nodes[i].conf->state == NODE_STATE_UP;
    if (open)
        placement_by_key(&view, key, out);
    free(open);
    return open;
}

static int print_candidates(const struct cluster *cluster, const struct route_query *query,
                            FILE *out, FILE *err)
{
    uint8_t server_name[ROUTE_SERVER_NAME_MAX];
    struct route_facts facts = {.client_id = span_of_str(query->client_id),
                                .username = span_of_str(query->username),
                                .source_ip = span_of_str(query->source_ip),
                                .tls_cn = span_of_str(query->tls_cn),
                                .sni = route_key_server_name(span_of_str(query->sni), server_name)};
    struct span key;
    if (!route_key_pick(cluster->conf, &facts, &key)) {
        (void)fprintf(err, "no route key: cluster \"%s\" would %s\n", cluster->conf->name,
                      cluster->conf->empty_client_id == EMPTY_ID_REFUSE
                          ? "refuse this device"
                          : "send this device to its least loaded node");
        return 1;
    }
    struct placement placement = {0};
    if (!place(cluster, key, &placement)) {
        (void)fprintf(err, "error: out of memory\n");
        return 1;
    }
    for (size_t i = 0; i < placement.n; i++) {
        const struct node_conf *conf = cluster->nodes[placement.candidates[i]].conf;
        (void)fprintf(out, "%zu %s %s\n", i + 1, conf->name, conf->address);
    }
    if (placement.n == 0)
        (void)fprintf(err, "no node of cluster \"%s\" takes new sessions\n", cluster->conf->name);
    return placement.n > 0 ? 0 : 1;
}

/* A discovered cluster has no nodes here: nobody was asked. */
static int print_found(const struct snapshot *snapshot, const struct route_query *query, FILE *out,
                       FILE *err)
{
    const struct cluster *cluster = snapshot_find_cluster(snapshot, query->cluster);
    if (cluster && !cluster->conf->discovery)
        return print_candidates(cluster, query, out, err);
    if (cluster)
        (void)fprintf(err, "error: the nodes of cluster \"%s\" are found by DNS\n",
                      cluster->conf->name);
    else
        (void)fprintf(err, "error: no cluster is called \"%s\"\n", query->cluster);
    return 1;
}

int route_command(struct config *config, const struct route_query *query, FILE *out, FILE *err)
{
    int code = 1;
    struct node_registry registry;
    node_registry_init(&registry, 0);
    struct snapshot *snapshot = snapshot_new(config, &registry, NULL, NULL);
    if (snapshot)
        code = print_found(snapshot, query, out, err);
    else
        (void)fprintf(err, "error: out of memory\n");
    snapshot_unref(snapshot);
    node_registry_fini(&registry);
    return code;
}
