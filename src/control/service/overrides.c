/*
 * overrides.c - the states and weights that an operator has set.
 *
 * There are few of them, if any: a list of each is enough.
 */
#include "overrides.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "control/health/prober.h"
#include "proxy/snapshot.h"

/* One word on one node: a weight, or a state. */
struct word {
    struct list link;
    uint32_t value, in_file;
    const char *node; /* into names */
    char names[];     /* cluster, zero, node, zero */
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

static void drop(struct word *w)
{
    if (!w)
        return;
    list_remove(&w->link);
    free(w);
}

static void drop_all(struct list *words)
{
    while (!list_empty(words))
        drop(CONTAINER_OF(words->next, struct word, link));
}

void overrides_free(struct overrides *overrides)
{
    if (!overrides)
        return;
    drop_all(&overrides->weights);
    drop_all(&overrides->states);
    free(overrides);
}

static struct word *find(const struct list *words, const char *cluster, const char *node)
{
    for (struct list *l = words->next; l != words; l = l->next) {
        struct word *w = CONTAINER_OF(l, struct word, link);
        if (strcmp(w->names, cluster) == 0 && strcmp(w->node, node) == 0)
            return w;
    }
    return NULL;
}

/* A word without its names. */
struct said {
    uint32_t value, in_file;
};

static bool set(struct list *words, const char *cluster, const char *node, struct said said)
{
    const size_t n = strlen(cluster) + 1, m = strlen(node) + 1;
    struct word *before = find(words, cluster, node);
    if (said.value == said.in_file) {
        drop(before);
        return true;
    }
    struct word *w = malloc(sizeof(*w) + n + m);
    if (!w)
        return false;
    drop(before);
    w->value = said.value;
    w->in_file = said.in_file;
    memcpy(w->names, cluster, n);
    w->node = memcpy(w->names + n, node, m);
    list_append(words, &w->link);
    return true;
}

bool overrides_set_weight(struct overrides *overrides, const char *cluster, const char *node,
                          uint32_t weight, uint32_t in_file)
{
    return set(&overrides->weights, cluster, node, (struct said){weight, in_file});
}

bool overrides_set_state(struct overrides *overrides, const char *cluster, const char *node,
                         enum node_state state, enum node_state in_file)
{
    return set(&overrides->states, cluster, node, (struct said){state, in_file});
}

uint32_t overrides_weigh(const void *overrides, const char *cluster, const char *node,
                         uint32_t in_file)
{
    const struct word *w = find(&((const struct overrides *)overrides)->weights, cluster, node);
    return w && w->in_file == in_file ? w->value : in_file;
}

static const struct node *find_node(const struct cluster *cluster, const char *name)
{
    return cluster ? cluster_find_node(cluster, name) : NULL;
}

void overrides_apply(const struct overrides *overrides, const struct snapshot *snapshot,
                     struct prober *prober)
{
    for (struct list *l = overrides->states.next; l != &overrides->states; l = l->next) {
        const struct word *w = CONTAINER_OF(l, struct word, link);
        const struct node *node = find_node(snapshot_find_cluster(snapshot, w->names), w->node);
        struct prober_facts facts;
        if (node && node->conf->state == w->in_file && prober_read(prober, node->live, &facts) &&
            facts.admin_state != w->value)
            (void)prober_override(prober, w->names, w->node, (enum node_state)w->value);
    }
}

static void settle(struct list *words, const struct snapshot *snapshot, bool weights)
{
    for (struct list *l = words->next, *next; l != words; l = next) {
        next = l->next;
        struct word *w = CONTAINER_OF(l, struct word, link);
        const struct cluster *cluster = snapshot_find_cluster(snapshot, w->names);
        const struct node *node = find_node(cluster, w->node);
        const bool said_otherwise =
            node && (weights ? node->conf->weight : (uint32_t)node->conf->state) != w->in_file;
        if (said_otherwise || (!node && !(cluster && cluster->conf->discovery)))
            drop(w);
    }
}

void overrides_settle(struct overrides *overrides, const struct snapshot *snapshot)
{
    settle(&overrides->weights, snapshot, true);
    settle(&overrides->states, snapshot, false);
}
