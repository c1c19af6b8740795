/*
 * check.h - check once whether a node can accept new sessions. Main loop only.
 *
 *   tcp    connects, and sends the PROXY header, if configured, but nothing else
 *   mqtt   sends the PROXY header, if configured, with the router's own addresses (never LOCAL),
 *          and a 3.1.1 CONNECT with a clean session. CONNACK return codes 0, 1, 2, 4 and 5 are good
 *          (the node answers; devices may have other credentials); 3 means no new sessions. Sends
 *          DISCONNECT, to leave no session and no error in the broker's log.
 *   http   sends one request. `expect` and `no_new` list its status codes; any other is bad.
 *
 * tcp and mqtt use the PROXY header and TLS, in this order. http uses neither, because it connects
 * to the port of a management interface.
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

/* Parameters of a check. All pointers are borrowed until the check has finished or is cancelled. */
struct check_target {
    const struct cluster_conf *conf; /* has a health_check */
    const struct endpoint *endpoint;
    const struct address *source;   /* source address; null = chosen by the kernel */
    struct tls_client_context *tls; /* null = no TLS */
    const char *client_id;          /* mqtt; 1..23 characters of [0-9a-zA-Z-] */
    const char *username;           /* mqtt; at most 65,535 bytes; null = none */
    const char *password; /* mqtt; at most 65,535 bytes; null = none; requires a username */
};

/* How far a check got. */
enum check_contact { CHECK_UNREACHED, CHECK_CONNECTED, CHECK_ANSWERED };

/* Result of a check. `why`, such as "CONNACK return code 0", is valid only during the call. */
struct check_report {
    enum check_result result;
    enum check_contact contact; /* answered: a byte of application data was received */
    const char *why;
};

typedef void check_done(void *arg, const struct check_report *report);

/* Time limit for closing the connection after the verdict, in addition to timeout_ms. */
#define CHECK_PARTING_MS 500u

/*
 * Start a check. `done` is called once, after the check was freed, but never before this function
 * returns. The answer must arrive within timeout_ms.
 *
 * Returns null if the router lacks memory, descriptors or local ports.
 */
MUST_USE struct check *check_start(struct ev_loop *loop, const struct check_target *target,
                                   check_done *done, void *arg);

/* Stop and free a check, without calling `done`. Null is allowed. */
void check_cancel(struct check *check);

#endif
