/*
 * resolver.h - one look into DNS, on the main loop, without ever waiting.
 *
 * By c-ares, over UDP, and over TCP when an answer does not fit. DNS alone: no /etc/hosts, and
 * names are taken as complete, so that the search list of resolv.conf plays no part.
 */
#ifndef CONTROL_DISCOVERY_RESOLVER_H
#define CONTROL_DISCOVERY_RESOLVER_H

#include <ev.h>

#include "base/util.h"
#include "dns_answer.h"
#include "model/config/config.h"

struct resolver_query;

/* A look is over after so long, whatever its servers do. */
#define RESOLVER_QUERY_MS 10000u

/* Takes the answer; never null. */
typedef void resolver_done(void *arg, struct dns_answer *answer);

/*
 * Ask for conf's name, and for the addresses of all targets when it is SRV. Without a
 * `resolver`, resolv.conf is read anew for each look, since it may have changed.
 *
 * `done` is called once, later, never from inside this call and never from inside c-ares; the
 * look has gone by then. conf is borrowed until then. Null when memory is short.
 */
MUST_USE struct resolver_query *resolver_query_start(struct ev_loop *loop,
                                                     const struct discovery_conf *conf,
                                                     resolver_done *done, void *arg);

/* Forget it; done is not called. Null is allowed. */
void resolver_query_cancel(struct resolver_query *look);

#endif
