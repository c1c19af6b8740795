/*
 * config_check.c - what no single row can see: names that refer, siblings that clash, keys
 * that exclude each other.
 *
 * Runs over configurations that already have errors too, so any text may be null and any
 * list empty; it says nothing about what the readers have complained about already.
 */
#include "model/config_load.h"

#include <string.h>

#include "model/config_address.h"
#include "model/config_message.h"
#include "model/config_store.h"

static bool same(const struct config_key *key, const char *a, const char *b)
{
    if (!a || !b)
        return false;
    return key->kind == KEY_NAME ? strcmp(a, b) == 0 : config_address_equal(a, b);
}

/* The text of element i's field. */
static const char *text_of(const char *list, size_t i, const struct config_table *table,
                           const struct config_key *key)
{
    return config_pointer(key, list + i * table->struct_size);
}

/* Report element i when an earlier one has the same text in this field. */
static void check_element(struct config_load *load, const struct config_table *table,
                          const struct config_key *key, const char *list,
                          const struct config_place *element)
{
    char got[CONFIG_GOT_MAX];
    struct config_place field;
    const char *text = text_of(list, element->index, table, key);
    for (size_t j = 0; text && j < element->index; j++) {
        if (!same(key, text, text_of(list, j, table, key)))
            continue;
        if (!config_place_member(load, element, key->key, &field))
            return;
        const char *list_key = element->up->key;
        if (key->unique)
            config_error(load, &field, "%s is taken by %s[%zu]", config_quote(text, got), list_key,
                         j);
        else
            config_warning(load, &field, "%s is the %s of %s[%zu] too", config_quote(text, got),
                           key->key, list_key, j);
        return;
    }
}

void config_check_unique(struct config_load *load, const struct config_key *list,
                         const struct config_place *at, void *object)
{
    const char *elements = config_pointer(list, object);
    struct config_place element;
    for (size_t i = 0; i < list->table->n_keys; i++) {
        const struct config_key *key = &list->table->keys[i];
        if (!key->unique && !key->unique_advised)
            continue;
        for (size_t j = 0; config_place_element(load, at, j, &element); j++)
            check_element(load, list->table, key, elements, &element);
    }
}

static void unknown_cluster(struct config_load *load, const struct config_place *at,
                            const char *name)
{
    char got[CONFIG_GOT_MAX];
    char near[CONFIG_GOT_MAX];
    size_t best = SIZE_MAX;
    const char *nearest = NULL;
    struct config *config = load->config;
    for (size_t i = 0; i < config->n_clusters; i++) {
        const char *candidate = config->clusters[i].name;
        if (candidate && config_nearer(name, candidate, &best))
            nearest = candidate;
    }
    if (!nearest && config->n_clusters == 1)
        nearest = config->clusters[0].name;
    if (nearest)
        config_error(load, at, "no cluster is named %s; did you mean %s?", config_quote(name, got),
                     config_quote(nearest, near));
    else
        config_error(load, at, "no cluster is named %s", config_quote(name, got));
}

/* One listener's cluster name becomes an index; marks the cluster as used. */
static void resolve(struct config_load *load, const struct config_place *at, size_t *cluster)
{
    struct config *config = load->config;
    const char *name = json_string_value(at->value);
    if (!name || !*name || strlen(name) != json_string_length(at->value))
        return;
    for (size_t i = 0; i < config->n_clusters; i++) {
        if (config->clusters[i].name && strcmp(config->clusters[i].name, name) == 0) {
            *cluster = i;
            return;
        }
    }
    unknown_cluster(load, at, name);
}

static void check_listeners(struct config_load *load, const struct config_place *root)
{
    struct config_place list;
    struct config_place listener;
    struct config_place cluster;
    if (!config_place_member(load, root, "listeners", &list))
        return;
    for (size_t i = 0; i < load->config->n_listeners; i++) {
        if (config_place_element(load, &list, i, &listener) &&
            config_place_member(load, &listener, "cluster", &cluster))
            resolve(load, &cluster, &load->config->listeners[i].cluster);
    }
}

static bool has_weight(const struct cluster_conf *cluster)
{
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        if (cluster->nodes[i].weight > 0)
            return true;
    }
    return false;
}

static bool is_used(const struct config *config, size_t cluster)
{
    for (size_t i = 0; i < config->n_listeners; i++) {
        if (config->listeners[i].cluster == cluster)
            return true;
    }
    return false;
}

static void check_clusters(struct config_load *load, const struct config_place *root)
{
    struct config_place list;
    struct config_place cluster;
    struct config_place nodes;
    struct config *config = load->config;
    if (!config_place_member(load, root, "clusters", &list))
        return;
    for (size_t i = 0; i < config->n_clusters; i++) {
        if (!config_place_element(load, &list, i, &cluster))
            continue;
        if (config->clusters[i].n_nodes > 0 && !has_weight(&config->clusters[i]) &&
            config_place_member(load, &cluster, "nodes", &nodes))
            config_error(load, &nodes, "want one node at least with a weight above 0");
        /* With errors elsewhere a listener's reference may only be misread. */
        if (load->messages->errors == 0 && !is_used(config, i))
            config_warning(load, &cluster, "no listener uses this cluster");
    }
}

static void check_idle(struct config_load *load, const struct config_place *root)
{
    struct config_place timeouts;
    struct config_place idle;
    struct config_place idle_ms;
    if (config_place_member(load, root, "timeouts", &timeouts) &&
        config_place_member(load, &timeouts, "idle", &idle) &&
        config_place_member(load, &timeouts, "idle_ms", &idle_ms))
        config_error(load, &idle_ms, "\"idle\" is set too; want one of the two");
}

void config_check_whole(struct config_load *load, const struct config_place *root)
{
    check_listeners(load, root);
    check_clusters(load, root);
    check_idle(load, root);
}
