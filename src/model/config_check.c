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
    return key->kind == KEY_TEXT ? strcmp(a, b) == 0 : config_address_equal(a, b);
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

/* ---- listeners ----------------------------------------------------------------------- */

/* Which listener before i, or i itself, has that address among its first n; SIZE_MAX = none. */
static size_t listener_at(const struct config *config, const char *address, size_t i, size_t n)
{
    for (size_t j = 0; j <= i; j++) {
        const struct listener_conf *listener = &config->listeners[j];
        for (size_t k = 0; k < (j < i ? listener->n_addresses : n); k++) {
            if (config_address_equal(listener->addresses[k], address))
                return j;
        }
    }
    return SIZE_MAX;
}

/* No two listening sockets on one address. */
static void check_addresses(struct config_load *load, const struct config_place *listener, size_t i)
{
    char got[CONFIG_GOT_MAX];
    struct config_place list;
    struct config_place element;
    const struct listener_conf *conf = &load->config->listeners[i];
    if (!config_place_member(load, listener, "address", &list))
        return;
    for (size_t k = 0; k < conf->n_addresses; k++) {
        size_t other = listener_at(load->config, conf->addresses[k], i, k);
        if (other == SIZE_MAX)
            continue;
        /* Addresses that were refused have left no trace: then the list itself must do. */
        bool same_place = json_array_size(list.value) == conf->n_addresses &&
                          config_place_element(load, &list, k, &element);
        const struct config_place *at = same_place ? &element : &list;
        config_quote(conf->addresses[k], got);
        if (other == i)
            config_error(load, at, "%s is in the list already", got);
        else
            config_error(load, at, "%s is taken by listeners[%zu]", got, other);
    }
}

static void check_listeners(struct config_load *load, const struct config_place *root)
{
    struct config_place list;
    struct config_place listener;
    struct config_place cluster;
    if (!config_place_member(load, root, "listeners", &list))
        return;
    for (size_t i = 0; i < load->config->n_listeners; i++) {
        if (!config_place_element(load, &list, i, &listener))
            continue;
        check_addresses(load, &listener, i);
        if (config_place_member(load, &listener, "cluster", &cluster))
            resolve(load, &cluster, &load->config->listeners[i].cluster);
    }
}

/* ---- clusters ------------------------------------------------------------------------ */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/*
 * No rule twice. Nor one that can never yield a key: the whole of a value that is not there
 * has been asked for before.
 */
static void check_rule(struct config_load *load, const struct config_place *at,
                       const struct cluster_conf *cluster, size_t i)
{
    const struct route_rule *rule = &cluster->route_by[i];
    for (size_t j = 0; j < i; j++) {
        const struct route_rule *earlier = &cluster->route_by[j];
        if (earlier->from != rule->from || rule->from == ROUTE_SOURCE_COUNT)
            continue;
        if (same_text(earlier->prefix_until, rule->prefix_until)) {
            config_error(load, at, "the same as route_by[%zu]", j);
            return;
        }
        if (!earlier->prefix_until) {
            config_warning(load, at, "never asked: route_by[%zu] takes the whole", j);
            return;
        }
    }
}

static void check_route_by(struct config_load *load, const struct config_place *cluster,
                           const struct cluster_conf *conf)
{
    struct config_place list;
    struct config_place element;
    if (!config_place_member(load, cluster, "route_by", &list))
        return;
    for (size_t i = 0; i < conf->n_route_by && config_place_element(load, &list, i, &element); i++)
        check_rule(load, &element, conf, i);
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
        check_route_by(load, &cluster, &config->clusters[i]);
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
