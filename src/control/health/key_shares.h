/*
 * key_shares.h - the share of the key space that has its home on each node. Cached until nodes or
 * their statuses change: for a thousand nodes, the computation takes some milliseconds.
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
 * The shares of all nodes, in permille of their cluster: cluster by cluster, each with its n nodes,
 * without removed ones. Borrowed until the next call. Null if memory is short.
 */
const uint32_t *key_shares_get(struct key_shares *shares, struct snapshot *snapshot,
                               const struct node_registry *registry);

#endif
