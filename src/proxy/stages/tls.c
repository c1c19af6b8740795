/*
 * tls.c - the stage TLS: the handshake with the client, one step per turn.
 */
#include "admit.h"
#include "net/socket.h"
#include "net/tls/context.h"
#include "proxy/listener.h"
#include "proxy/session/turn.h"
#include "stages.h"

/* Called once the device has sent data, so that silent clients use no memory for TLS. */
static bool begin_handshake(struct session *s)
{
    int fd = stream_tcp_release(s->client);
    s->client = stream_tls_accept(s->arrival->listener->tls, fd);
    s->arrival->handshake_begun = s->client;
    return s->arrival->handshake_begun;
}

static void count_failed(const struct session *s)
{
    struct tls_alert alert;
    const bool has = stream_tls_alert(s->client, &alert);
    counter_add(&s->w->counters.tls_failed[has ? tls_alert_failure(alert.code) : TLS_FAILURE_NONE],
                1);
}

static void count_handshake(const struct session *s)
{
    struct counters *c = &s->w->counters;
    counter_add(stream_tls_resumed(s->client) ? &c->tls_resumed : &c->tls_full, 1);
}

enum step stage_tls(struct session *s)
{
    s->up.read_wait = 0;
    if (!turn_take_handshake_step(s->w))
        return STEP_QUEUE;
    /* under load, do not waste time on the handshake of a client that has already left */
    if (!s->arrival->handshake_begun && socket_peer_has_closed(s->client_io.fd))
        return session_left_early(
            s, socket_has_unread(s->client_io.fd),
            "the client closed the connection before its TLS handshake began");
    if (!s->arrival->handshake_begun && !begin_handshake(s))
        return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    enum stream_result r = stream_open(s->client);
    if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
        s->up.read_wait = flow_wait_mask(r);
        return STEP_WAIT;
    }
    if (r != STREAM_OK && stream_tls_closed_without_data(s->client))
        return session_left_early(s, false, stream_error(s->client));
    if (r != STREAM_OK) {
        count_failed(s);
        return session_close(s, CLOSE_TLS_FAILED, stream_error(s->client));
    }
    s->tls = s->client;
    count_handshake(s);
    return stage_accept_next(s); /* the CONNECT may have arrived with the end of the handshake */
}
