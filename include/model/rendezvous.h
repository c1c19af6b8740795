/*
 * rendezvous.h - find a key's home node by weighted rendezvous hashing.
 *
 *   seed(node) = XXH3_64bits(node name)
 *   x(node)    = XXH3_64bits_withSeed(key, seed(node)) | 1       h = x / 2^64, in (0,1)
 *   cost(node) = L(x) / weight      L(x) = -log2(h) in fixed point, 32 fractional bits
 *
 * The node with the LOWEST cost is home, the next lowest is the fallback, and so on. This is the
 * order of the score weight / -ln(h), highest first. Uses only integers, so that every CPU and
 * compiler gets the same result. src/model/README.md ("The hash") has the algorithm and test
 * vectors for implementations in other programs.
 *
 * Pure: no I/O, no clock; safe to call from any thread.
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
    const char *name; /* borrowed; unique in an array */
    uint64_t seed;    /* rendezvous_seed(name) */
    uint32_t weight;  /* 0..RENDEZVOUS_WEIGHT_MAX; 0 = never picked */
};

/* Return the seed of a node: XXH3_64bits (seed 0) over the bytes of its name. */
uint64_t rendezvous_seed(const char *name);

/* Return x of a node for a key: XXH3_64bits over the whole key, seeded with `seed`, made odd. */
uint64_t rendezvous_hash(uint64_t seed, struct span key);

/*
 * Return L(x) = -log2(x / 2^64) with 32 fractional bits, for odd x: 2..2^38. Never increases with
 * x. Computed by repeated squaring of a 32-bit number, see src/model/README.md.
 */
uint64_t rendezvous_cost(uint64_t x);

/*
 * Find the best `max` nodes for a key, home first.
 *
 *   key   any bytes, or none; the caller handles empty client identifiers
 *   out   indices into nodes, with room for max
 *
 * Compares costs exactly, as L(a) * weight(b) and L(b) * weight(a). If they are equal, the node
 * with the larger x comes first; if these are equal too, the name that comes first by strcmp(). The
 * order of the array does not matter.
 *
 * Returns the number of indices written, less than max if fewer nodes have a weight above 0. Hashes
 * the key once per node for up to 8 results, twice for up to 16, and so on. No allocation, no limit
 * on n.
 */
size_t rendezvous_pick(const struct rendezvous_node *nodes, size_t n, struct span key, size_t max,
                       uint32_t *out);

/* The nodes to pick from, with a filter. */
struct rendezvous_candidates {
    const struct rendezvous_node *nodes;
    size_t n;
    /*
     * Return whether the node may be picked. Called only for nodes that are among the best so far,
     * possibly more than once per node. Null = all nodes may be picked.
     */
    bool (*is_eligible)(void *arg, uint32_t index);
    void *arg;
};

/* Like rendezvous_pick(), but only among the nodes that is_eligible() accepts. */
size_t rendezvous_pick_from(const struct rendezvous_candidates *field, struct span key, size_t max,
                            uint32_t *out);

#endif
