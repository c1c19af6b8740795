/*
 * address.h - an IPv4 or IPv6 address with a port, and its text form.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/util.h"
#include "wire/proxy/protocol.h"

/* A socket address. AF_UNSPEC = none, AF_UNIX = an unnamed peer of a Unix socket. An IPv4-mapped
 * IPv6 address is stored unchanged. */
struct address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
};

/* "[0123:4567:89ab:cdef:0123:4567:255.255.255.255]:65535" and a terminator. */
#define ADDRESS_TEXT_MAX 64u

/*
 * Parse "192.0.2.1:1883", "[2001:db8::1]:1883", ":1883" or "*:1883" (any IPv4 address). Numeric
 * addresses only. False if the text has another form or the port is not 1..65535; port 0 is
 * accepted if allow_port_zero is set (tests use it to get a free port). *out is then unchanged.
 */
MUST_USE bool address_parse(const char *text, bool allow_port_zero, struct address *out);

/*
 * Parse an address in any form that inet_pton() accepts, such as "192.0.2.1" or "2001:db8::1",
 * without brackets, zone or port. Sets the port to 0. *out is unchanged on failure.
 */
MUST_USE bool address_parse_host(const char *text, struct address *out);

/* What address_normalize() accepts, for error messages. */
#define ADDRESS_HOST_RULE "an IPv4 or IPv6 address (\"192.0.2.1\", \"2001:db8::1\")"

/*
 * Write an address in the form that is hashed with route_by "source_ip": "2001:DB8:0::1" becomes
 * "2001:db8::1", "::ffff:192.0.2.1" becomes "192.0.2.1". False if the text is not an address; `out`
 * is then unchanged. `out` and `text` may be the same buffer.
 */
MUST_USE bool address_normalize(const char *text, char out[ADDRESS_TEXT_MAX]);

/*
 * Write "a.b.c.d:port" or "[v6]:port" (RFC 5952; an IPv4-mapped address as IPv4), "unix" for an
 * unnamed peer of a Unix socket, "unknown" for no address. Returns text.
 */
const char *address_format(const struct address *a, char text[ADDRESS_TEXT_MAX]);

/* Like address_format(), but without port and brackets. */
const char *address_format_host(const struct address *a, char text[ADDRESS_TEXT_MAX]);

socklen_t address_len(const struct address *a);
uint16_t address_port(const struct address *a); /* host order */
bool address_equal(const struct address *a, const struct address *b);

/* Convert ::ffff:a.b.c.d to a.b.c.d; return other addresses unchanged. */
struct address address_unmap(const struct address *a);

/* Convert to and from an endpoint of a PROXY header, which is all zero if the address is neither
 * IPv4 nor IPv6. */
struct proxy_endpoint address_to_proxy(const struct address *address);
struct address address_from_proxy(const struct proxy_endpoint *endpoint);

#endif
