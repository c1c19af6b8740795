/*
 * overrides.c - node states and weights that an operator has set at run time.
 *
 * There are few overrides, so each kind is a plain list. A state takes effect in the prober, a
 * weight in the next snapshot.
 */
#include "overrides.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "control/health/prober.h"
#include "proxy/snapshot.h"

/* The weight or state of a node. */
struct override {
    struct list link;
    uint32_t value, in_file;
    const char *node; /* points into names */
    char names[];     /* cluster, NUL, node, NUL */
};

struct overrides {
    struct list weights, states;
};

struct overrides *overrides_new(void)
{
    struct overrides *overrides = malloc(sizeof(*overrides));
    if (!overrides)
        return NULL;
    list_init(&overrides->weights);
    list_init(&overrides->states);
    return overrides;
}

static void drop(struct override *o)
{
    if (!o)
        return;
    list_remove(&o->link);
    free(o);
}

static void drop_all(struct list *list)
{
    while (!list_empty(list))
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is no longer in the list */
        drop(CONTAINER_OF(list->next, struct override, link));
}

void overrides_free(struct overrides *overrides)
{
    if (!overrides)
        return;
    drop_all(&overrides->weights);
    drop_all(&overrides->states);
    free(overrides);
}

static struct override *find(const struct list *list, const char *cluster, const char *node)
{
    for (struct list *l = list->next; l != list; l = l->next) {
        struct override *o = CONTAINER_OF(l, struct override, link);
        if (strcmp(o->names, cluster) == 0 && strcmp(o->node, node) == 0)
            return o;
    }
    return NULL;
}

struct setting {
    uint32_t value, in_file;
};

static bool set(struct list *list, const char *cluster, const char *node, struct setting to)
{
    const size_t n = strlen(cluster) + 1, m = strlen(node) + 1;
    struct override *before = find(list, cluster, node);
    if (to.value == to.in_file) {
        drop(before);
        return true;
    }
    struct override *o = malloc(sizeof(*o) + n + m);
    if (!o)
        return false;
    drop(before);
    o->value = to.value;
    o->in_file = to.in_file;
    memcpy(o->names, cluster, n);
    o->node = memcpy(o->names + n, node, m);
    list_append(list, &o->link);
    return true;
}

bool overrides_set_weight(struct overrides *overrides, const char *cluster, const char *node,
                          uint32_t weight, uint32_t in_file)
{
    return set(&overrides->weights, cluster, node, (struct setting){weight, in_file});
}

bool overrides_set_state(struct overrides *overrides, const char *cluster, const char *node,
                         enum node_state state, enum node_state in_file)
{
    return set(&overrides->states, cluster, node, (struct setting){state, in_file});
}

uint32_t overrides_weigh(const void *overrides, const char *cluster, const char *node,
                         uint32_t in_file)
{
    const struct override *o = find(&((const struct overrides *)overrides)->weights, cluster, node);
    return o && o->in_file == in_file ? o->value : in_file;
}

static const struct node *find_node(const struct cluster *cluster, const char *name)
{
    return cluster ? cluster_find_node(cluster, name) : NULL;
}

void overrides_apply(const struct overrides *overrides, const struct snapshot *snapshot,
                     struct prober *prober)
{
    for (struct list *l = overrides->states.next; l != &overrides->states; l = l->next) {
        const struct override *o = CONTAINER_OF(l, struct override, link);
        const struct node *node = find_node(snapshot_find_cluster(snapshot, o->names), o->node);
        struct prober_facts facts;
        if (node && node->conf->state == o->in_file && prober_read(prober, node->live, &facts) &&
            facts.admin_state != o->value)
            (void)prober_override(prober, o->names, o->node, (enum node_state)o->value);
    }
}

static void settle(struct list *list, const struct snapshot *snapshot, bool weights)
{
    for (struct list *l = list->next, *next; l != list; l = next) {
        next = l->next;
        struct override *o = CONTAINER_OF(l, struct override, link);
        const struct cluster *cluster = snapshot_find_cluster(snapshot, o->names);
        const struct node *node = find_node(cluster, o->node);
        const bool is_outdated =
            node && (weights ? node->conf->weight : (uint32_t)node->conf->state) != o->in_file;
        if (is_outdated || (!node && !(cluster && cluster->conf->discovery)))
            drop(o);
    }
}

void overrides_settle(struct overrides *overrides, const struct snapshot *snapshot)
{
    settle(&overrides->weights, snapshot, true);
    settle(&overrides->states, snapshot, false);
}
