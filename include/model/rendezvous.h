/*
 * rendezvous.h - weighted rendezvous hashing: which node is home for a key.
 *
 *   seed(node) = XXH3_64bits(node name)
 *   x(node)    = XXH3_64bits_withSeed(key, seed(node)) | 1       h = x / 2^64, in (0,1)
 *   cost(node) = L(x) / weight      L(x) = -log2(h) in fixed point, 32 fractional bits
 *
 * The node with the LOWEST cost is home, the next lowest the fallback, and so on. As
 * -log2 falls with h, this is the order of the score weight / -ln(h), highest first.
 * Integers only: the same result on every CPU and from every compiler. src/model/README.md
 * ("The hash") gives the steps and test vectors, so that another program can compute it.
 *
 * Pure: no I/O, no clock; safe from any thread.
 * Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998;
 * weights by the logarithm method (Schindelhauer and Schomaker, 2005).
 */
#ifndef MODEL_RENDEZVOUS_H
#define MODEL_RENDEZVOUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define RENDEZVOUS_WEIGHT_MAX 65535u

struct rendezvous_node {
    const char *name; /* borrowed; no two nodes of one array share it */
    uint64_t seed;    /* rendezvous_seed(name) */
    uint32_t weight;  /* 0..RENDEZVOUS_WEIGHT_MAX; 0 is never picked */
};

/* The seed of a node: XXH3_64bits (seed 0) over the bytes of its name. */
uint64_t rendezvous_seed(const char *name);

/* x of a node for a key: XXH3_64bits over the whole key, seeded with `seed`, made odd. */
uint64_t rendezvous_hash(uint64_t seed, struct span key);

/*
 * L(x): -log2(x / 2^64) with 32 fractional bits, for odd x (so x > 0): 1..2^38. Falls or
 * stays, never rises, as x grows. Computed by repeated squaring on 32 bits, as in
 * src/model/README.md.
 */
uint64_t rendezvous_cost(uint64_t x);

/*
 * The best `max` nodes for a key, home first.
 *
 *   key   any bytes, empty too; what an empty client identifier means is the caller's affair
 *   out   indices into nodes, room for max
 *
 * Costs are compared exactly, as L(a) * weight(b) against L(b) * weight(a). On a tie the
 * larger x goes first, then the name that strcmp() puts first; the order of the array
 * never matters.
 *
 * Returns how many were written: fewer than max when fewer nodes have a weight. Hashes the
 * key once per node for each started eight of max; no allocation, no limit on n.
 */
size_t rendezvous_pick(const struct rendezvous_node *nodes, size_t n, struct span key, size_t max,
                       uint32_t *out);

/* The nodes of a pick, when not every one with a weight may be picked. */
struct rendezvous_candidates {
    const struct rendezvous_node *nodes;
    size_t n;
    /*
     * May this node be picked? Asked of nodes that are among the best so far, so of a few of
     * many, and of the same node perhaps again; null = all may.
     */
    bool (*is_eligible)(void *arg, uint32_t index);
    void *arg;
};

/* As rendezvous_pick(), among the nodes that is_eligible() accepts. */
size_t rendezvous_pick_from(const struct rendezvous_candidates *field, struct span key, size_t max,
                            uint32_t *out);

#endif
