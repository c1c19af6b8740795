/* route.c - the stage ROUTE: check the identity of a device, and choose the nodes to try. */
#include "admit.h"
#include "identity.h"
#include "model/route_key.h"
#include "proxy/cluster_view.h"
#include "proxy/listener.h"
#include "proxy/session/device.h"
#include "stages.h"

static enum step pick(struct session *s, const struct route_facts *facts)
{
    const struct cluster_conf *conf = s->arrival->cluster_view->cluster->conf;
    struct span key = {0};
    if (!route_key_pick(conf, facts, &key)) {
        if (conf->empty_client_id == EMPTY_ID_REFUSE)
            return session_close(s, CLOSE_CLIENT_ID_REFUSED, NULL);
        key = (struct span){0};
    }
    bool warming;
    cluster_view_place(s->arrival->cluster_view, key, &s->arrival->placement, &warming);
    if (s->arrival->placement.n == 0)
        return s->arrival->placement.full ? session_close(s, CLOSE_NODES_FULL, "max_connections")
                                          : session_close(s, CLOSE_NO_NODE, "no node is up");
    s->arrival->off_home_cause =
        s->arrival->placement.overflow && !warming ? OFF_HOME_OVERFLOW : OFF_HOME_DOWN;
    session_goto(s, SESSION_DIAL);
    return STEP_MOVED;
}

/*
 * Return the client's address as text; empty if it is not a route key, or if the client has none.
 */
static struct span source_ip_of(const struct session *s, char text[ADDRESS_TEXT_MAX])
{
    const struct address source = address_unmap(&s->source);
    if (source.sa.sa_family == AF_UNIX ||
        !route_key_asks(s->arrival->cluster_view->cluster->conf, ROUTE_SOURCE_IP))
        return (struct span){0};
    return span_of_str(address_format_host(&source, text));
}

enum step stage_route(struct session *s)
{
    const uint8_t *p = buffer_bytes(&s->arrival->first);
    char source_ip[ADDRESS_TEXT_MAX];
    uint8_t server_name[ROUTE_SERVER_NAME_MAX];
    struct tls_facts tls;
    struct proxy_facts device;
    s->arrival->cluster_view = cluster_view_ref(s->arrival->listener->cluster_view);
    device_facts(s, &tls, &device);
    if (s->arrival->reject_reason != CLOSE_REASON_COUNT)
        return session_close(s, (enum close_reason)s->arrival->reject_reason, NULL);
    struct route_facts facts = {
        .client_id = mqtt_connect_client_id(&s->arrival->connect, p),
        .username = mqtt_connect_username(&s->arrival->connect, p),
        .source_ip = source_ip_of(s, source_ip),
        .tls_cn = device.verified ? device.tls_cn : (struct span){0},
        .sni = route_key_server_name(device.authority, server_name),
    };
    char names[IDENTITY_NAMES_MAX];
    if (!identity_confirmed(s, &facts, names))
        return session_close(s, CLOSE_IDENTITY_REFUSED, names);
    /* not earlier: an unconfirmed identity must not be counted */
    if (!admit_client(s))
        return session_close(s, (enum close_reason)s->arrival->reject_reason, NULL);
    return pick(s, &facts);
}
