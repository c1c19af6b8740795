/*
 * accept.c - the stages ACCEPT and PROXY_IN: admit a connection and read its PROXY header.
 *
 *    ACCEPT -> PROXY_IN? -> TLS? -> WEBSOCKET? -> CONNECT
 *
 * A listener has some of these stages, always in this order: a load balancer sends the PROXY header
 * first, without TLS; WebSocket runs inside TLS.
 *
 * The client's socket is not read before it is readable: a device's first bytes arrive a round trip
 * after the connection, so an earlier read would waste a system call.
 */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit.h"
#include "net/ws/stream.h"
#include "proxy/cluster_view.h"
#include "proxy/listener.h"
#include "proxy/loop_memory.h"
#include "proxy/session/device.h"
#include "proxy/session/session_list.h"
#include "stages.h"
#include "wire/first_bytes.h"

/* Return the next state after `state` that the listener has. */
static enum session_state next_state(const struct session *s, enum session_state state)
{
    const struct listener_conf *conf = s->arrival->listener->conf;
    if (state < SESSION_PROXY_IN && conf->accept_proxy_protocol)
        return SESSION_PROXY_IN;
    if (state < SESSION_TLS && conf->tls)
        return SESSION_TLS;
    if (state < SESSION_WEBSOCKET && conf->websocket)
        return SESSION_WEBSOCKET;
    return SESSION_CONNECT;
}

enum step stage_accept_next(struct session *s)
{
    const enum session_state next = next_state(s, s->state);
    if (next == SESSION_WEBSOCKET) {
        s->client = stream_ws_accept(s->client, &s->arrival->listener->websocket);
        if (!s->client) {
            s->tls = NULL; /* was freed with the layers above it */
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
        }
    }
    session_goto(s, next);
    return STEP_MOVED;
}

bool stage_accept_source_follows(const struct session *s)
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
        return session_close(s, CLOSE_OUT_OF_MEMORY, "no memory for the event loop");
    if (!session_list_is_within_limit(s->w))
        return session_close(s, CLOSE_MAX_CONNECTIONS, NULL);
    if (listener_is_full(s))
        return session_close(s, CLOSE_LISTENER_FULL, NULL);
    if (s->arrival->listener->conf->accept_proxy_protocol) {
        if (!admit_trusts_peer(s))
            return session_close(s, CLOSE_PROXY_UNTRUSTED, NULL);
        s->proxy_in = calloc(1, sizeof(*s->proxy_in));
        if (!s->proxy_in)
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    }
    if (!stage_accept_source_follows(s) && !admit_source(s))
        return session_close(s, (enum close_reason)s->arrival->reject_reason, NULL);
    (void)stage_accept_next(s);
    s->up.read_wait = EV_READ;
    return s->state == SESSION_CLOSED ? STEP_MOVED : STEP_WAIT;
}

/* Return true if there is no source address for the node: a Unix peer, and a header without one. */
static bool lacks_address(const struct session *s)
{
    return s->source.sa.sa_family == AF_UNIX &&
           s->arrival->listener->cluster_view->cluster->conf->proxy_protocol != PROXY_PROTOCOL_NONE;
}

/* A wrong signature usually means that the load balancer sends no header, so log the protocol. */
static enum step header_is_bad(struct session *s)
{
    const struct proxy_in *proxy_in = s->proxy_in;
    const struct span bytes = span_of(buffer_bytes(&proxy_in->bytes), buffer_len(&proxy_in->bytes));
    const enum first_protocol speaks = first_bytes_protocol(bytes);
    char detail[96];
    if (strcmp(proxy_in->header.fault, "signature") != 0 || !first_protocol_name(speaks))
        return session_close(s, CLOSE_PROXY_REFUSED, proxy_in->header.fault);
    (void)snprintf(detail, sizeof(detail), "signature: no PROXY header, the client speaks %s",
                   first_protocol_name(speaks));
    return session_close(s, CLOSE_PROXY_REFUSED, detail);
}

/* Read no byte beyond the header, because TLS may follow. */
enum step stage_proxy_in(struct session *s)
{
    struct proxy_in *proxy_in = s->proxy_in;
    for (;;) {
        size_t next = 0, got = 0;
        switch (proxy_read(span_of(buffer_bytes(&proxy_in->bytes), buffer_len(&proxy_in->bytes)),
                           &proxy_in->header, &next)) {
        case PARSE_DONE:
            device_take_address(s);
            if (lacks_address(s))
                return session_close(s, CLOSE_PROXY_REFUSED, "no_address");
            if (!stage_accept_source_follows(s) && !admit_source(s))
                return session_close(s, (enum close_reason)s->arrival->reject_reason, NULL);
            return stage_accept_next(s);
        case PARSE_BAD:
            return header_is_bad(s);
        case PARSE_MORE:
            break;
        }
        if (!buffer_reserve(&proxy_in->bytes, 0, next))
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
        enum stream_result r =
            stream_read(s->client, proxy_in->bytes.mem + proxy_in->bytes.tail, next, &got);
        if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
            s->up.read_wait = flow_wait_mask(r);
            return STEP_WAIT;
        }
        if (r != STREAM_OK)
            return session_left_early(s, buffer_len(&proxy_in->bytes) > 0,
                                      r == STREAM_ERR ? stream_error(s->client) : NULL);
        buffer_grew(&proxy_in->bytes, got);
    }
}
