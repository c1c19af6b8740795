/*
 * overrides.c - the weights that an operator has set.
 *
 * There are few of them, if any: a list is enough.
 */
#include "overrides.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "proxy/snapshot.h"

struct weight {
    struct list link;
    uint32_t weight, in_file;
    const char *node; /* into names */
    char names[];     /* cluster, zero, node, zero */
};

struct overrides {
    struct list weights;
};

struct overrides *overrides_new(void)
{
    struct overrides *overrides = malloc(sizeof(*overrides));
    if (overrides)
        list_init(&overrides->weights);
    return overrides;
}

static void drop(struct weight *w)
{
    if (!w)
        return;
    list_remove(&w->link);
    free(w);
}

void overrides_free(struct overrides *overrides)
{
    if (!overrides)
        return;
    while (!list_empty(&overrides->weights))
        drop(CONTAINER_OF(overrides->weights.next, struct weight, link));
    free(overrides);
}

static struct weight *find(const struct overrides *overrides, const char *cluster, const char *node)
{
    for (struct list *l = overrides->weights.next; l != &overrides->weights; l = l->next) {
        struct weight *w = CONTAINER_OF(l, struct weight, link);
        if (strcmp(w->names, cluster) == 0 && strcmp(w->node, node) == 0)
            return w;
    }
    return NULL;
}

bool overrides_set_weight(struct overrides *overrides, const char *cluster, const char *node,
                          uint32_t weight, uint32_t in_file)
{
    const size_t n = strlen(cluster) + 1, m = strlen(node) + 1;
    struct weight *before = find(overrides, cluster, node);
    if (weight == in_file) {
        drop(before);
        return true;
    }
    struct weight *w = malloc(sizeof(*w) + n + m);
    if (!w)
        return false;
    drop(before);
    w->weight = weight;
    w->in_file = in_file;
    memcpy(w->names, cluster, n);
    w->node = memcpy(w->names + n, node, m);
    list_append(&overrides->weights, &w->link);
    return true;
}

uint32_t overrides_weigh(const void *overrides, const char *cluster, const char *node,
                         uint32_t in_file)
{
    const struct weight *w = find(overrides, cluster, node);
    return w && w->in_file == in_file ? w->weight : in_file;
}

static bool is_there(const struct snapshot *snapshot, const struct weight *w)
{
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = &snapshot->clusters[i];
        if (strcmp(cluster->conf->name, w->names) != 0)
            continue;
        for (size_t k = 0; k < cluster->n; k++)
            if (strcmp(cluster->nodes[k].conf->name, w->node) == 0)
                return cluster->nodes[k].conf->weight == w->in_file;
    }
    return false;
}

void overrides_settle(struct overrides *overrides, const struct snapshot *snapshot)
{
    for (struct list *l = overrides->weights.next, *next; l != &overrides->weights; l = next) {
        next = l->next;
        struct weight *w = CONTAINER_OF(l, struct weight, link);
        if (!is_there(snapshot, w))
            drop(w);
    }
}
