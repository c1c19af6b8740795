/*
 * address.c - parse and format IPv4 and IPv6 addresses with a port.
 *
 * Numeric addresses only; the resolver handles names. Addresses are formatted by inet_ntop()
 * (RFC 5952), except that an IPv4-mapped address is written as IPv4.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/ipv4_mapped.h"
#include "base/span.h"

/* Accepts digits only; strtoul() would also accept signs and white space. */
static bool port_parse(const char *text, bool allow_zero, in_port_t *port_be)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 5 || text[n] != '\0')
        return false;
    unsigned port = 0;
    for (size_t i = 0; i < n; i++)
        port = port * 10 + (unsigned)(text[i] - '0');
    if (port > 65535 || (port == 0 && !allow_zero))
        return false;
    *port_be = htons((uint16_t)port);
    return true;
}

/* Make a terminated copy of the host, for inet_pton(). False if the host is too long. */
static bool host_copy(struct span host, char copy[INET6_ADDRSTRLEN])
{
    if (host.n >= INET6_ADDRSTRLEN)
        return false;
    memcpy(copy, host.p, host.n);
    copy[host.n] = '\0';
    return true;
}

static bool host_parse_v4(struct span host, struct address *a)
{
    char copy[INET6_ADDRSTRLEN];
    a->in.sin_family = AF_INET;
    if (host.n == 0 || span_equal(host, span_of_str("*"))) {
        a->in.sin_addr.s_addr = htonl(INADDR_ANY);
        return true;
    }
    return host_copy(host, copy) && inet_pton(AF_INET, copy, &a->in.sin_addr) == 1;
}

static bool host_parse_v6(struct span host, struct address *a)
{
    char copy[INET6_ADDRSTRLEN];
    a->in6.sin6_family = AF_INET6;
    return host_copy(host, copy) && inet_pton(AF_INET6, copy, &a->in6.sin6_addr) == 1;
}

bool address_parse(const char *text, bool allow_port_zero, struct address *out)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    struct span host = span_of(text, (size_t)(colon - text));
    struct address a;
    memset(&a, 0, sizeof(a));
    /* IPv6 requires brackets: without them, "::1" is ambiguous. */
    bool v6 = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    bool ok = v6 ? host_parse_v6(span_of(host.p + 1, host.n - 2), &a) : host_parse_v4(host, &a);
    in_port_t *port_be = v6 ? &a.in6.sin6_port : &a.in.sin_port;
    if (!ok || !port_parse(colon + 1, allow_port_zero, port_be))
        return false;
    *out = a;
    return true;
}

const char *address_format_host(const struct address *a, char text[ADDRESS_TEXT_MAX])
{
    struct address plain = address_unmap(a);
    const char *done = NULL;
    if (plain.sa.sa_family == AF_INET)
        done = inet_ntop(AF_INET, &plain.in.sin_addr, text, ADDRESS_TEXT_MAX);
    else if (plain.sa.sa_family == AF_INET6)
        done = inet_ntop(AF_INET6, &plain.in6.sin6_addr, text, ADDRESS_TEXT_MAX);
    else if (plain.sa.sa_family == AF_UNIX)
        done = memcpy(text, "unix", sizeof("unix"));
    if (!done)
        memcpy(text, "unknown", sizeof("unknown"));
    return text;
}

bool address_parse_host(const char *text, struct address *out)
{
    struct span host = span_of_str(text);
    struct address a;
    memset(&a, 0, sizeof(a));
    bool v6 = strchr(text, ':');
    bool any = host.n == 0 || strcmp(text, "*") == 0; /* valid only to listen on */
    if (any || !(v6 ? host_parse_v6(host, &a) : host_parse_v4(host, &a)))
        return false;
    *out = a;
    return true;
}

bool address_normalize(const char *text, char out[ADDRESS_TEXT_MAX])
{
    struct address a;
    if (!address_parse_host(text, &a))
        return false;
    (void)address_format_host(&a, out);
    return true;
}

const char *address_format(const struct address *a, char text[ADDRESS_TEXT_MAX])
{
    char host[ADDRESS_TEXT_MAX];
    address_format_host(a, host);
    if (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6)
        memcpy(text, host, sizeof(host));
    else
        /* INET6_ADDRSTRLEN, brackets, colon and port fit in ADDRESS_TEXT_MAX. */
        snprintf(text, ADDRESS_TEXT_MAX, strchr(host, ':') ? "[%.46s]:%u" : "%.46s:%u", host,
                 (unsigned)address_port(a));
    return text;
}

socklen_t address_len(const struct address *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return sizeof(a->in);
    case AF_INET6:
        return sizeof(a->in6);
    default:
        return 0;
    }
}

uint16_t address_port(const struct address *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return ntohs(a->in.sin_port);
    case AF_INET6:
        return ntohs(a->in6.sin6_port);
    default:
        return 0;
    }
}

/* Not memcmp(): padding and flow labels that the kernel returns are undefined. */
bool address_equal(const struct address *a, const struct address *b)
{
    if (a->sa.sa_family != b->sa.sa_family || address_port(a) != address_port(b))
        return false;
    if (a->sa.sa_family == AF_INET)
        return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    if (a->sa.sa_family == AF_INET6)
        return a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
    return true;
}

struct address address_unmap(const struct address *a)
{
    if (a->sa.sa_family != AF_INET6 || !ipv4_is_mapped(a->in6.sin6_addr.s6_addr))
        return *a;
    struct address plain;
    memset(&plain, 0, sizeof(plain));
    plain.in.sin_family = AF_INET;
    plain.in.sin_port = a->in6.sin6_port;
    memcpy(&plain.in.sin_addr, ipv4_unmap(a->in6.sin6_addr.s6_addr), 4);
    return plain;
}

struct proxy_endpoint address_to_proxy(const struct address *address)
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

struct address address_from_proxy(const struct proxy_endpoint *endpoint)
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
