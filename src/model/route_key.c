/*
 * route_key.c - extract a connection's key, which decides its home node.
 */
#include "model/route_key.h"

#include <assert.h>
#include <string.h>

#include "base/ascii.h"

struct span route_key_server_name(struct span name, uint8_t space[ROUTE_SERVER_NAME_MAX])
{
    const size_t n = name.n > 0 && name.p[name.n - 1] == '.' ? name.n - 1 : name.n;
    if (!name.p || n > ROUTE_SERVER_NAME_MAX)
        return name;
    for (size_t i = 0; i < n; i++)
        space[i] = ascii_lower(name.p[i]);
    return span_of(space, n);
}

static struct span source_value(const struct route_facts *facts, enum route_source source)
{
    switch (source) {
    case ROUTE_CLIENT_ID:
        return facts->client_id;
    case ROUTE_USERNAME:
        return facts->username;
    case ROUTE_SOURCE_IP:
        return facts->source_ip;
    case ROUTE_TLS_CN:
        return facts->tls_cn;
    case ROUTE_SNI:
        return facts->sni;
    case ROUTE_SOURCE_COUNT:
        break;
    }
    assert(false); /* not reached: all sources are handled above */
    return (struct span){0};
}

static struct span rule_key(const struct route_facts *facts, const struct route_rule *rule)
{
    struct span value = source_value(facts, rule->from);
    if (value.n == 0 || !rule->prefix_until)
        return value;
    const uint8_t *end = memmem(value.p, value.n, rule->prefix_until, strlen(rule->prefix_until));
    return end ? span_of(value.p, (size_t)(end - value.p)) : value;
}

bool route_key_is_server_name(const struct cluster_conf *cluster)
{
    for (size_t i = 0; i < cluster->n_route_by; i++)
        if (cluster->route_by[i].from != ROUTE_SNI)
            return false;
    return cluster->n_route_by > 0 && cluster->empty_client_id != EMPTY_ID_SOURCE_IP;
}

bool route_key_asks(const struct cluster_conf *cluster, enum route_source source)
{
    for (size_t i = 0; i < cluster->n_route_by; i++)
        if (cluster->route_by[i].from == source)
            return true;
    return source == ROUTE_SOURCE_IP && cluster->empty_client_id == EMPTY_ID_SOURCE_IP;
}

bool route_key_pick(const struct cluster_conf *cluster, const struct route_facts *facts,
                    struct span *key)
{
    for (size_t i = 0; i < cluster->n_route_by; i++) {
        struct span value = rule_key(facts, &cluster->route_by[i]);
        if (value.n > 0) {
            *key = value;
            return true;
        }
    }
    if (cluster->empty_client_id == EMPTY_ID_SOURCE_IP && facts->source_ip.n > 0) {
        *key = facts->source_ip;
        return true;
    }
    return false;
}
