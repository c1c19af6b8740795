/*
 * server.h - the admin interface: HTTP/1.1 with libmicrohttpd, on the main thread's loop.
 *
 * Workers never wait for it. The number of connections, the time for a request and the size of a
 * body are limited. Log events:
 *
 *   admin.open      the listen address
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

#define ADMIN_DESCRIPTORS 96u /* maximum number of simultaneous connections */

struct admin_options {
    const struct socket_permissions *rights; /* default permissions of a Unix socket's file */
    bool trial;                              /* for --check: an address in use is only a warning */
    FILE *out;                               /* for errors */
};

/*
 * Bind, listen and read the token file. Must be called before privileges are dropped. Requests are
 * served after admin_start().
 *
 *   context, routes   borrowed
 *
 * On failure, prints the error to options->out and returns null.
 */
MUST_USE struct admin *admin_new(const struct admin_conf *conf, struct admin_context *context,
                                 const struct admin_routes *routes,
                                 const struct admin_options *options);

/* Return the listening socket, borrowed, or -1 in a trial if the address is in use. */
int admin_fd(const struct admin *admin);

/* Start serving. If libmicrohttpd cannot start, prints an error to out and returns false. */
MUST_USE bool admin_start(struct admin *admin, struct ev_loop *loop, struct log *log, FILE *out);

/*
 * Reload in two phases. admin_prepare() reads the token file of the new configuration; on failure
 * it prints the error to out and changes nothing. admin_commit() cannot fail. If the address has
 * changed, address and token take effect only after a restart (reload/report.c logs this).
 */
MUST_USE bool admin_prepare(struct admin *admin, const struct admin_conf *conf, FILE *out);
void admin_commit(struct admin *admin);

/* Apply the permissions in a new configuration to the Unix socket's file. On failure, prints an
 * error to out and returns false. */
MUST_USE bool admin_change_rights(struct admin *admin, const struct admin_conf *to,
                                  const struct admin_conf *from, FILE *out);

/* Close all connections and the listening socket, and remove the file of a Unix socket. `gone` is
 * called for each held call. Null is allowed. */
void admin_free(struct admin *admin);

#endif
