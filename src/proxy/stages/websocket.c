/*
 * websocket.c - the stage WEBSOCKET: the upgrade, and the device's address from its headers.
 */
#include "admit.h"
#include "model/forwarded.h"
#include "net/address.h"
#include "net/ws/stream.h"
#include "proxy/listener.h"
#include "proxy/session/device.h"
#include "stages.h"

/*
 * Set the source from the header in which an HTTP load balancer sends the device's address. After a
 * PROXY header without an address, the HTTP header is not trusted.
 */
static void take_forwarded_address(struct session *s)
{
    const struct listener_conf *conf = s->arrival->listener->conf;
    struct ws_facts facts;
    stream_ws_facts(s->client, &facts);
    struct proxy_endpoint source;
    bool unnamed = s->proxy_in && !s->proxy_in->header.has_address;
    if (!conf->client_address_header || !facts.forwarded.p || unnamed || !admit_trusts_peer(s))
        return;
    if (forwarded_pick(facts.forwarded, conf->trusted_proxies, conf->n_trusted_proxies, &source))
        s->source = address_from_proxy(&source);
}

/* Close the session: the client has left, is not a device, or violated the protocol. */
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
        return STEP_WAIT;
    }
    if (r != STREAM_OK)
        return upgrade_failed(s);
    take_forwarded_address(s);
    (void)!admit_source(s); /* a rejection is sent later, in a CONNACK */
    return stage_accept_next(s);
}
