/*
 * route_command.c - `mqtt-router route`: the same pick as a worker makes, on the command line.
 */
#include "control/route_command.h"

#include <string.h>

#include "model/route_key.h"
#include "proxy/snapshot.h"

static const struct cluster *find_cluster(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        if (!name || strcmp(snapshot->config->clusters[i].name, name) == 0)
            return &snapshot->clusters[i];
    return NULL;
}

static int print_candidates(const struct cluster *cluster, const struct route_query *query,
                            FILE *out, FILE *err)
{
    struct route_facts facts = {.client_id = span_of_str(query->client_id),
                                .username = span_of_str(query->username),
                                .source_ip = span_of_str(query->source_ip),
                                .tls_cn = span_of_str(query->tls_cn),
                                .sni = span_of_str(query->sni)};
    struct span key;
    if (!route_key_pick(cluster->conf, &facts, &key)) {
        (void)fprintf(err, "no route key: cluster \"%s\" would %s\n", cluster->conf->name,
                      cluster->conf->empty_client_id == EMPTY_ID_REFUSE
                          ? "refuse this device"
                          : "send this device to its least loaded node");
        return 1;
    }
    uint32_t candidates[SNAPSHOT_CANDIDATES_MAX];
    size_t n = cluster_candidates(cluster, key, candidates);
    for (size_t i = 0; i < n; i++) {
        const struct node_conf *conf = cluster->nodes[candidates[i]].conf;
        (void)fprintf(out, "%zu %s %s\n", i + 1, conf->name, conf->address);
    }
    if (n == 0)
        (void)fprintf(err, "no node of cluster \"%s\" has a weight\n", cluster->conf->name);
    return n > 0 ? 0 : 1;
}

int route_command(struct config *config, const struct route_query *query, FILE *out, FILE *err)
{
    int code = 1;
    struct snapshot *snapshot = snapshot_new(config);
    const struct cluster *cluster = snapshot ? find_cluster(snapshot, query->cluster) : NULL;
    if (!snapshot)
        (void)fprintf(err, "error: out of memory\n");
    else if (!cluster)
        (void)fprintf(err, "error: no cluster is called \"%s\"\n", query->cluster);
    else
        code = print_candidates(cluster, query, out, err);
    snapshot_free(snapshot);
    return code;
}
