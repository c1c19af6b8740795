/*
 * connect.c - the stage CONNECT: read the CONNECT, within limits, and store the data after it.
 */
#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slab.h"
#include "model/route_key.h"
#include "net/socket.h"
#include "proxy/listener.h"
#include "proxy/session/memory.h"
#include "proxy/session/worker_core.h"
#include "stages.h"
#include "wire/first_bytes.h"
#include "wire/proxy/protocol.h"

/* Store the names for the log. If out of memory, the log omits them. */
static void keep_names(struct session *s, struct span client_id, struct span username,
                       bool knows_username)
{
    const size_t client_id_n = size_min(client_id.n, SESSION_NAME_MAX + 1);
    const size_t username_n = size_min(username.n, SESSION_NAME_MAX + 1);
    s->names = slab_alloc(sizeof(*s->names) + client_id_n + username_n);
    if (!s->names)
        return;
    *s->names = (struct session_names){.knows_username = knows_username,
                                       .has_username = username.p,
                                       .client_id_n = (uint8_t)client_id_n,
                                       .username_n = (uint8_t)username_n};
    if (client_id_n > 0)
        memcpy(s->names->text, client_id.p, client_id_n);
    if (username_n > 0)
        memcpy(s->names->text + client_id_n, username.p, username_n);
}

/* Copy fields for the log and for queries. */
static void note_terms(struct session *s)
{
    s->mqtt_version = s->arrival->connect.version;
    s->keep_alive_s = s->arrival->connect.keep_alive_s;
}

static enum step connect_done(struct session *s)
{
    const struct arrival *a = s->arrival;
    const uint8_t *p = buffer_bytes(&a->first);
    struct span username = {0};
    const bool keeps_username =
        route_key_asks(a->listener->cluster_view->cluster->conf, ROUTE_USERNAME);
    if (keeps_username)
        username = mqtt_connect_username(&a->connect, p);
    keep_names(s, mqtt_connect_client_id(&a->connect, p), username, keeps_username);
    s->up.bytes = buffer_len(&a->first);
    s->up.read_wait = 0;
    session_goto(s, SESSION_ROUTE);
    return STEP_MOVED;
}

static enum step connect_bad(struct session *s)
{
    const struct buffer *first = &s->arrival->first;
    const enum first_protocol speaks =
        first_bytes_protocol(span_of(buffer_bytes(first), buffer_len(first)));
    enum mqtt_fault fault = s->arrival->connect.fault;
    const char *other = speaks == FIRST_MQTT ? NULL : first_protocol_name(speaks);
    char detail[128];
    if (other)
        fault = MQTT_FAULT_NOT_CONNECT;
    (void)snprintf(detail, sizeof(detail), "%s [%s]%s%s", mqtt_fault_name(fault),
                   mqtt_fault_clause(fault), other ? ": the client speaks " : "",
                   other ? other : "");
    return session_close(s, CLOSE_CONNECT_REFUSED, detail);
}

/*
 * Return true if the client reset the connection before any MQTT byte: not a TLS or WebSocket
 * error.
 */
static bool reset_before_mqtt(const struct session *s, enum stream_result how)
{
    return how == STREAM_ERR && buffer_len(&s->arrival->first) == 0 &&
           socket_peer_state(s->client_io.fd) == SOCKET_PEER_RESET;
}

/*
 * Handle a client that has closed or reset the connection before its CONNECT was complete. A TLS
 * 1.3 client that closes right after the handshake causes a reset, because the session tickets are
 * unread.
 */
static enum step connect_cut(struct session *s, enum stream_result how)
{
    const bool heard =
        buffer_len(&s->arrival->first) > 0 || s->tls || s->arrival->listener->conf->websocket;
    if (how == STREAM_EOF || !heard || reset_before_mqtt(s, how))
        return session_left_early(s, heard, how == STREAM_ERR ? stream_error(s->client) : NULL);
    return session_close(s, CLOSE_CLIENT_ERROR, stream_error(s->client));
}

/*
 * Return the room to add for the rest of the packet; 0 = there is still room. At most doubles the
 * buffer, so a client that announces a large packet holds no more than twice what it has sent.
 */
static size_t room_wanted(const struct arrival *a)
{
    const size_t have = buffer_len(&a->first);
    if (buffer_room(&a->first) > 0)
        return 0;
    if (a->connect.packet_n > have)
        return size_min(a->connect.packet_n - have, size_max(have, SESSION_FIRST_READ_BYTES));
    return SESSION_FIRST_READ_BYTES;
}

/*
 * The first read nearly always returns the whole CONNECT. Read into the scratch block, so that
 * `first` gets exactly that size, and a silent client holds no buffer.
 */
static enum stream_result read_first(struct session *s, size_t *got)
{
    const size_t most = size_min(SESSION_FIRST_READ_BYTES, s->w->relay_pool.size);
    enum stream_result r = stream_read(s->client, s->w->scratch, most, got);
    if (r == STREAM_OK && buffer_reserve(&s->arrival->first, PROXY_V2_MAX, *got))
        memcpy(s->arrival->first.mem + s->arrival->first.tail, s->w->scratch, *got);
    return r;
}

static enum stream_result read_more(struct session *s, size_t *got)
{
    struct buffer *first = &s->arrival->first;
    return stream_read(s->client, first->mem + first->tail, buffer_room(first), got);
}

enum step stage_connect(struct session *s)
{
    struct arrival *a = s->arrival;
    for (;;) {
        const size_t want = a->first.mem ? room_wanted(a) : 0;
        if (want > 0 && !memory_allows(s, want))
            return session_close(s, CLOSE_RELAY_MEMORY, NULL);
        if (want > 0 && !buffer_reserve(&a->first, PROXY_V2_MAX, want))
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
        size_t got = 0;
        enum stream_result r = a->first.mem ? read_more(s, &got) : read_first(s, &got);
        memory_note_held(s);
        if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
            s->up.read_wait = flow_wait_mask(r);
            return STEP_WAIT;
        }
        if (r != STREAM_OK)
            return connect_cut(s, r);
        if (!a->first.mem)
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
        buffer_grew(&a->first, got);

        const enum parse_result parsed =
            mqtt_connect_read(&a->connect, buffer_bytes(&a->first), buffer_len(&a->first));
        note_terms(s);
        if (parsed != PARSE_MORE)
            return parsed == PARSE_DONE ? connect_done(s) : connect_bad(s);
    }
}
