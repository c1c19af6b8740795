/*
 * placement_testing.h - a cluster for tests of placement.
 */
#ifndef TEST_PLACEMENT_TESTING_H
#define TEST_PLACEMENT_TESTING_H

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "model/placement.h"

#define FLEET_MAX 64u

/* A cluster that tests can modify. Initially all nodes are open and free, with weight 1. */
struct fleet {
    size_t n;
    char names[FLEET_MAX][16];
    struct rendezvous_node nodes[FLEET_MAX];
    bool open[FLEET_MAX], backup[FLEET_MAX], paused[FLEET_MAX];
    enum placement_availability bars[FLEET_MAX];
    uint32_t sessions[FLEET_MAX];
    size_t asked; /* number of availability checks */
};

/* The first node is called "emqx<from>". */
static inline void fleet_init(struct fleet *f, size_t n, unsigned from)
{
    memset(f, 0, sizeof(*f));
    assert(n <= FLEET_MAX);
    f->n = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(f->names[i], sizeof(f->names[i]), "emqx%u", (unsigned)i + from);
        f->nodes[i] = (struct rendezvous_node){
            .name = f->names[i], .seed = rendezvous_seed(f->names[i]), .weight = 1};
        f->open[i] = true;
    }
}

static inline enum placement_availability fleet_bar(void *arg, uint32_t index, struct span key)
{
    struct fleet *f = arg;
    (void)key;
    assert(f->open[index] || f->paused[index]); /* must not be called for a closed node */
    f->asked++;
    return f->bars[index];
}

static inline struct placement_view fleet_view(struct fleet *f)
{
    return (struct placement_view){.nodes = f->nodes,
                                   .open = f->open,
                                   .backup = f->backup,
                                   .paused = f->paused,
                                   .n = f->n,
                                   .availability = fleet_bar,
                                   .arg = f};
}

static inline struct placement fleet_place(struct fleet *f, uint32_t device)
{
    char key[32];
    struct placement_view view = fleet_view(f);
    struct placement placement;
    size_t n = (size_t)snprintf(key, sizeof(key), "device-%06u", device);
    placement_by_key(&view, span_of(key, n), &placement);
    return placement;
}

static inline struct placement fleet_spread(struct fleet *f, uint32_t turn)
{
    struct placement_view view = fleet_view(f);
    struct placement placement;
    placement_by_load(&view, f->sessions, turn, &placement);
    return placement;
}

#endif
