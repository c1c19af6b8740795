/*
 * pair.c - bring both ends of a connection into one address family.
 *
 * A dual-stack listener sees IPv4 devices as IPv4-mapped IPv6. A node must see the same
 * device under the same address whichever listener it came in by, so mapped means IPv4.
 */
#include "pair.h"

#include <string.h>

#include "base/ipv4_mapped.h"

static bool is_ipv4(const struct proxy_endpoint *end)
{
    return !end->is_ipv6 || ipv4_is_mapped(end->ip);
}

static struct proxy_endpoint as_ipv4(const struct proxy_endpoint *end)
{
    struct proxy_endpoint out = {.is_ipv6 = false, .port_be = end->port_be};
    memcpy(out.ip, end->is_ipv6 ? ipv4_unmap(end->ip) : end->ip, 4);
    return out;
}

static struct proxy_endpoint as_ipv6(const struct proxy_endpoint *end)
{
    if (end->is_ipv6)
        return *end;
    struct proxy_endpoint out = {.is_ipv6 = true, .port_be = end->port_be};
    ipv4_map(end->ip, out.ip);
    return out;
}

struct proxy_pair proxy_pair_of(const struct proxy_endpoint *source,
                                const struct proxy_endpoint *destination)
{
    if (is_ipv4(source) && is_ipv4(destination))
        return (struct proxy_pair){
            .is_ipv6 = false, .source = as_ipv4(source), .destination = as_ipv4(destination)};
    return (struct proxy_pair){
        .is_ipv6 = true, .source = as_ipv6(source), .destination = as_ipv6(destination)};
}
