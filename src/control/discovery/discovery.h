/*
 * discovery.h - the nodes of clusters that are found by DNS, kept up to date.
 *
 * Of the main thread, by c-ares (in resolver.c). Each cluster is asked for again when the
 * shortest TTL of its last answer has passed, after refresh_ms at the latest, once a second at
 * most. A server that fails, times out or answers with nothing changes nothing: the last good
 * answer stays, and the question is repeated after 1, 2, 4... seconds, up to refresh_ms. When
 * only some addresses cannot be found out, the rest is taken, and those stay as they were.
 *
 *   discovery.changed     nodes came, went, or have another address, weight or role
 *   discovery.failed      once, until it works again: discovery.recovered
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

/* `changed` is called when a cluster has other members than before; look them up then. */
MUST_USE struct discovery *discovery_new(struct ev_loop *loop, struct log *log,
                                         void (*changed)(void *arg), void *arg);
void discovery_free(struct discovery *discovery); /* null is allowed */

/*
 * Serve by this configuration from now on; keeps no pointer into it. Clusters are matched by
 * name. Those without `discovery` are forgotten. False when memory is short: then everything is as
 * before.
 *
 *   kept   the nodes that a cluster with a new or changed query keeps until the first answer:
 *          those of its new snapshot. Null = none, at the start
 */
MUST_USE bool discovery_take(struct discovery *discovery, const struct config *config,
                             const struct members_source *kept);

/* The last good answer for a cluster, borrowed until the next turn of the loop; null = none yet. */
const struct members *discovery_members(const struct discovery *discovery, const char *cluster);

/* Has every cluster had an answer, good or bad, since it was taken? True without any. */
bool discovery_is_settled(const struct discovery *discovery);

#endif
