/*
 * overrides.h - what an operator has changed at run time, as opposed to the file, and what a
 * reload does to it.
 *
 *   a node's state    stays over reloads until the file's own state of that node changes; gone
 *                     with a restart
 *   a node's weight   the same, by the file's weight
 *   the log's level   a reload brings back the file's
 *
 * Of the main thread.
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
 * Weigh a node otherwise from the next snapshot on, as long as the file says in_file; with that
 * weight itself: as the file says. False when memory is short: then nothing changes.
 */
MUST_USE bool overrides_set_weight(struct overrides *overrides, const char *cluster,
                                   const char *node, uint32_t weight, uint32_t in_file);

/*
 * The same for its state: the prober forgets a node that has gone without sessions, and DNS may
 * leave one out for a moment.
 */
MUST_USE bool overrides_set_state(struct overrides *overrides, const char *cluster,
                                  const char *node, enum node_state state, enum node_state in_file);

/* Let the prober hear it of the nodes that have come again: after it has taken a snapshot. */
void overrides_apply(const struct overrides *overrides, const struct snapshot *snapshot,
                     struct prober *prober);

/* What a node weighs whose weight in the file is this: as members_source wants it. */
uint32_t overrides_weigh(const void *overrides, const char *cluster, const char *node,
                         uint32_t in_file);

/*
 * After a reload: forget nodes of which the file says something else now. Those that only DNS has
 * left out may come again.
 */
void overrides_settle(struct overrides *overrides, const struct snapshot *snapshot);

#endif
