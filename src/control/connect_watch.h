/*
 * connect_watch.h - find clusters whose nodes answer no CONNECT at all.
 *
 * The usual cause is PROXY protocol on one side only: nodes accept connections, so a tcp check is
 * good, and close each of them on the first byte. Of the main thread.
 */
#ifndef CONTROL_CONNECT_WATCH_H
#define CONTROL_CONNECT_WATCH_H

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
 * Look at all clusters. Event `cluster.unanswered`, once for each cluster until its PROXY
 * protocol or TLS is configured otherwise: each node that got a CONNECT, of a device or a check,
 * closed the connection or sent nothing until its time was over; at least three nodes, or all
 * that there are; and no node has answered one before. When some have answered before, ten such
 * CONNECTs in a row are needed. Short of memory a cluster is not watched.
 */
void connect_watch_look(struct connect_watch *watch, const struct snapshot *snapshot,
                        const struct prober *prober, struct log *log);

/* What was found about a cluster at the last look, for people; null = nothing. Borrowed until then.
 */
const char *connect_watch_warning(const struct connect_watch *watch, const char *cluster);

/* A reload: clusters whose nodes are reached in another way now begin anew. */
void connect_watch_reload(struct connect_watch *watch, const struct snapshot *before,
                          const struct snapshot *after);

#endif
