/*
 * overrides.h - node states and weights that an operator has set at run time, and how long they
 * hold.
 *
 *   a node's state    until the file has another state for that node, or the router restarts
 *   a node's weight   the same, with the file's weight
 *   the log level     until the next reload; not kept here
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
 * both are equal, the override is removed. Returns false, and changes nothing, if memory is short.
 */
MUST_USE bool overrides_set_weight(struct overrides *overrides, const char *cluster,
                                   const char *node, uint32_t weight, uint32_t in_file);

/*
 * The same for a node's state. The prober keeps states too, but forgets nodes that were removed and
 * have no sessions; DNS may leave out a node for a short time.
 */
MUST_USE bool overrides_set_state(struct overrides *overrides, const char *cluster,
                                  const char *node, enum node_state state, enum node_state in_file);

/* Set the states again of nodes that have returned. Call it after prober_take(). */
void overrides_apply(const struct overrides *overrides, const struct snapshot *snapshot,
                     struct prober *prober);

/* The weight of a node whose weight in the file is in_file; for members_source.weigh. */
uint32_t overrides_weigh(const void *overrides, const char *cluster, const char *node,
                         uint32_t in_file);

/*
 * After a reload: drop overrides of nodes that the file now configures differently, or that are
 * gone. Nodes of a discovered cluster may return, so theirs are kept.
 */
void overrides_settle(struct overrides *overrides, const struct snapshot *snapshot);

#endif
