/*
 * listening.c - open the listening sockets, and say so in words and in the log.
 */
#include "listening.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/socket.h"

/* Borrowed for the length of one listening_open(). */
struct opening {
    const struct snapshot *snapshot;
    struct log *log;
    FILE *out;
    unsigned workers;
};

static const char *door_words(const struct listener_conf *conf, const struct endpoint *endpoint)
{
    if (conf->websocket)
        return conf->tls ? "WebSocket over TLS" : "WebSocket";
    if (conf->tls)
        return "TLS";
    return endpoint_is_unix(endpoint) ? "a Unix socket" : "TCP";
}

static void announce(const struct opening *o, const struct listener_conf *conf,
                     const struct endpoint *endpoint)
{
    char text[ENDPOINT_TEXT_MAX];
    const char *cluster = o->snapshot->config->clusters[conf->cluster].name;
    endpoint_format(endpoint, text);
    (void)fprintf(o->out, "listening on %s for MQTT over %s%s: listener \"%s\", cluster \"%s\"\n",
                  text, door_words(conf, endpoint),
                  conf->accept_proxy_protocol ? ", behind a PROXY header" : "", conf->name,
                  cluster);
    struct log_line line;
    log_begin(&line, o->log, LOG_NOTICE, "listener.open");
    log_text(&line, "listener", conf->name);
    log_text(&line, "address", text);
    log_bool(&line, "tls", conf->tls);
    log_bool(&line, "websocket", conf->websocket);
    log_bool(&line, "proxy_protocol", conf->accept_proxy_protocol);
    log_text(&line, "cluster", cluster);
    log_emit(&line);
}

static int open_one(const struct opening *o, const struct door *door,
                    const struct endpoint *endpoint, int first)
{
    const struct timeouts_conf *timeouts = &o->snapshot->config->timeouts;
    const struct listener_conf *conf = door->conf;
    const struct listen_options options = {
        .backlog = (int)conf->backlog,
        .dual_stack = conf->dual_stack,
        .defer_accept_s =
            conf->tcp_defer_accept ? (int)(timeouts->connect_packet_ms / 1000 + 1) : 0,
        .fast_open = (int)conf->fast_open,
    };
    /* a Unix socket has one queue: the workers take turns at it */
    if (endpoint_is_unix(endpoint) && first >= 0)
        return socket_share(first);
    return socket_listen(endpoint, &options);
}

static bool refuse(const struct opening *o, const struct door *door)
{
    char text[ENDPOINT_TEXT_MAX];
    (void)fprintf(o->out, "error: listener %s: cannot listen on %s: %s\n", door->conf->name,
                  endpoint_format(&door->endpoint, text), strerror(errno));
    return false;
}

/* One socket for each worker; a port of 0 is whatever the first one gets. */
static bool open_door(const struct opening *o, size_t index, int *fds)
{
    const struct door *door = &o->snapshot->doors[index];
    struct endpoint endpoint = door->endpoint;
    for (unsigned i = 0; i < o->workers; i++) {
        int *fd = &fds[i * o->snapshot->n_doors + index];
        *fd = open_one(o, door, &endpoint, fds[index]);
        if (*fd < 0 ||
            (!endpoint_is_unix(&endpoint) && !socket_local_address(*fd, &endpoint.address)))
            return refuse(o, door);
    }
    announce(o, door->conf, &endpoint);
    return true;
}

static bool is_free(const struct opening *o, const struct door *door)
{
    bool any_port =
        !endpoint_is_unix(&door->endpoint) && address_port(&door->endpoint.address) == 0;
    if (any_port || !socket_is_taken(&door->endpoint))
        return true;
    errno = EADDRINUSE;
    return refuse(o, door);
}

bool listening_open(const struct snapshot *snapshot, unsigned workers, int *fds, struct log *log,
                    FILE *out)
{
    const struct opening o = {.snapshot = snapshot, .log = log, .out = out, .workers = workers};
    size_t n = workers * snapshot->n_doors;
    for (size_t i = 0; i < n; i++)
        fds[i] = -1;
    bool ready = true;
    for (size_t i = 0; i < snapshot->n_doors; i++)
        ready = is_free(&o, &snapshot->doors[i]) && open_door(&o, i, fds) && ready;
    if (!ready)
        listening_close(fds, n);
    return ready;
}

void listening_close(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

void listening_remove_files(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->n_doors; i++)
        if (endpoint_is_unix(&snapshot->doors[i].endpoint))
            (void)unlink(snapshot->doors[i].endpoint.un.sun_path);
}
