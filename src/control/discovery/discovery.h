/*
 * discovery.h - the nodes of clusters that are found by DNS, kept up to date.
 *
 * Main thread only; uses c-ares (resolver.c). Each cluster is queried again when the shortest TTL
 * of its last answer has passed, after refresh_ms at the latest, and at most once per second. If a
 * query fails, times out or has an empty answer, the last good answer stays, and the query is
 * repeated after 1, 2, 4... seconds, up to refresh_ms. If only some addresses cannot be resolved,
 * these stay as they were.
 *
 *   discovery.changed     nodes were added, removed, or have another address, weight or role
 *   discovery.failed      once per outage; discovery.recovered ends it
 *   discovery.too_many    there are more than MEMBERS_MAX
 *   discovery.no_address  at debug: a target of an SRV record that is no node for now
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
 * Use this configuration from now on; keeps no pointer into it. Clusters are matched by
 * name. Those without `discovery` are forgotten. Returns false, and changes nothing, if memory is
 * short.
 *
 *   kept   the nodes that a cluster with a new or changed query keeps until the first answer:
 *          those of its new snapshot. Null = none, at the start
 */
MUST_USE bool discovery_take(struct discovery *discovery, const struct config *config,
                             const struct members_source *kept);

/* The last good answer for a cluster, borrowed until the next turn of the loop; null = none yet. */
const struct members *discovery_members(const struct discovery *discovery, const char *cluster);

/* Whether every cluster has had an answer or a failure. True without discovered clusters. */
bool discovery_is_settled(const struct discovery *discovery);

#endif
