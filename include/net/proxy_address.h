/*
 * proxy_address.h - a socket's address as a PROXY header has it, and back.
 */
#ifndef NET_PROXY_ADDRESS_H
#define NET_PROXY_ADDRESS_H

#include "address.h"
#include "wire/proxy/protocol.h"

/* All zero for an address that is neither IPv4 nor IPv6. */
struct proxy_endpoint proxy_endpoint_of(const struct address *address);
struct address proxy_endpoint_address(const struct proxy_endpoint *endpoint);

#endif
