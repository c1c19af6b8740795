/*
 * address.h - parse and compare numeric addresses with ports, and Unix socket addresses.
 *
 * Syntax only; sockets belong to the net layer. Accepts nothing that net/address.h rejects. A null
 * string is not an address, and not equal to any.
 */
#ifndef MODEL_CONFIG_ADDRESS_H
#define MODEL_CONFIG_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct config_address {
    uint8_t host[16]; /* IPv4 as an IPv4-mapped address */
    uint16_t port;    /* 0 = any free port */
    bool v6;          /* written as IPv6, such as "[::ffff:192.0.2.1]" */
    bool any;         /* "0.0.0.0", "[::]", "*" or empty */
};

/*
 * Parse "192.0.2.1:1883", "[2001:db8::1]:1883", "*:1883" or ":1883". Returns false, and leaves *out
 * untouched, for any other string.
 */
MUST_USE bool config_address_parse(const char *text, struct config_address *out);
/*
 * Parse "192.0.2.1" or "2001:db8::1", without brackets; the port is 0. On failure, *out is
 * untouched.
 */
MUST_USE bool config_host_parse(const char *text, struct config_address *out);
/* Return whether the address is in 127.0.0.0/8, or ::1. */
bool config_address_loopback(const struct config_address *address);
/* Return the path in "unix:/run/mqtt.sock", or null for any other string. */
const char *config_address_unix(const char *text);

/* Return whether two strings are the same address, so that only one socket can listen on it. */
bool config_address_equal(const char *a, const char *b);

#endif
