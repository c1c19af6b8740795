/*
 * proxy_address.c - a socket's address as a PROXY header has it, and back.
 */
#include "net/proxy_address.h"

#include <string.h>

struct proxy_endpoint proxy_endpoint_of(const struct address *address)
{
    struct proxy_endpoint endpoint = {.is_ipv6 = address->sa.sa_family == AF_INET6};
    if (endpoint.is_ipv6) {
        memcpy(endpoint.ip, &address->in6.sin6_addr, 16);
        endpoint.port_be = address->in6.sin6_port;
    } else if (address->sa.sa_family == AF_INET) {
        memcpy(endpoint.ip, &address->in.sin_addr, 4);
        endpoint.port_be = address->in.sin_port;
    }
    return endpoint;
}

struct address proxy_endpoint_address(const struct proxy_endpoint *endpoint)
{
    struct address address = {0};
    if (endpoint->is_ipv6) {
        address.in6.sin6_family = AF_INET6;
        memcpy(&address.in6.sin6_addr, endpoint->ip, 16);
        address.in6.sin6_port = endpoint->port_be;
    } else {
        address.in.sin_family = AF_INET;
        memcpy(&address.in.sin_addr, endpoint->ip, 4);
        address.in.sin_port = endpoint->port_be;
    }
    return address;
}
