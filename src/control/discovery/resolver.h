/*
 * resolver.h - one DNS query on the main loop, without blocking.
 *
 * Uses c-ares over UDP, and TCP if an answer does not fit. Does not read /etc/hosts, and takes
 * names as fully qualified: the search list of resolv.conf is not used.
 */
#ifndef CONTROL_DISCOVERY_RESOLVER_H
#define CONTROL_DISCOVERY_RESOLVER_H

#include <ev.h>

#include "base/util.h"
#include "dns_answer.h"
#include "model/config/config.h"

struct resolver_query;

/* Time limit for a query with all its lookups. */
#define RESOLVER_QUERY_MS 10000u

/* Takes the answer; never null. */
typedef void resolver_done(void *arg, struct dns_answer *answer);

/*
 * Query conf's name and, for SRV, the addresses of all targets. Without a `resolver`, resolv.conf
 * is read again for each query.
 *
 * `done` is called once, never from inside this call or inside c-ares; the query is freed by then.
 * conf is borrowed until then. Null if memory is short.
 */
MUST_USE struct resolver_query *resolver_query_start(struct ev_loop *loop,
                                                     const struct discovery_conf *conf,
                                                     resolver_done *done, void *arg);

/* Stop and free it; done is not called. Null is allowed. */
void resolver_query_cancel(struct resolver_query *look);

#endif
