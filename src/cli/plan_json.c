/*
 * plan_json.c - the plan for programs.
 */
#include "plan_json.h"

#include <jansson.h>
#include <string.h>

static json_t *node_json(const char *name)
{
    return strcmp(name, PLAN_NOWHERE) == 0 ? json_null() : json_string(name);
}

static json_t *cluster_json(const struct plan_cluster *cluster)
{
    static const char *const fates[] = {
        [PLAN_STAYS] = "stays", [PLAN_ADDED] = "added", [PLAN_REMOVED] = "removed"};
    json_t *moves = json_array();
    for (size_t i = 0; i < cluster->n; i++) {
        const struct plan_move *move = &cluster->moves[i];
        json_array_append_new(moves, json_pack("{s:o, s:o, s:f}", "from", node_json(move->from),
                                               "to", node_json(move->to), "percent",
                                               plan_percent(cluster, move->keys)));
    }
    return json_pack("{s:s, s:s, s:f, s:o}", "name", cluster->name, "change", fates[cluster->fate],
                     "moved_percent", plan_percent(cluster, cluster->moved), "moves", moves);
}

bool plan_print_json(const struct plan_cluster *clusters, size_t n, FILE *out)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, cluster_json(&clusters[i]));
    json_t *plan = json_pack("{s:o}", "clusters", list);
    bool whole = plan && json_dumpf(plan, out, JSON_INDENT(2) | JSON_REAL_PRECISION(4)) == 0 &&
                 fputc('\n', out) != EOF;
    json_decref(plan);
    return whole;
}
