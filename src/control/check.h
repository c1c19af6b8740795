/*
 * check.h - one active check of one node, on the main loop: is it fit for new sessions?
 *
 *   tcp    it accepts a connection
 *   mqtt   PROXY header with the router's own addresses (never LOCAL), as the cluster's nodes
 *          want it; CONNECT 3.1.1 with a clean session; the CONNACK's return code: 0 is good,
 *          1, 2, 4 and 5 are too (it answers, and no device has to be like us), 3 means no new
 *          sessions; DISCONNECT. Leaves no session and no error in the broker's log
 *   http   one request; the status code as `expect` and `no_new` say, anything else is bad
 *
 * TLS as the cluster's nodes want it: for tcp and mqtt, not for http.
 */
#ifndef CONTROL_CHECK_H
#define CONTROL_CHECK_H

#include <ev.h>

#include "base/util.h"
#include "model/config.h"
#include "model/health.h"
#include "net/endpoint.h"
#include "net/tls_client.h"

struct check;

/* What to ask, and whom. Borrowed until the check is done or cancelled. */
struct check_target {
    const struct cluster_conf *conf; /* its health_check is there */
    const struct endpoint *endpoint;
    struct tls_client_context *tls; /* null = plain */
    const char *client_id;          /* for mqtt: 1..23 characters of [0-9a-zA-Z-] */
    const char *username;           /* mqtt; null = none */
    const char *password;           /* mqtt; null = none */
};

/* `why` in words, for the log: "CONNACK return code 0", "connect: Connection refused". */
typedef void check_done(void *arg, enum check_result result, const char *why);

/*
 * Begin a check. `done` is called once, later, never from inside this call; the check has
 * gone by then. Null when memory or descriptors are short: nothing was found out.
 */
MUST_USE struct check *check_start(struct ev_loop *loop, const struct check_target *target,
                                   check_done *done, void *arg);

/* Forget it; done is not called. */
void check_cancel(struct check *check);

#endif
