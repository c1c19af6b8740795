/*
 * check.h - one active check of one node: whether it can accept new sessions. Main loop only.
 *
 *   tcp    it accepts a connection; a PROXY header is sent, as for mqtt, and nothing else
 *   mqtt   PROXY header, if configured, with the router's own addresses (never LOCAL);
 * CONNECT 3.1.1 with a clean session; the CONNACK's return code: 0, 1, 2, 4 and 5 are good (the
 * node answers; devices may have other credentials), 3 means no new sessions; DISCONNECT. Leaves no
 * session and no error in the broker's log http   one request; `expect` and `no_new` list its
 * status codes, any other is bad
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

/* Parameters of a check. All pointers are borrowed until the check is done or cancelled. */
struct check_target {
    const struct cluster_conf *conf; /* has a health_check */
    const struct endpoint *endpoint;
    const struct address
        *source; /* to dial from, as for socket_dial(); null = the kernel's choice */
    struct tls_client_context *tls; /* null = plain */
    const char *client_id;          /* for mqtt: 1..23 characters of [0-9a-zA-Z-] */
    const char *username;           /* mqtt; at most 65,535 bytes, as the password; null = none */
    const char *password;           /* mqtt; null = none; not without a user name */
};

/* How far a check got. */
enum check_contact { CHECK_UNREACHED, CHECK_CONNECTED, CHECK_ANSWERED };

/* `why` is valid during the call only: "CONNACK return code 0", "connect: Connection refused" */
struct check_report {
    enum check_result result;
    enum check_contact contact; /* answered: a byte was received, above TLS */
    const char *why;
};

typedef void check_done(void *arg, const struct check_report *report);

/* Time limit for closing the connection after the verdict, beyond timeout_ms. */
#define CHECK_PARTING_MS 500u

/*
 * Start a check. `done` is called once, never from inside this call; the check is freed by then. An
 * answer counts if it arrives within timeout_ms.
 *
 * Null if memory, descriptors or local ports are short: the check has no result.
 */
MUST_USE struct check *check_start(struct ev_loop *loop, const struct check_target *target,
                                   check_done *done, void *arg);

/* Stop and free it; done is not called. Null is allowed. */
void check_cancel(struct check *check);

#endif
