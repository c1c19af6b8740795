/*
 * server.h - the admin interface: HTTP/1.1 by libmicrohttpd, on the main thread's loop.
 *
 * No worker is ever asked to wait for it. Peers are bounded: so many connections, so much time,
 * so much of a body. Events:
 *
 *   admin.open      where it listens
 *   admin.refused   a request without the right token, or with a Host or Origin that is not ours
 *   admin.call      each POST, with what it asked for and what was answered
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

#define ADMIN_DESCRIPTORS 96u /* it has at most so many connections */

/*
 * Bind and listen, before privileges are given up; read the token. Serves once admin_start() was
 * called. Null, and what is wrong in one line to `place->out`, when it cannot be.
 *
 *   house   borrowed
 */
struct admin_options {
    const struct socket_permissions *rights; /* of a Unix socket's file, where conf has none */
    bool trial;                              /* nothing listens: an address in use is a warning */
    FILE *out;
};
MUST_USE struct admin *admin_new(const struct admin_conf *conf, struct admin_context *context,
                                 const struct admin_routes *routes,
                                 const struct admin_options *options);

/* The listening socket, to be handed over; -1 in a trial whose address is in use. */
int admin_fd(const struct admin *admin);

/* Serve from now on. False when libmicrohttpd refuses. */
MUST_USE bool admin_start(struct admin *admin, struct ev_loop *loop, struct log *log, FILE *out);

/*
 * A reload: read the token file of this configuration anew. Two phases: admin_prepare() says what
 * is wrong to `out` and changes nothing; admin_commit() cannot fail. Whether the interface is
 * there, and its address, wait for a restart (reload_report.c says so); the token then does too.
 */
MUST_USE bool admin_prepare(struct admin *admin, const struct admin_conf *conf, FILE *out);
void admin_commit(struct admin *admin);

/* Apply a new configuration's permissions to its Unix socket file. False: reported to `out`. */
MUST_USE bool admin_change_rights(struct admin *admin, const struct admin_conf *to,
                                  const struct admin_conf *from, FILE *out);

/* Close; held calls get their `gone`. Removes the file of a Unix socket. Null is allowed. */
void admin_free(struct admin *admin);

#endif
