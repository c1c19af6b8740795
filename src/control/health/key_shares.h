/*
 * key_shares.h - compute the share of the key space that has its home on each node. The result is
 * cached until nodes or their statuses change, because it takes some milliseconds to compute for a
 * thousand nodes.
 *
 * Main thread only.
 */
#ifndef CONTROL_HEALTH_KEY_SHARES_H
#define CONTROL_HEALTH_KEY_SHARES_H

#include <stdint.h>

#include "base/util.h"
#include "proxy/snapshot.h"

struct key_shares;

MUST_USE struct key_shares *key_shares_new(void);
void key_shares_free(struct key_shares *shares); /* null is allowed */

/*
 * Return the share of each node in permille of its cluster, in the order of the clusters and their
 * nodes, without removed nodes. Borrowed until the next call. Returns null if out of memory.
 */
const uint32_t *key_shares_get(struct key_shares *shares, struct snapshot *snapshot,
                               const struct node_registry *registry);

#endif
