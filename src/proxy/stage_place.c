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
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/route_key.h"
#include "net/socket.h"
#include "session.h"
#include "wire/proxy_protocol.h"
#include "worker.h"

enum step stage_route(struct session *s)
{
    const uint8_t *p = buffer_bytes(&s->first);
    struct address source = address_unmap(&s->source);
    char source_ip[ADDRESS_TEXT_MAX];
    struct route_facts facts = {
        .client_id = mqtt_connect_client_id(&s->connect, p),
        .username = mqtt_connect_username(&s->connect, p),
        .source_ip = span_of_str(address_format_host(&source, source_ip)),
    };
    struct span key;
    if (route_key_pick(s->cluster->conf, &facts, &key))
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

void dial_abandon(struct session *s)
{
    if (s->node_stream) {
        ev_io_stop(s->w->loop, &s->node_io);
        stream_free(s->node_stream);
        s->node_stream = NULL;
    }
    if (s->node) {
        atomic_fetch_sub_explicit(&s->node->live->sessions, 1, memory_order_relaxed);
        s->node = NULL;
    }
    s->up.write_wait = s->down.read_wait = 0;
    s->first_sent = 0;
}

static struct proxy_endpoint endpoint_of(const struct address *address)
{
    struct proxy_endpoint endpoint = {.is_ipv6 = address->sa.sa_family == AF_INET6};
    if (endpoint.is_ipv6) {
        memcpy(endpoint.ip, &address->in6.sin6_addr, 16);
        endpoint.port_be = address->in6.sin6_port;
    } else {
        memcpy(endpoint.ip, &address->in.sin_addr, 4);
        endpoint.port_be = address->in.sin_port;
    }
    return endpoint;
}

static void tls_proxy_facts(const struct session *s, struct proxy_facts *facts)
{
    struct tls_facts tls;
    stream_tls_facts(s->client, &tls);
    *facts = (struct proxy_facts){
        .has_tls = true,
        .alpn = span_of(tls.alpn, tls.alpn_n),
        .authority = span_of_str(tls.sni),
        .tls_version = span_of_str(tls.version),
        .tls_cipher = span_of_str(tls.cipher),
    };
}

/* Put the PROXY header in front of the CONNECT, so that both leave in one send. */
static void put_proxy_header(struct session *s)
{
    enum proxy_protocol version = s->cluster->conf->proxy_protocol;
    if (version == PROXY_PROTOCOL_NONE || s->header_put)
        return;
    struct address local = s->listener->local;
    if (s->listener->wildcard)
        (void)socket_local_address(s->client_io.fd, &local); /* on failure: the bound one */
    struct proxy_endpoint source = endpoint_of(&s->source), destination = endpoint_of(&local);
    uint8_t header[PROXY_V2_MAX];
    size_t n;
    if (version == PROXY_PROTOCOL_V1) {
        n = proxy_v1_write(&source, &destination, header);
    } else {
        struct proxy_facts facts = {0};
        if (s->tls_done)
            tls_proxy_facts(s, &facts);
        n = proxy_v2_write(&source, &destination, &facts, header);
    }
    buffer_prepend(&s->first, header, n);
    s->header_put = true;
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

/* Dial the next candidate. WAIT when it is on its way, MOVED when the session was closed. */
static enum step dial_next(struct session *s)
{
    for (;;) {
        s->node = s->last_tried = &s->cluster->nodes[s->candidates[s->tries++]];
        atomic_fetch_add_explicit(&s->node->live->sessions, 1, memory_order_relaxed);
        int fd = socket_dial(&s->node->address);
        int dial_errno = errno;
        s->node_stream = fd >= 0 ? stream_tcp_new_connecting(fd) : NULL;
        if (s->node_stream) {
            const struct timeouts_conf *timeouts = &s->w->snapshot->config->timeouts;
            double left_ms = (double)timeouts->placement_ms - (double)session_placing_ms(s);
            session_set_deadline(s, left_ms < timeouts->dial_ms ? (left_ms > 1 ? left_ms : 1)
                                                                : timeouts->dial_ms);
            session_watch_node(s, fd);
            s->up.write_wait = EV_WRITE;
            return WAIT;
        }
        if (try_failed(s, fd >= 0 ? "out of memory" : strerrordesc_np(dial_errno)) == MOVED)
            return MOVED;
    }
}

static enum step retry(struct session *s, const char *why)
{
    return try_failed(s, why) == MOVED ? MOVED : dial_next(s);
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
