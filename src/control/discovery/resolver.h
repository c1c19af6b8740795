/*
 * resolver.h - run a DNS query on the main loop, without blocking.
 *
 * Uses c-ares over UDP, or TCP if an answer does not fit. Names are fully qualified: /etc/hosts and
 * the search list of resolv.conf are not used.
 */
#ifndef CONTROL_DISCOVERY_RESOLVER_H
#define CONTROL_DISCOVERY_RESOLVER_H

#include <ev.h>

#include "base/util.h"
#include "dns_answer.h"
#include "model/config/config.h"

struct resolver_query;

/* Time limit for a query, including all its lookups. */
#define RESOLVER_QUERY_MS 10000u

/* Takes ownership of the answer, which is never null. */
typedef void resolver_done(void *arg, struct dns_answer *answer);

/*
 * Query conf's name and, for SRV, the addresses of all targets. Without a `resolver`, resolv.conf
 * is read again for each query.
 *
 * `done` is called once, after the query was freed, but never before this function returns. conf is
 * borrowed until then. Returns null if out of memory.
 */
MUST_USE struct resolver_query *resolver_query_start(struct ev_loop *loop,
                                                     const struct discovery_conf *conf,
                                                     resolver_done *done, void *arg);

/* Stop and free a query, without calling `done`. Null is allowed. */
void resolver_query_cancel(struct resolver_query *query);

#endif
