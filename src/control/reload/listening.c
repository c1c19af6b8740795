/*
 * listening.c - open, announce and close the listening sockets.
 *
 * An existing binding keeps its sockets. A binding is identified by its address; with port 0, for
 * which the kernel chooses a port, also by the name of its listener.
 */
#include "listening.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "control/host/accounts.h"
#include "net/socket.h"

/* Context of a listening_open() call; everything is borrowed. */
struct opening {
    const struct snapshot *snapshot;
    const struct snapshot *before; /* null = the router is starting */
    FILE *out;
    unsigned workers;
    bool dry_run;
    const struct socket_permissions *base; /* null = owned by the router, mode from the umask */
};

static const struct socket_permissions keep_all = {.mode = SOCKET_PERMISSIONS_KEEP,
                                                   .owner = SOCKET_PERMISSIONS_KEEP,
                                                   .group = SOCKET_PERMISSIONS_KEEP};

bool listening_rights(const struct socket_conf *conf, const struct socket_permissions *base,
                      struct socket_permissions *out)
{
    const char *key;
    *out = base ? *base : keep_all;
    errno = account_socket_rights(conf, out, &key);
    return errno == 0;
}

static int open_one(const struct opening *o, const struct binding *binding,
                    const struct endpoint *endpoint, int first)
{
    const struct timeouts_conf *timeouts = &o->snapshot->config->timeouts;
    const struct listener_conf *conf = binding->conf;
    struct socket_permissions rights;
    if (endpoint_is_unix(endpoint) && !listening_rights(&conf->socket, o->base, &rights))
        return -1;
    const struct listen_options options = {
        .rights = endpoint_is_unix(endpoint) ? &rights : NULL,
        .backlog = (int)conf->backlog,
        .dual_stack = conf->dual_stack,
        .defer_accept_s =
            conf->tcp_defer_accept ? (int)(timeouts->connect_packet_ms / 1000 + 1) : 0,
        .fast_open = (int)conf->fast_open,
    };
    /* a Unix socket has one accept queue, which all workers share */
    if (endpoint_is_unix(endpoint) && first >= 0)
        return socket_share(first);
    return o->dry_run ? socket_check(endpoint, &options) : socket_listen(endpoint, &options);
}

static bool refuse(const struct opening *o, const struct binding *binding)
{
    char text[ENDPOINT_TEXT_MAX];
    const struct endpoint *at = &binding->endpoint;
    const char *why =
        errno == EEXIST ? "the path exists and is not a socket" : strerrordesc_np(errno);
    /* Startup can open a port below 1024, but a reload cannot, because privileges were dropped. */
    bool low =
        errno == EACCES && o->before && !endpoint_is_unix(at) && address_port(&at->address) < 1024;
    (void)fprintf(o->out, "error: listener %s: cannot listen on %s: %s%s\n", binding->conf->name,
                  endpoint_format(at, text), why,
                  low ? ": a port below 1024 requires privileges that the router drops after its "
                        "start: restart it"
                      : "");
    return false;
}

static bool is_any_port(const struct endpoint *endpoint)
{
    return !endpoint_is_unix(endpoint) && address_port(&endpoint->address) == 0;
}

static bool same_binding(const struct binding *a, const struct binding *b)
{
    return endpoint_equal(&a->endpoint, &b->endpoint) &&
           (!is_any_port(&a->endpoint) || strcmp(a->conf->name, b->conf->name) == 0);
}

bool listening_find(const struct snapshot *in, const struct binding *binding, size_t *found)
{
    for (size_t i = 0; in && i < in->n_bindings; i++) {
        if (!same_binding(&in->bindings[i], binding))
            continue;
        *found = i;
        return true;
    }
    return false;
}

/* Open one socket per worker. With port 0, all use the port that the first one gets. */
static bool open_sockets(const struct opening *o, size_t index, struct worker_socket *sockets)
{
    const struct binding *binding = &o->snapshot->bindings[index];
    struct endpoint endpoint = binding->endpoint;
    for (unsigned i = 0; i < o->workers; i++) {
        struct worker_socket *mine = &sockets[i * o->snapshot->n_bindings + index];
        mine->fd = open_one(o, binding, &endpoint, sockets[index].fd);
        if (mine->fd < 0 ||
            (!endpoint_is_unix(&endpoint) && !socket_local_address(mine->fd, &endpoint.address)))
            return refuse(o, binding);
    }
    return true;
}

/* Whether the router itself already listens on this port, on another address. */
static bool have_port(const struct opening *o, const struct binding *binding)
{
    for (size_t i = 0; o->before && i < o->before->n_bindings; i++) {
        const struct endpoint *ours = &o->before->bindings[i].endpoint;
        if (!endpoint_is_unix(ours) && !endpoint_is_unix(&binding->endpoint) &&
            address_port(&ours->address) == address_port(&binding->endpoint.address))
            return true;
    }
    return false;
}

static bool is_available(const struct opening *o, const struct binding *binding)
{
    if (is_any_port(&binding->endpoint) || have_port(o, binding) ||
        !socket_is_in_use(&binding->endpoint))
        return true;
    errno = EADDRINUSE;
    return false;
}

/* Warn that the address is in use: in a dry run, a router may be running this configuration. */
static bool open_placeholders(const struct opening *o, size_t index, struct worker_socket *sockets)
{
    char text[ENDPOINT_TEXT_MAX];
    const struct binding *binding = &o->snapshot->bindings[index];
    (void)fprintf(o->out,
                  "warning: listener %s: %s is in use: a start fails until the process that uses "
                  "it has stopped\n",
                  binding->conf->name, endpoint_format(&binding->endpoint, text));
    for (unsigned i = 0; i < o->workers; i++) {
        struct worker_socket *mine = &sockets[i * o->snapshot->n_bindings + index];
        mine->fd = socket(binding->endpoint.address.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (mine->fd < 0)
            return refuse(o, binding);
    }
    return true;
}

static bool open_new(const struct opening *o, size_t index, struct worker_socket *sockets)
{
    const struct binding *binding = &o->snapshot->bindings[index];
    if (is_available(o, binding))
        return open_sockets(o, index, sockets);
    return o->dry_run ? open_placeholders(o, index, sockets) : refuse(o, binding);
}

/* ---- permissions of existing files ---- */

static bool equal_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_rights(const struct socket_conf *a, const struct socket_conf *b)
{
    return equal_text(a->mode, b->mode) && equal_text(a->owner, b->owner) &&
           equal_text(a->group, b->group);
}

bool listening_change_rights(const struct endpoint *endpoint, const struct socket_conf *to,
                             const struct socket_conf *from)
{
    struct socket_permissions rights;
    if (!endpoint_is_unix(endpoint) || same_rights(to, from))
        return true;
    return listening_rights(to, NULL, &rights) && socket_set_permissions(endpoint, &rights);
}

bool listening_change_all_rights(const struct snapshot *to, const struct snapshot *from, FILE *out)
{
    char text[ENDPOINT_TEXT_MAX];
    size_t old;
    bool good = true;
    for (size_t i = 0; i < to->n_bindings; i++) {
        const struct binding *binding = &to->bindings[i];
        if (!listening_find(from, binding, &old) ||
            listening_change_rights(&binding->endpoint, &binding->conf->socket,
                                    &from->bindings[old].conf->socket))
            continue;
        good = false;
        if (out)
            (void)fprintf(out, "error: listener %s: cannot change the permissions of %s: %s%s\n",
                          binding->conf->name, endpoint_format(&binding->endpoint, text),
                          strerrordesc_np(errno), errno == EPERM ? ": restart" : "");
    }
    return good;
}

static void take_over(const struct opening *o, size_t index, size_t old,
                      struct worker_socket *sockets)
{
    for (unsigned i = 0; i < o->workers; i++)
        sockets[i * o->snapshot->n_bindings + index].takes_over = old;
}

bool listening_open(const struct snapshot *snapshot, const struct snapshot *before,
                    struct worker_socket *sockets, const struct listening_place *place)
{
    const struct opening o = {.snapshot = snapshot,
                              .before = before,
                              .out = place->out,
                              .workers = place->workers,
                              .dry_run = place->dry_run,
                              .base = place->rights};
    size_t n = o.workers * snapshot->n_bindings, old;
    for (size_t i = 0; i < n; i++)
        sockets[i] = (struct worker_socket){.fd = -1};
    bool ready = true;
    for (size_t i = 0; i < snapshot->n_bindings; i++) {
        const struct binding *binding = &snapshot->bindings[i];
        if (listening_find(before, binding, &old))
            take_over(&o, i, old, sockets);
        else
            ready = open_new(&o, i, sockets) && ready;
    }
    if (!ready)
        listening_close(sockets, n);
    return ready;
}

/* ---- announcing ---- */

static const char *transport_name(const struct listener_conf *conf, const struct endpoint *endpoint)
{
    if (conf->websocket)
        return conf->tls ? "WebSocket over TLS" : "WebSocket";
    if (conf->tls)
        return "TLS";
    return endpoint_is_unix(endpoint) ? "a Unix socket" : "TCP";
}

static void announce(const struct listening_place *place, const struct config *config,
                     const struct listener_conf *conf, const struct endpoint *endpoint)
{
    char text[ENDPOINT_TEXT_MAX];
    const char *cluster = config->clusters[conf->cluster].name;
    endpoint_format(endpoint, text);
    if (place->out)
        (void)fprintf(
            place->out, "listening on %s for MQTT over %s%s: listener \"%s\", cluster \"%s\"\n",
            text, transport_name(conf, endpoint),
            conf->accept_proxy_protocol ? " with a PROXY header" : "", conf->name, cluster);
    struct log_line line;
    log_begin(&line, place->log, LOG_NOTICE, "listener.open");
    log_text(&line, "listener", conf->name);
    log_text(&line, "address", text);
    log_bool(&line, "tls", conf->tls);
    log_bool(&line, "websocket", conf->websocket);
    log_bool(&line, "proxy_protocol", conf->accept_proxy_protocol);
    log_text(&line, "cluster", cluster);
    log_emit(&line);
}

void listening_announce(const struct snapshot *snapshot, const struct worker_socket *sockets,
                        const struct listening_place *place)
{
    for (size_t i = 0; i < snapshot->n_bindings; i++) {
        struct endpoint endpoint = snapshot->bindings[i].endpoint;
        if (sockets[i].fd < 0)
            continue;
        if (is_any_port(&endpoint)) /* succeeded before, so it cannot fail now */
            (void)socket_local_address(sockets[i].fd, &endpoint.address);
        announce(place, snapshot->config, snapshot->bindings[i].conf, &endpoint);
    }
}

/* ---- closing ---- */

/* Remove the file of a Unix socket, which close() does not remove. */
static void remove_file(int fd)
{
    struct endpoint local = {0};
    socklen_t n = sizeof(local);
    if (getsockname(fd, &local.address.sa, &n) == 0)
        socket_remove_file(&local);
}

void listening_close(const struct worker_socket *sockets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sockets[i].fd < 0)
            continue;
        remove_file(sockets[i].fd);
        close(sockets[i].fd);
    }
}

void listening_undo(const struct snapshot *snapshot, const struct snapshot *before)
{
    size_t found;
    for (size_t i = 0; i < snapshot->n_bindings; i++) {
        const struct binding *binding = &snapshot->bindings[i];
        if (!listening_find(before, binding, &found))
            socket_remove_file(&binding->endpoint);
    }
}

void listening_ended(const struct snapshot *snapshot, const struct snapshot *after, struct log *log)
{
    char text[ENDPOINT_TEXT_MAX];
    size_t found;
    for (size_t i = 0; i < snapshot->n_bindings; i++) {
        const struct binding *binding = &snapshot->bindings[i];
        if (listening_find(after, binding, &found))
            continue;
        socket_remove_file(&binding->endpoint); /* otherwise, clients would connect to a socket that
                                                 * is never accepted from */
        if (!after)
            continue;
        struct log_line line;
        log_begin(&line, log, LOG_NOTICE, "listener.closed");
        log_text(&line, "listener", binding->conf->name);
        log_text(&line, "address", endpoint_format(&binding->endpoint, text));
        log_emit(&line);
    }
}
