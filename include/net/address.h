/*
 * address.h - an IPv4 or IPv6 transport address, and its text.
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

/* One socket address; family AF_UNSPEC = none, AF_UNIX = a nameless local peer. IPv4-mapped IPv6 is
 * kept as it came. */
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
 * Parse "192.0.2.1:1883", "[2001:db8::1]:1883", ":1883" or "*:1883" (any IPv4 address).
 * Numeric addresses only. False when it is none of these, or the port is not 1..65535
 * (0 is taken when allow_port_zero: a test's free port). *out untouched on failure.
 */
MUST_USE bool address_parse(const char *text, bool allow_port_zero, struct address *out);

/*
 * Parse "192.0.2.1" or "2001:db8::1" in any form that inet_pton() accepts, without brackets, zone
 * or port; the port is 0. *out is untouched on failure.
 */
MUST_USE bool address_parse_host(const char *text, struct address *out);

/* What address_normalize() accepts, for messages. */
#define ADDRESS_HOST_RULE "an IPv4 or IPv6 address (\"192.0.2.1\", \"2001:db8::1\")"

/*
 * Write an address in the form that is hashed for a connection from it (route_by "source_ip"):
 * "2001:DB8:0::1" as "2001:db8::1", "::ffff:192.0.2.1" as "192.0.2.1". False if the text is not an
 * address; `out` is then untouched. `out` may be `text` itself.
 */
MUST_USE bool address_normalize(const char *text, char out[ADDRESS_TEXT_MAX]);

/*
 * Write "a.b.c.d:port" or "[v6]:port" (IPv4-mapped as IPv4, RFC 5952 text), "unix" for the
 * nameless peer of a Unix socket, "unknown" for none. Returns text.
 */
const char *address_format(const struct address *a, char text[ADDRESS_TEXT_MAX]);

/* The same without the port and the brackets. */
const char *address_format_host(const struct address *a, char text[ADDRESS_TEXT_MAX]);

socklen_t address_len(const struct address *a);
uint16_t address_port(const struct address *a); /* host order */
bool address_equal(const struct address *a, const struct address *b);

/* ::ffff:a.b.c.d becomes a.b.c.d; anything else is copied. */
struct address address_unmap(const struct address *a);

/* A socket address as a PROXY header contains it; all zero if it is neither IPv4 nor IPv6. */
struct proxy_endpoint address_to_proxy(const struct address *address);
struct address address_from_proxy(const struct proxy_endpoint *endpoint);

#endif
