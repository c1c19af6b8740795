/*
 * connect_watch.h - find clusters whose nodes do not answer CONNECT at all.
 *
 * The usual cause is that PROXY protocol is enabled on one side only: nodes accept connections, so
 * a tcp check succeeds, but close them at the first byte. Main thread only.
 */
#ifndef CONTROL_HEALTH_CONNECT_WATCH_H
#define CONTROL_HEALTH_CONNECT_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "base/util.h"
#include "prober.h"
#include "proxy/snapshot.h"

struct connect_watch;

MUST_USE struct connect_watch *connect_watch_new(void);
void connect_watch_free(struct connect_watch *watch); /* null is allowed */

/*
 * Check all clusters. Logs `cluster.unanswered`, once per cluster until its PROXY protocol or TLS
 * settings change, if every node that got a CONNECT from a device or a check closed the connection
 * or sent nothing within the time limit. This must be true of at least three nodes, or of all if
 * there are fewer. If a node has answered before, at least ten unanswered CONNECTs are required. If
 * out of memory, a cluster is skipped.
 */
void connect_watch_check(struct connect_watch *watch, const struct snapshot *snapshot,
                         const struct prober *prober, struct log *log);

/* The warning from the last check of a cluster; null = none. Valid until the next check. */
const char *connect_watch_warning(const struct connect_watch *watch, const char *cluster);

/* Reset clusters whose PROXY protocol or TLS settings were changed by a reload. */
void connect_watch_reload(struct connect_watch *watch, const struct snapshot *before,
                          const struct snapshot *after);

#endif
