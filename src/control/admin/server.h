/*
 * server.h - the admin interface: HTTP/1.1 by libmicrohttpd, on the main thread's loop.
 *
 * It never makes a worker wait. The number of connections, the time for a request and the size of a
 * body are limited. Log events:
 *
 *   admin.open      the address it listens on
 *   admin.refused   a request with a missing or wrong token, or a foreign Host or Origin
 *   admin.call      each POST: its source, target and status
 */
#ifndef CONTROL_ADMIN_SERVER_H
#define CONTROL_ADMIN_SERVER_H

#include <stdio.h>

#include "base/util.h"
#include "context.h"
#include "model/config/config.h"
#include "net/socket.h"

struct admin;
struct admin_routes;

#define ADMIN_DESCRIPTORS 96u /* most connections at a time */

struct admin_options {
    const struct socket_permissions *rights; /* defaults for the file of a Unix socket */
    bool trial;                              /* a check: an address in use is only a warning */
    FILE *out;                               /* for errors */
};

/*
 * Bind, listen and read the token file; call this before privileges are dropped. Requests are
 * served after admin_start().
 *
 *   context, routes   borrowed
 *
 * Null on failure; the error is printed to options->out.
 */
MUST_USE struct admin *admin_new(const struct admin_conf *conf, struct admin_context *context,
                                 const struct admin_routes *routes,
                                 const struct admin_options *options);

/* The listening socket, borrowed; -1 in a trial whose address is in use. */
int admin_fd(const struct admin *admin);

/* Start serving. False, with an error on out, if libmicrohttpd cannot start. */
MUST_USE bool admin_start(struct admin *admin, struct ev_loop *loop, struct log *log, FILE *out);

/*
 * Reload, in two phases: admin_prepare() reads the token file of the new configuration, and on
 * failure prints the error to out and changes nothing; admin_commit() cannot fail. A changed
 * address takes effect after a restart only, and then so does the token (reload/report.c logs it).
 */
MUST_USE bool admin_prepare(struct admin *admin, const struct admin_conf *conf, FILE *out);
void admin_commit(struct admin *admin);

/* Apply a new configuration's permissions to its Unix socket file. False: reported to `out`. */
MUST_USE bool admin_change_rights(struct admin *admin, const struct admin_conf *to,
                                  const struct admin_conf *from, FILE *out);

/* Close; `gone` is called for each held call. Removes the file of a Unix socket. Null is allowed.
 */
void admin_free(struct admin *admin);

#endif
