/*
 * pair.h - the two ends of a connection in the one family a PROXY header can name.
 */
#ifndef WIRE_PROXY_PAIR_H
#define WIRE_PROXY_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/proxy/protocol.h"

struct proxy_pair {
    bool is_ipv6; /* of both ends */
    struct proxy_endpoint source;
    struct proxy_endpoint destination;
};

/* IPv4 when both ends are IPv4 or IPv4-mapped; otherwise IPv6, a lone IPv4 end mapped. */
struct proxy_pair proxy_pair_of(const struct proxy_endpoint *source,
                                const struct proxy_endpoint *destination);

#endif
