/*
 * connections.c - accept the admin interface's connections, limit their number, and time them out.
 *
 * The router accepts connections itself, instead of libmicrohttpd, for two reasons: at the limit it
 * closes the connection that has been idle longest, and without a free descriptor it retries after
 * a second instead of spinning. libmicrohttpd's own timeout is not used, because it restarts with
 * every byte.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_internal.h"
#include "net/socket.h"

#define SWEEP_EVERY_S 1.0

/* ---- libmicrohttpd on the loop ---- */

void admin_connections_run(struct admin_http *http)
{
    MHD_UNSIGNED_LONG_LONG ms;
    (void)MHD_run(http->daemon);
    ev_timer_stop(http->conf.loop, &http->timeout);
    if (MHD_get_timeout(http->daemon, &ms) == MHD_YES) {
        ev_timer_set(&http->timeout, (double)ms / 1000.0, 0);
        ev_timer_start(http->conf.loop, &http->timeout);
    }
}

static void on_turn(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    (void)events;
    admin_connections_run(io->data);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    admin_connections_run(timer->data);
}

/* ---- room ---- */

static bool is_held(const struct admin_peer *peer)
{
    return peer->call && peer->call->held;
}

static void set_deadline(struct admin_peer *peer, unsigned seconds)
{
    peer->deadline_us = clock_monotonic_us() + UINT64_C(1000000) * seconds;
}

/* Make libmicrohttpd close the connection when it runs next. */
static void end_peer(const struct admin_peer *peer)
{
    (void)shutdown(peer->fd, SHUT_RDWR);
}

/* Find the connection that has been idle longest: one without a request, or else one with a request
 * that is not held. Returns null if all are held. */
static struct admin_peer *find_idlest(const struct admin_http *http)
{
    struct admin_peer *busy = NULL;
    for (struct list *l = http->peers.next; l != &http->peers; l = l->next) {
        struct admin_peer *peer = CONTAINER_OF(l, struct admin_peer, link);
        if (!peer->call)
            return peer;
        if (!busy && !is_held(peer))
            busy = peer;
    }
    return busy;
}

static bool make_room(struct admin_http *http)
{
    if (http->n_peers < ADMIN_CONNECTIONS_MAX)
        return true;
    const struct admin_peer *peer = find_idlest(http);
    if (peer) {
        end_peer(peer);
        admin_connections_run(http);
    }
    return http->n_peers < ADMIN_CONNECTIONS_MAX;
}

static void on_acceptable(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    struct admin_http *http = io->data;
    struct address from;
    errno = EMFILE; /* also if our own limit is reached */
    int fd = make_room(http) ? socket_accept(http->conf.listen_fd, &from) : -1;
    if (fd >= 0) {
        http->arriving = &from;
        (void)MHD_add_connection(http->daemon, fd, &from.sa,
                                 sizeof(from)); /* on failure it closes fd */
        http->arriving = NULL;
        admin_connections_run(http);
    } else if (errno != EAGAIN) {
        ev_io_stop(loop, io); /* until the next sweep */
    }
}

/* ---- connections ---- */

void admin_peer_note(struct admin_http *http, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode code)
{
    struct admin_peer *peer = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = peer = calloc(1, sizeof(*peer));
        if (!peer)
            return; /* its first request is rejected */
        peer->http = http;
        peer->fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        address_format(http->arriving, peer->source);
        set_deadline(peer, ADMIN_REQUEST_S);
        list_append(&http->peers, &peer->link);
        http->n_peers++;
    } else if (peer) {
        list_remove(&peer->link);
        http->n_peers--;
        free(peer);
    }
}

void admin_peer_busy(struct admin_peer *peer, struct admin_call *call)
{
    peer->call = call;
    peer->answered = false;
    set_deadline(peer, ADMIN_REQUEST_S);
}

void admin_peer_answered(struct admin_peer *peer)
{
    peer->answered = true;
    set_deadline(peer, ADMIN_ANSWER_S);
}

void admin_peer_idle(struct admin_peer *peer)
{
    peer->call = NULL;
    peer->answered = false;
    set_deadline(peer, ADMIN_IDLE_S);
    list_remove(&peer->link);
    list_append(&peer->http->peers, &peer->link);
}

/* ---- timeouts ---- */

/*
 * libmicrohttpd ignores suspended connections. It also misses an end of stream that arrives
 * together with the last bytes, because its epoll is edge-triggered and it does not read again.
 */
static bool has_left(const struct admin_peer *peer)
{
    if (is_held(peer))
        return socket_peer_has_closed(peer->fd);
    return !peer->answered && socket_peer_state(peer->fd) != SOCKET_PEER_OPEN;
}

static void check_peer(struct admin_peer *peer, uint64_t now_us)
{
    const bool left = has_left(peer);
    if (left && is_held(peer))
        admin_call_abandon(peer->call);
    else if (left || (peer->deadline_us < now_us && !is_held(peer)))
        end_peer(peer);
}

static void on_sweep(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct admin_http *http = timer->data;
    const uint64_t now_us = clock_monotonic_us();
    for (struct list *l = http->peers.next, *next; l != &http->peers; l = next) {
        next = l->next;
        check_peer(CONTAINER_OF(l, struct admin_peer, link), now_us);
    }
    admin_connections_run(http);
    ev_io_start(loop, &http->acceptable);
}

void admin_connections_start(struct admin_http *http, int epoll_fd)
{
    ev_io_init(&http->turning, on_turn, epoll_fd, EV_READ);
    ev_init(&http->timeout, on_timeout);
    http->turning.data = http->timeout.data = http;
    ev_io_start(http->conf.loop, &http->turning);
    ev_io_init(&http->acceptable, on_acceptable, http->conf.listen_fd, EV_READ);
    ev_timer_init(&http->sweep, on_sweep, SWEEP_EVERY_S, SWEEP_EVERY_S);
    http->acceptable.data = http->sweep.data = http;
    ev_io_start(http->conf.loop, &http->acceptable);
    ev_timer_start(http->conf.loop, &http->sweep);
}

void admin_connections_stop(struct admin_http *http)
{
    ev_io_stop(http->conf.loop, &http->acceptable);
    ev_timer_stop(http->conf.loop, &http->sweep);
    ev_io_stop(http->conf.loop, &http->turning);
    ev_timer_stop(http->conf.loop, &http->timeout);
}
