/*
 * key_shares.h - the share of the key space that has its home on each node, kept until nodes or
 * their statuses change: with a thousand nodes it takes some milliseconds to find out.
 *
 * Of the main thread.
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
 * Of all clusters' nodes, in permille of their cluster: cluster by cluster, each with its n nodes
 * (not those departed). Borrowed until the next call. Null when memory is short.
 */
const uint32_t *key_shares_get(struct key_shares *shares, struct snapshot *snapshot,
                               const struct node_registry *registry);

#endif
