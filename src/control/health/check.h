/*
 * check.h - one active check of one node, on the main loop: is it fit for new sessions?
 *
 *   tcp    it accepts a connection; a PROXY header is sent, as for mqtt, and nothing else
 *   mqtt   PROXY header with the router's own addresses (never LOCAL), as the cluster's nodes
 *          want it; CONNECT 3.1.1 with a clean session; the CONNACK's return code: 0 is good,
 *          1, 2, 4 and 5 are too (it answers, and no device has to be like us), 3 means no new
 *          sessions; DISCONNECT. Leaves no session and no error in the broker's log
 *   http   one request; the status code as `expect` and `no_new` say, anything else is bad
 *
 * PROXY header and TLS are for tcp and mqtt, in this order. An http check goes to another port,
 * that of a management interface, which expects neither.
 */
#ifndef CONTROL_HEALTH_CHECK_H
#define CONTROL_HEALTH_CHECK_H

#include <ev.h>

#include "base/util.h"
#include "model/config/config.h"
#include "model/health.h"
#include "net/endpoint.h"
#include "net/tls/client.h"

struct check;

/* What to ask, and whom. All it points at is borrowed until the check is done or cancelled. */
struct check_target {
    const struct cluster_conf *conf; /* its health_check is there */
    const struct endpoint *endpoint;
    const struct address
        *source; /* to dial from, as for socket_dial(); null = the kernel's choice */
    struct tls_client_context *tls; /* null = plain */
    const char *client_id;          /* for mqtt: 1..23 characters of [0-9a-zA-Z-] */
    const char *username;           /* mqtt; at most 65,535 bytes, as the password; null = none */
    const char *password;           /* mqtt; null = none; not without a user name */
};

/* How far a check came. */
enum check_contact { CHECK_UNREACHED, CHECK_CONNECTED, CHECK_ANSWERED };

/* `why` is valid during the call only: "CONNACK return code 0", "connect: Connection refused" */
struct check_report {
    enum check_result result;
    enum check_contact contact; /* answered: a byte came, above TLS */
    const char *why;
};

typedef void check_done(void *arg, const struct check_report *report);

/* How much longer than timeout_ms a check may take: the node has answered, and both sides part. */
#define CHECK_PARTING_MS 500u

/*
 * Begin a check. `done` is called once, later, never from inside this call; the check has
 * gone by then. The answer counts when it is there timeout_ms after this call.
 *
 * Null when memory, descriptors or local ports are short: nothing was found out.
 */
MUST_USE struct check *check_start(struct ev_loop *loop, const struct check_target *target,
                                   check_done *done, void *arg);

/* Forget it; done is not called. Null is allowed. */
void check_cancel(struct check *check);

#endif
