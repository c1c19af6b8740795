/*
 * write_v1.c - write a PROXY header of version 1: a line of text.
 *
 *   PROXY TCP4 198.51.100.7 203.0.113.9 40000 8883 CR LF
 *
 * Contains only the addresses; TLS facts require version 2.
 * Source: the PROXY protocol, section 2.1.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "format.h"

/* Larger than the longest valid line. A longer line triggers the assert below. */
#define LINE_ROOM 128u

static void write_ip(const struct proxy_endpoint *end, char text[INET6_ADDRSTRLEN])
{
    const char *done =
        inet_ntop(end->is_ipv6 ? AF_INET6 : AF_INET, end->ip, text, INET6_ADDRSTRLEN);
    assert(done);
    char *tail = end->is_ipv6 ? strrchr(text, ':') + 1 : text;
    if (!end->is_ipv6 || !strchr(tail, '.'))
        return;
    /* ::ffff:192.0.2.1 becomes ::ffff:c000:201: section 2.1 allows groups of hex digits only. */
    unsigned high = (unsigned)end->ip[12] << 8 | end->ip[13];
    unsigned low = (unsigned)end->ip[14] << 8 | end->ip[15];
    snprintf(tail, INET6_ADDRSTRLEN - (size_t)(tail - text), "%x:%x", high, low);
}

size_t proxy_v1_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      uint8_t out[PROXY_V1_MAX])
{
    struct proxy_pair pair = proxy_pair_of(source, destination);
    char from[INET6_ADDRSTRLEN];
    char to[INET6_ADDRSTRLEN];
    write_ip(&pair.source, from);
    write_ip(&pair.destination, to);

    char line[LINE_ROOM];
    int n =
        snprintf(line, sizeof(line), "PROXY TCP%c %s %s %u %u\r\n", pair.is_ipv6 ? '6' : '4', from,
                 to, (unsigned)ntohs(source->port_be), (unsigned)ntohs(destination->port_be));
    assert(n > 0 && (unsigned)n <= PROXY_V1_MAX);
    memcpy(out, line, (size_t)n);
    return (size_t)n;
}
