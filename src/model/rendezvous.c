/*
 * rendezvous.c - weighted rendezvous hashing with integers.
 *
 * Every router must compute the same order of nodes. It depends only on node names, weights and the
 * key, not on the CPU, the compiler, the maths library or the order in the configuration. Sessions
 * and health are not considered here: the caller filters the nodes.
 */
#include "model/rendezvous.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

#include "base/util.h"

/* Nodes found in one pass: enough for home and its fallbacks. */
#define ROUND_MAX 8u

struct scored {
    const struct rendezvous_node *node;
    uint64_t x;
    uint64_t cost; /* L(x), which is never 0; 0 = not computed yet */
    uint32_t index;
};

/* The best nodes of a pass so far, best first. */
struct podium {
    struct scored place[ROUND_MAX];
    size_t n;
    size_t max;
};

uint64_t rendezvous_seed(const char *name)
{
    return XXH3_64bits(name, strlen(name));
}

uint64_t rendezvous_hash(uint64_t seed, struct span key)
{
    return XXH3_64bits_withSeed(key.p, key.n, seed) | 1;
}

uint64_t rendezvous_cost(uint64_t x)
{
    assert(x != 0);
    unsigned top = 63u - (unsigned)__builtin_clzll(x);
    /* Q31 in [1, 2). Lower bits are truncated, so that L never increases with x. */
    uint64_t y = top >= 31 ? x >> (top - 31) : x << (31 - top);
    uint64_t log2_x = top;
    for (int bit = 0; bit < 32; bit++) {
        y = (y * y) >> 31;
        log2_x <<= 1;
        if (y >> 32) {
            log2_x |= 1;
            y >>= 1;
        }
    }
    return (UINT64_C(64) << 32) - log2_x;
}

static uint64_t cost_of(struct scored *s)
{
    if (s->cost == 0)
        s->cost = rendezvous_cost(s->x);
    return s->cost;
}

/*
 * Return whether a is better than b. If the weights are equal, that is the one with the larger x.
 * The logarithm is expensive, and is computed only if the weights differ.
 */
static bool goes_before(struct scored *a, struct scored *b)
{
    if (a->node->weight != b->node->weight) {
        /* At most 2^38 * 2^16: no overflow. */
        uint64_t cost_a = cost_of(a) * b->node->weight;
        uint64_t cost_b = cost_of(b) * a->node->weight;
        if (cost_a != cost_b)
            return cost_a < cost_b;
    }
    if (a->x != b->x)
        return a->x > b->x;
    return strcmp(a->node->name, b->node->name) < 0;
}

static void podium_offer(struct podium *podium, struct scored *candidate,
                         const struct rendezvous_candidates *field)
{
    size_t at = podium->n;
    while (at > 0 && goes_before(candidate, &podium->place[at - 1]))
        at--;
    if (at == podium->max ||
        (field->is_eligible && !field->is_eligible(field->arg, candidate->index)))
        return;
    if (podium->n < podium->max)
        podium->n++;
    for (size_t i = podium->n - 1; i > at; i--)
        podium->place[i] = podium->place[i - 1];
    podium->place[at] = *candidate;
}

/* Find the best nodes after `last`, or of all nodes if last->node is null. */
static void podium_fill(struct podium *podium, const struct rendezvous_candidates *field,
                        struct span key, struct scored *last)
{
    for (size_t i = 0; i < field->n; i++) {
        const struct rendezvous_node *node = &field->nodes[i];
        assert(node->weight <= RENDEZVOUS_WEIGHT_MAX);
        if (node->weight == 0)
            continue;
        struct scored candidate = {
            .node = node, .x = rendezvous_hash(node->seed, key), .index = (uint32_t)i};
        if (!last->node || goes_before(last, &candidate))
            podium_offer(podium, &candidate, field);
    }
}

size_t rendezvous_pick_from(const struct rendezvous_candidates *field, struct span key, size_t max,
                            uint32_t *out)
{
    struct scored last = {.node = NULL};
    size_t written = 0;
    while (written < max) {
        struct podium podium = {.n = 0, .max = size_min(max - written, ROUND_MAX)};
        podium_fill(&podium, field, key, &last);
        if (podium.n == 0)
            break;
        for (size_t i = 0; i < podium.n; i++)
            out[written++] = podium.place[i].index;
        last = podium.place[podium.n - 1];
    }
    return written;
}

size_t rendezvous_pick(const struct rendezvous_node *nodes, size_t n, struct span key, size_t max,
                       uint32_t *out)
{
    struct rendezvous_candidates all = {.nodes = nodes, .n = n, .is_eligible = NULL, .arg = NULL};
    return rendezvous_pick_from(&all, key, max, out);
}
