/*
 * accept.c - the doors a device comes through before its CONNECT is read.
 *
 *    ACCEPT -> PROXY_IN? -> TLS? -> WEBSOCKET? -> CONNECT
 *
 * Each listener has some of them, always in this order: the balancer in front speaks first, on
 * the bare socket; TLS wraps what is left of it; WebSocket runs inside.
 *
 * The client's socket is first tried when it is readable: a device's bytes come a round
 * trip after its connection, and a read before that is a system call for nothing.
 */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit.h"
#include "model/forwarded.h"
#include "net/address.h"
#include "net/socket.h"
#include "net/ws/stream.h"
#include "proxy/listener.h"
#include "proxy/loop_memory.h"
#include "proxy/session/device.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "wire/first_bytes.h"

/* LOCAL and UNKNOWN: the proxy connects for itself, to check whether we are there. */
static bool speaks_for_nobody(const struct session *s)
{
    return s->proxied && s->proxied->header.version != 0 && !s->proxied->header.has_address;
}

enum step session_left_early(struct session *s, bool heard, const char *detail)
{
    s->probe = !heard || speaks_for_nobody(s);
    return session_close(s, CLOSE_CLIENT_CLOSED_EARLY, detail);
}

/* The door behind the one of state `behind`, in the listener's order. */
static enum session_state next_door(const struct session *s, enum session_state behind)
{
    const struct listener_conf *conf = s->arrival->listener->conf;
    if (behind < SESSION_PROXY_IN && conf->accept_proxy_protocol)
        return SESSION_PROXY_IN;
    if (behind < SESSION_TLS && conf->tls)
        return SESSION_TLS;
    if (behind < SESSION_WEBSOCKET && conf->websocket)
        return SESSION_WEBSOCKET;
    return SESSION_CONNECT;
}

static enum step go_on(struct session *s)
{
    enum session_state next = next_door(s, s->state);
    if (next == SESSION_WEBSOCKET) {
        s->client = stream_ws_accept(s->client, &s->arrival->listener->websocket);
        if (!s->client) {
            s->tls = NULL; /* went with the layers above it */
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
        }
    }
    session_goto(s, next);
    return MOVED;
}

/* Will a trusted proxy yet tell whom it speaks for? */
static bool source_is_told_later(const struct session *s)
{
    const struct listener_conf *conf = s->arrival->listener->conf;
    return (conf->accept_proxy_protocol && s->state < SESSION_PROXY_IN) ||
           (conf->client_address_header && admit_trusts_peer(s));
}

static bool listener_is_full(const struct session *s)
{
    uint32_t most = s->arrival->listener->conf->max_connections;
    return most > 0 &&
           atomic_load_explicit(&s->tag->live->connections, memory_order_relaxed) > most;
}

enum step stage_accept(struct session *s)
{
    if (loop_memory_is_short())
        return session_close(s, CLOSE_OUT_OF_MEMORY, "for the event loop");
    if (!worker_admits(s->w))
        return session_close(s, CLOSE_MAX_CONNECTIONS, NULL);
    if (listener_is_full(s))
        return session_close(s, CLOSE_LISTENER_FULL, NULL);
    if (s->arrival->listener->conf->accept_proxy_protocol) {
        if (!admit_trusts_peer(s))
            return session_close(s, CLOSE_PROXY_UNTRUSTED, NULL);
        s->proxied = calloc(1, sizeof(*s->proxied));
        if (!s->proxied)
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    }
    if (!source_is_told_later(s) && !admit_source(s))
        return session_close(s, (enum close_reason)s->arrival->turned_away, NULL);
    (void)go_on(s);
    s->up.read_wait = EV_READ;
    return s->state == SESSION_CLOSED ? MOVED : WAIT;
}

/* A Unix peer has no address, and a header without one gives it none: nothing to tell a node. */
static bool lacks_address(const struct session *s)
{
    return s->source.sa.sa_family == AF_UNIX &&
           s->arrival->listener->cluster_view->cluster->conf->proxy_protocol != PROXY_PROTOCOL_NONE;
}

/* The usual cause of a wrong signature: the balancer in front sends no header. */
static enum step header_is_bad(struct session *s)
{
    const struct proxied *proxied = s->proxied;
    const struct span bytes = span_of(buffer_bytes(&proxied->bytes), buffer_len(&proxied->bytes));
    const enum first_protocol speaks = first_bytes_protocol(bytes);
    char detail[96];
    if (strcmp(proxied->header.fault, "signature") != 0 || !first_protocol_name(speaks))
        return session_close(s, CLOSE_PROXY_REFUSED, proxied->header.fault);
    (void)snprintf(detail, sizeof(detail), "signature: no PROXY header, the client speaks %s",
                   first_protocol_name(speaks));
    return session_close(s, CLOSE_PROXY_REFUSED, detail);
}

/* Read no byte behind the header: what follows may be TLS, which is not ours to take. */
enum step stage_proxy_in(struct session *s)
{
    struct proxied *proxied = s->proxied;
    for (;;) {
        size_t next = 0, got = 0;
        switch (proxy_read(span_of(buffer_bytes(&proxied->bytes), buffer_len(&proxied->bytes)),
                           &proxied->header, &next)) {
        case PARSE_DONE:
            proxied_take_address(s);
            if (lacks_address(s))
                return session_close(s, CLOSE_PROXY_REFUSED, "no_address");
            if (!source_is_told_later(s) && !admit_source(s))
                return session_close(s, (enum close_reason)s->arrival->turned_away, NULL);
            return go_on(s);
        case PARSE_BAD:
            return header_is_bad(s);
        case PARSE_MORE:
            break;
        }
        if (!buffer_reserve(&proxied->bytes, 0, next))
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
        enum stream_result r =
            stream_read(s->client, proxied->bytes.mem + proxied->bytes.tail, next, &got);
        if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
            s->up.read_wait = flow_wait_mask(r);
            return WAIT;
        }
        if (r != STREAM_OK)
            return session_left_early(s, buffer_len(&proxied->bytes) > 0,
                                      r == STREAM_ERR ? stream_error(s->client) : NULL);
        buffer_grew(&proxied->bytes, got);
    }
}

/* Not before the device has spoken: 9,000 silent clients cost the memory of sockets, not of TLS. */
static bool begin_handshake(struct session *s)
{
    int fd = stream_tcp_release(s->client);
    s->client = stream_tls_accept(s->arrival->listener->tls, fd);
    s->arrival->shaking = s->client;
    return s->arrival->shaking;
}

static void count_failed(const struct session *s)
{
    struct tls_alert alert;
    const bool has = stream_tls_alert(s->client, &alert);
    counter_add(&s->w->counters.tls_failed[has ? tls_alert_failure(alert.code) : TLS_FAILURE_NONE],
                1);
}

static void count_shaken(const struct session *s)
{
    struct counters *c = &s->w->counters;
    counter_add(stream_tls_resumed(s->client) ? &c->tls_resumed : &c->tls_full, 1);
}

enum step stage_tls(struct session *s)
{
    s->up.read_wait = 0;
    if (!worker_lets_shake(s->w))
        return QUEUE;
    /* in a storm, who has given up waiting gets no cryptography at the cost of who has not */
    if (!s->arrival->shaking && socket_peer_has_closed(s->client_io.fd))
        return session_left_early(s, socket_has_unread(s->client_io.fd),
                                  "before its TLS handshake began");
    if (!s->arrival->shaking && !begin_handshake(s))
        return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    enum stream_result r = stream_open(s->client);
    if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
        s->up.read_wait = flow_wait_mask(r);
        return WAIT;
    }
    if (r != STREAM_OK && stream_tls_closed_without_data(s->client))
        return session_left_early(s, false, stream_error(s->client));
    if (r != STREAM_OK) {
        count_failed(s);
        return session_close(s, CLOSE_TLS_FAILED, stream_error(s->client));
    }
    s->tls = s->client;
    count_shaken(s);
    return go_on(s); /* the CONNECT may have come with the handshake's last flight */
}

/*
 * A balancer that speaks HTTP says in a header whom it speaks for. Behind a PROXY header that
 * names nobody it is not known whose words these are: the trusted address is the balancer's.
 */
static void take_forwarded_address(struct session *s)
{
    const struct listener_conf *conf = s->arrival->listener->conf;
    struct ws_facts facts;
    stream_ws_facts(s->client, &facts);
    struct proxy_endpoint source;
    bool unnamed = s->proxied && !s->proxied->header.has_address;
    if (!conf->client_address_header || !facts.forwarded.p || unnamed || !admit_trusts_peer(s))
        return;
    if (forwarded_pick(facts.forwarded, conf->trusted_proxies, conf->n_trusted_proxies, &source))
        s->source = address_from_proxy(&source);
}

/* There is no upgrade: the client has left, was no device, or broke a rule. */
static enum step upgrade_failed(struct session *s)
{
    const char *detail = stream_error(s->client);
    struct ws_facts facts;
    stream_ws_facts(s->client, &facts);
    const bool heard = facts.received_data || s->tls;
    if (facts.closed_before_response || (facts.failed_before_response && !heard))
        return session_left_early(s, heard, detail);
    if (facts.failed_before_response)
        return session_close(s, CLOSE_CLIENT_ERROR, detail);
    s->probe = facts.plain_http;
    return session_close(s, facts.plain_http ? CLOSE_HTTP_PROBE : CLOSE_WEBSOCKET_REFUSED, detail);
}

enum step stage_websocket(struct session *s)
{
    enum stream_result r = stream_open(s->client);
    if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
        s->up.read_wait = flow_wait_mask(r);
        return WAIT;
    }
    if (r != STREAM_OK)
        return upgrade_failed(s);
    take_forwarded_address(s);
    (void)!admit_source(s); /* it has got this far, and will be told why it gets no further */
    return go_on(s);
}
