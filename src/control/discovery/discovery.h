/*
 * discovery.h - find the nodes of clusters by DNS, and keep them up to date.
 *
 * Main thread only; uses c-ares (resolver.c). Each cluster is queried again when the shortest TTL
 * of its last answer expires, after refresh_ms at the latest, and at most once per second. If a
 * query fails, times out or has an empty answer, the last good answer stays in use, and the query
 * is repeated after 1, 2, 4... seconds, up to refresh_ms. If only some addresses cannot be
 * resolved, the last known ones are used.
 *
 *   discovery.changed     nodes were added or removed, or their address, weight or role has changed
 *   discovery.failed      logged once per outage, which ends with discovery.recovered
 *   discovery.too_many    more than MEMBERS_MAX nodes were found
 *   discovery.no_address  debug level: the target of an SRV record has no address
 */
#ifndef CONTROL_DISCOVERY_DISCOVERY_H
#define CONTROL_DISCOVERY_DISCOVERY_H

#include <ev.h>
#include <stdbool.h>

#include "base/log.h"
#include "base/util.h"
#include "model/config/config.h"
#include "model/members.h"
#include "proxy/snapshot.h"

struct discovery;

/* `changed` is called when the members of a cluster have changed. */
MUST_USE struct discovery *discovery_new(struct ev_loop *loop, struct log *log,
                                         void (*changed)(void *arg), void *arg);
void discovery_free(struct discovery *discovery); /* null is allowed */

/*
 * Use this configuration from now on; no pointer to it is kept. Clusters are matched by name; those
 * without `discovery` are dropped. Returns false and changes nothing if out of memory.
 *
 *   kept   the nodes that a cluster with a new or changed query keeps until the first answer: those
 *          of its new snapshot; null at startup
 */
MUST_USE bool discovery_take(struct discovery *discovery, const struct config *config,
                             const struct members_source *kept);

/* The last good answer for a cluster, borrowed until the next loop iteration; null = none yet. */
const struct members *discovery_members(const struct discovery *discovery, const char *cluster);

/*
 * Whether the first query of every cluster has succeeded or failed. True if no cluster uses
 * discovery.
 */
bool discovery_is_settled(const struct discovery *discovery);

#endif
