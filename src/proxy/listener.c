/*
 * listener.c - one worker's socket for an address of a listener.
 *
 * Holds the socket, its watcher and its configuration. worker/accept.c accepts the connections.
 */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/socket.h"

static bool is_wildcard(const struct address *a)
{
    if (a->sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
    return a->sa.sa_family == AF_INET && a->in.sin_addr.s_addr == htonl(INADDR_ANY);
}

static struct listener_tag *tag_new(const struct binding *binding)
{
    const struct listener_conf *conf = binding->conf;
    size_t n = strlen(conf->name) + 1;
    struct listener_tag *tag = malloc(sizeof(*tag) + n);
    if (!tag)
        return NULL;
    tag->refs = 1;
    tag->websocket = conf->websocket;
    tag->live = listener_live_ref(binding->live);
    memcpy(tag->name, conf->name, n);
    return tag;
}

void listener_tag_unref(struct listener_tag *tag)
{
    if (!tag || --tag->refs > 0)
        return;
    listener_live_unref(tag->live);
    free(tag);
}

static bool ask_local(struct listener *listener)
{
    if (listener->fd < 0)
        return true;
    if (!socket_local_address(listener->fd, &listener->local))
        return false;
    listener->wildcard = is_wildcard(&listener->local);
    return true;
}

struct listener *listener_new(struct snapshot *snapshot, const struct binding *binding, int fd)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    if (!listener) {
        if (fd >= 0)
            close(fd);
        errno = ENOMEM;
        return NULL;
    }
    const struct listener_conf *conf = binding->conf;
    listener->refs = 1;
    listener->batch = 1;
    listener->snapshot = snapshot_ref(snapshot);
    listener->conf = conf;
    listener->fd = fd;
    if (conf->websocket)
        listener->websocket.upgrade = (struct ws_upgrade_conf){
            .path = span_of_str(conf->websocket->path),
            .client_address_header = span_of_str(conf->client_address_header),
        };
    listener->tag = tag_new(binding);
    if (listener->tag && ask_local(listener))
        return listener;
    int saved = listener->tag ? errno : ENOMEM;
    listener_unref(listener);
    errno = saved;
    return NULL;
}

struct listener *listener_ref(struct listener *listener)
{
    listener->refs++;
    return listener;
}

void listener_unref(struct listener *listener)
{
    if (!listener || --listener->refs > 0)
        return;
    listener_close(listener);
    tls_context_free(listener->tls);
    cluster_view_unref(listener->cluster_view);
    listener_tag_unref(listener->tag);
    snapshot_unref(listener->snapshot);
    free(listener);
}

void listener_watch(struct listener *listener, struct ev_loop *loop,
                    void (*on_connection)(struct ev_loop *loop, struct ev_io *io, int events),
                    void *data)
{
    ev_io_init(&listener->io, on_connection, listener->fd, EV_READ);
    listener->io.data = data;
    ev_set_priority(&listener->io, EV_MINPRI); /* called last in a turn of the loop */
    listener->loop = loop;
    listener_resume(listener);
}

void listener_take_over(struct listener *listener, struct listener *old)
{
    listener_pause(old);
    listener->fd = old->fd;
    listener->local = old->local;
    listener->wildcard = old->wildcard;
    old->fd = -1;
    /* on a listening socket, this only changes the backlog */
    (void)listen(listener->fd, (int)listener->conf->backlog);
}

void listener_pause(struct listener *listener)
{
    if (listener->loop)
        ev_io_stop(listener->loop, &listener->io);
}

void listener_resume(struct listener *listener)
{
    if (listener->loop && listener->fd >= 0)
        ev_io_start(listener->loop, &listener->io);
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    listener_pause(listener);
    close(listener->fd);
    listener->fd = -1;
}
