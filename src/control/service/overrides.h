/*
 * overrides.h - node states and weights that an operator has set at run time, and how long they are
 * valid.
 *
 *   a node's state    until the file has another state for that node, or the router restarts
 *   a node's weight   until the file has another weight for that node, or the router restarts
 *   the log level     until the next reload; not stored here
 *
 * Main thread only.
 */
#ifndef CONTROL_SERVICE_OVERRIDES_H
#define CONTROL_SERVICE_OVERRIDES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "model/config/config.h"

struct overrides;
struct prober;
struct snapshot;

MUST_USE struct overrides *overrides_new(void);
void overrides_free(struct overrides *overrides); /* null is allowed */

/*
 * Use this weight for a node from the next snapshot on, as long as the file's weight is in_file. If
 * both are equal, the override is removed. Returns false, and changes nothing, if out of memory.
 */
MUST_USE bool overrides_set_weight(struct overrides *overrides, const char *cluster,
                                   const char *node, uint32_t weight, uint32_t in_file);

/*
 * Like overrides_set_weight(), for a node's state. The prober also keeps states, but drops removed
 * nodes without sessions, and a node may be missing in DNS only for a short time.
 */
MUST_USE bool overrides_set_state(struct overrides *overrides, const char *cluster,
                                  const char *node, enum node_state state, enum node_state in_file);

/* Restore the states of nodes that have returned. Call this after prober_take(). */
void overrides_apply(const struct overrides *overrides, const struct snapshot *snapshot,
                     struct prober *prober);

/* Return the weight of a node whose weight in the file is in_file; for members_source.weigh. */
uint32_t overrides_weigh(const void *overrides, const char *cluster, const char *node,
                         uint32_t in_file);

/*
 * Drop overrides after a reload, if the file now configures the node differently, or if the node
 * was removed. Nodes of a discovered cluster may return, so their overrides are kept.
 */
void overrides_settle(struct overrides *overrides, const struct snapshot *snapshot);

#endif
