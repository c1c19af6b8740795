/*
 * admin.h - the admin interface: HTTP/1.1 by libmicrohttpd, on the main thread's loop.
 *
 * No worker is ever asked to wait for it. Peers are bounded: so many connections, so much time,
 * so much of a body. Events:
 *
 *   admin.open      where it listens
 *   admin.refused   a request without the right token, or with a Host or Origin that is not ours
 *   admin.call      each POST, with what it asked for and what was answered
 */
#ifndef CONTROL_ADMIN_H
#define CONTROL_ADMIN_H

#include <stdio.h>

#include "admin_house.h"
#include "base/util.h"
#include "model/config.h"

struct admin;

#define ADMIN_DESCRIPTORS 96u /* it has at most so many connections */

/*
 * Bind and listen, before privileges are given up; read the token. Serves once admin_start() was
 * called. Null, and what is wrong in one line to `out`, when it cannot be.
 *
 *   house   borrowed
 */
MUST_USE struct admin *admin_new(const struct admin_conf *conf, struct admin_house *house,
                                 FILE *out);

/* The listening socket, and the path of a Unix one (null = it is none), to be handed over. */
int admin_fd(const struct admin *admin);
const char *admin_unix_path(const struct admin *admin);

/* Serve from now on. False when libmicrohttpd refuses. */
MUST_USE bool admin_start(struct admin *admin, struct ev_loop *loop, struct log *log, FILE *out);

/*
 * A reload: read the token file of this configuration anew. Two phases: admin_prepare() says what
 * is wrong to `out` and changes nothing; admin_commit() cannot fail. Whether the interface is
 * there, and its address, wait for a restart (reload_report.c says so); the token then does too.
 */
MUST_USE bool admin_prepare(struct admin *admin, const struct admin_conf *conf, FILE *out);
void admin_commit(struct admin *admin);

/* Close; held calls get their `gone`. Removes the file of a Unix socket. Null is allowed. */
void admin_free(struct admin *admin);

#endif
