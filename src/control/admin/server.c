/*
 * server.c - start, reload and stop the admin interface: its listening socket and its token.
 *
 * Does not depend on HTTP (see http.c) or on the handlers (the table of routes is passed in).
 */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bearer_token.h"
#include "control/reload/listening.h"
#include "http.h"
#include "net/endpoint.h"
#include "net/socket.h"

#define BACKLOG 256

struct admin {
    struct admin_context *context; /* borrowed */
    const struct admin_routes *routes;
    char *address;            /* owned; from the configuration at start */
    struct endpoint endpoint; /* as bound: with the actual port */
    int fd;                   /* owned */
    struct bearer_token token, prepared;
    struct admin_http *http; /* owned; null before admin_start() */
};

static void print_fault(FILE *out, const char *key, const char *what, const char *why)
{
    (void)fprintf(out, "error: %s: %s: %s\n", key, what, why);
}

static bool listen_at(struct admin *admin, const struct admin_conf *conf,
                      const struct admin_options *options)
{
    struct socket_permissions rights;
    if (!endpoint_parse(conf->address, true, &admin->endpoint)) {
        errno = EINVAL;
        return false;
    }
    const bool is_unix = endpoint_is_unix(&admin->endpoint);
    const bool any_port = !is_unix && address_port(&admin->endpoint.address) == 0;
    if (is_unix && !listening_rights(&conf->socket, options->rights, &rights))
        return false;
    const struct listen_options listen = {.backlog = BACKLOG, .rights = is_unix ? &rights : NULL};
    if (!any_port && socket_is_in_use(&admin->endpoint))
        errno = EADDRINUSE;
    else
        admin->fd = options->trial ? socket_check(&admin->endpoint, &listen)
                                   : socket_listen(&admin->endpoint, &listen);
    return admin->fd >= 0 && (is_unix || socket_local_address(admin->fd, &admin->endpoint.address));
}

static bool listen_on(struct admin *admin, const struct admin_conf *conf,
                      const struct admin_options *options)
{
    if (listen_at(admin, conf, options))
        return true;
    if (options->trial && errno == EADDRINUSE) {
        (void)fprintf(options->out,
                      "warning: admin.address: %s is in use: a start fails until the process that "
                      "uses it has stopped\n",
                      conf->address);
        return true;
    }
    print_fault(options->out, "admin.address: cannot listen on", conf->address,
                errno == EEXIST ? "the path exists and is not a socket" : strerrordesc_np(errno));
    return false;
}

struct admin *admin_new(const struct admin_conf *conf, struct admin_context *context,
                        const struct admin_routes *routes, const struct admin_options *options)
{
    FILE *out = options->out;
    struct admin *admin = calloc(1, sizeof(*admin));
    if (!admin) {
        (void)fprintf(out, "error: out of memory\n");
        return NULL;
    }
    admin->context = context;
    admin->routes = routes;
    admin->fd = -1;
    admin->address = strdup(conf->address);
    if (!admin->address) {
        (void)fprintf(out, "error: out of memory\n");
        admin_free(admin);
        return NULL;
    }
    char why[SMALL_FILE_ERROR_MAX];
    const bool read = bearer_token_read(conf->token_file, SMALL_FILE_REGULAR, &admin->token, why);
    if (!read)
        print_fault(out, "admin.token_file", conf->token_file, why);
    if (read && listen_on(admin, conf, options))
        return admin;
    admin_free(admin);
    return NULL;
}

int admin_fd(const struct admin *admin)
{
    return admin->fd;
}

bool admin_start(struct admin *admin, struct ev_loop *loop, struct log *log, FILE *out)
{
    char text[ENDPOINT_TEXT_MAX];
    const struct admin_http_conf conf = {.listen_fd = admin->fd,
                                         .loop = loop,
                                         .log = log,
                                         .context = admin->context,
                                         .routes = admin->routes,
                                         .token = &admin->token};
    admin->http = admin_http_new(&conf);
    if (!admin->http) {
        (void)fprintf(out, "error: cannot start the admin interface: out of memory or file "
                           "descriptors\n");
        return false;
    }
    endpoint_format(&admin->endpoint, text);
    log_event(log, LOG_NOTICE, "admin.open", "address", text);
    (void)fprintf(out, "admin interface on %s\n", text);
    return true;
}

bool admin_prepare(struct admin *admin, const struct admin_conf *conf, FILE *out)
{
    /* A new address takes effect only after a restart, and so must its token: a configuration
     * without a token may be safe at the new address, but not at the current one. */
    if (!conf || strcmp(conf->address, admin->address) != 0) {
        admin->prepared = admin->token;
        return true;
    }
    char why[SMALL_FILE_ERROR_MAX];
    if (bearer_token_read(conf->token_file, SMALL_FILE_REGULAR, &admin->prepared, why))
        return true;
    print_fault(out, "admin.token_file", conf->token_file, why);
    return false;
}

bool admin_change_rights(struct admin *admin, const struct admin_conf *to,
                         const struct admin_conf *from, FILE *out)
{
    if (!to || !from || strcmp(to->address, admin->address) != 0 ||
        listening_change_rights(&admin->endpoint, &to->socket, &from->socket))
        return true;
    if (out)
        print_fault(out, "admin: cannot change the permissions of", to->address,
                    strerrordesc_np(errno));
    return false;
}

void admin_commit(struct admin *admin)
{
    admin->token = admin->prepared;
    bearer_token_wipe(&admin->prepared);
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    admin_http_free(admin->http);
    if (admin->fd >= 0) {
        close(admin->fd);
        socket_remove_file(&admin->endpoint);
    }
    bearer_token_wipe(&admin->token);
    bearer_token_wipe(&admin->prepared);
    free(admin->address);
    free(admin);
}
