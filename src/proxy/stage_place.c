/*
 * stage_place.c - find the session a node: route by its key, dial, try the next candidate.
 *
 *    ROUTE --candidates--> DIAL --PROXY header + CONNECT in one send--> CONNACK
 *                          |  ^
 *                          +--+  refused, timed out: the key's next node, within placement_ms
 */
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "identity.h"
#include "model/route_key.h"
#include "net/socket.h"
#include "net/tls_client.h"
#include "proxied.h"
#include "session.h"
#include "wire/proxy_protocol.h"
#include "worker.h"

#define SLOW_DIAL_US 20000u

static struct tls_client_context *cluster_tls(const struct session *s)
{
    return s->w->cluster_tls[s->cluster - s->w->snapshot->clusters];
}

static enum step pick(struct session *s, const struct route_facts *facts)
{
    struct span key;
    if (route_key_pick(s->cluster->conf, facts, &key))
        s->n_candidates = (uint8_t)cluster_candidates(s->cluster, key, s->candidates);
    else if (s->cluster->conf->empty_client_id == EMPTY_ID_REFUSE)
        return session_close(s, CLOSE_CLIENT_ID_REFUSED, NULL);
    else
        s->n_candidates = (uint8_t)cluster_least_loaded(s->cluster, s->w->turn++, s->candidates);
    if (s->n_candidates == 0)
        return session_close(s, CLOSE_NO_NODE, "no node has a weight");
    session_goto(s, SESSION_DIAL);
    return MOVED;
}

enum step stage_route(struct session *s)
{
    const uint8_t *p = buffer_bytes(&s->first);
    struct address source = address_unmap(&s->source);
    char source_ip[ADDRESS_TEXT_MAX];
    struct tls_facts tls;
    struct proxy_facts device;
    proxied_facts(s, &tls, &device);
    struct route_facts facts = {
        .client_id = mqtt_connect_client_id(&s->connect, p),
        .username = mqtt_connect_username(&s->connect, p),
        .source_ip = source.sa.sa_family == AF_UNIX
                         ? (struct span){0}
                         : span_of_str(address_format_host(&source, source_ip)),
        .tls_cn = device.verified ? device.tls_cn : (struct span){0},
        .sni = device.authority,
    };
    char names[IDENTITY_NAMES_MAX];
    if (!identity_confirmed(s, &facts, names))
        return session_close(s, CLOSE_IDENTITY_REFUSED, names);
    return pick(s, &facts);
}

void dial_uncount(struct session *s)
{
    if (s->node)
        atomic_fetch_sub_explicit(&s->node->live->sessions, 1, memory_order_relaxed);
    s->node = NULL;
}

void dial_abandon(struct session *s)
{
    if (s->node_stream) {
        ev_io_stop(s->w->loop, &s->node_io);
        stream_free(s->node_stream);
        s->node_stream = NULL;
    }
    dial_uncount(s);
    s->up.write_wait = s->down.read_wait = 0;
    s->first_sent = 0;
}

/*
 * Put the PROXY header in front of the CONNECT, so that both leave in one send. Not when TLS
 * stands between the two: then it goes ahead of the handshake, each time anew.
 */
static void put_proxy_header(struct session *s)
{
    uint8_t header[PROXY_V2_MAX];
    if (s->header_put || cluster_tls(s))
        return;
    buffer_prepend(&s->first, header, proxied_compose(s, header));
    s->header_put = true;
}

/* The stream to the node being tried; takes the descriptor. Null when memory is short. */
static struct stream *node_stream_new(struct session *s, int fd)
{
    struct tls_client_context *tls = cluster_tls(s);
    uint8_t header[PROXY_V2_MAX];
    if (!tls)
        return stream_tcp_new_connecting(fd);
    const struct tls_peer peer = {.name = s->cluster->conf->tls->server_name,
                                  .address = &s->node->endpoint.address};
    return stream_tls_connect(tls, fd, &peer, header, proxied_compose(s, header));
}

/* Close for want of a node, unless another candidate may be tried: then WAIT. */
static enum step try_failed(struct session *s, const char *why)
{
    counter_add(&s->w->counters.dial_failures, 1);
    char node_and_why[160];
    (void)snprintf(node_and_why, sizeof(node_and_why), "%s: %s", s->node->conf->name, why);
    dial_abandon(s);
    if (session_placing_ms(s) >= s->w->snapshot->config->timeouts.placement_ms)
        return session_close(s, CLOSE_PLACEMENT_TIMEOUT, node_and_why);
    if (s->tries >= s->n_candidates)
        return session_close(s, CLOSE_NO_NODE, node_and_why);
    return WAIT;
}

/* Descriptors, memory, local ports: another node would meet the same. */
static bool is_our_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
           error == EADDRNOTAVAIL;
}

/* Dial the next candidate. WAIT when it is on its way, MOVED when the session was closed. */
static enum step dial_next(struct session *s)
{
    for (;;) {
        s->node = s->last_tried = &s->cluster->nodes[s->candidates[s->tries++]];
        atomic_fetch_add_explicit(&s->node->live->sessions, 1, memory_order_relaxed);
        int fd = socket_dial(&s->node->endpoint);
        int dial_errno = errno;
        s->node_stream = fd >= 0 ? node_stream_new(s, fd) : NULL;
        if (s->node_stream) {
            const struct timeouts_conf *timeouts = &s->w->snapshot->config->timeouts;
            double left_ms = (double)timeouts->placement_ms - (double)session_placing_ms(s);
            session_set_deadline(s, left_ms < timeouts->dial_ms ? (left_ms > 1 ? left_ms : 1)
                                                                : timeouts->dial_ms);
            session_watch_node(s, fd);
            s->up.write_wait = EV_WRITE;
            return WAIT;
        }
        if (fd >= 0)
            return session_close(s, CLOSE_LOCAL_LIMIT, "out of memory");
        if (is_our_shortage(dial_errno))
            return session_close(s, CLOSE_LOCAL_LIMIT, strerrordesc_np(dial_errno));
        if (try_failed(s, strerrordesc_np(dial_errno)) == MOVED)
            return MOVED;
    }
}

static enum step retry(struct session *s, const char *why)
{
    return try_failed(s, why) == MOVED ? MOVED : dial_next(s);
}

/*
 * Has the device reset its connection while we dialled? Nothing watches it meanwhile, since its
 * further bytes are not due yet; but the CONNECT of a device that is gone must not reach a
 * node, where it would throw out the session the device may have made elsewhere by now. A
 * FIN alone is no leave: CONNECT, PUBLISH, DISCONNECT, FIN in one go is legal. Asked only
 * after a slow dial, as it costs a system call.
 */
static bool client_is_gone(const struct session *s)
{
    struct pollfd client = {.fd = s->client_io.fd, .events = 0};
    if (clock_monotonic_us() - s->entered_us < SLOW_DIAL_US)
        return false;
    return poll(&client, 1, 0) == 1 && (client.revents & (POLLERR | POLLHUP));
}

enum step stage_dial(struct session *s)
{
    if (!s->node_stream) {
        put_proxy_header(s);
        return dial_next(s);
    }
    if (!s->up.due)
        return WAIT;
    s->up.due = false;
    enum stream_result r = stream_open(s->node_stream);
    if (r == STREAM_OK && s->first_sent == 0 && client_is_gone(s))
        return session_close(s, CLOSE_CLIENT_ERROR, "left while a node was dialled");
    while (r == STREAM_OK && s->first_sent < buffer_len(&s->first)) {
        size_t put = 0;
        r = stream_write(s->node_stream, buffer_bytes(&s->first) + s->first_sent,
                         buffer_len(&s->first) - s->first_sent, &put);
        s->first_sent += (uint32_t)put;
    }
    if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
        s->up.write_wait = flow_wait_mask(r);
        return WAIT;
    }
    if (r != STREAM_OK)
        return retry(s, stream_error(s->node_stream));
    session_goto(s, SESSION_CONNACK);
    s->up.due = s->down.due = true;
    return MOVED;
}

enum step stage_dial_timed_out(struct session *s)
{
    /* the stage that runs next sees the new try, or the farewell */
    return retry(s, "timed out");
}
