/*
 * address.h - parse and compare numeric addresses with ports, and Unix socket addresses.
 *
 * Syntax only; sockets belong to the net layer. Accepts nothing that net/address.h rejects. A null
 * string is no address, and is equal to none.
 */
#ifndef MODEL_CONFIG_ADDRESS_H
#define MODEL_CONFIG_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct config_address {
    uint8_t host[16]; /* IPv4 in its IPv4-mapped form */
    uint16_t port;    /* 0 = any free port */
    bool v6;          /* as it was written: "[::ffff:192.0.2.1]" is v6 */
    bool any;         /* "0.0.0.0", "[::]", "*" or empty */
};

/*
 * "192.0.2.1:1883", "[2001:db8::1]:1883", "*:1883", ":1883". False for any other
 * string; *out is then untouched.
 */
MUST_USE bool config_address_parse(const char *text, struct config_address *out);
/* "192.0.2.1", "2001:db8::1", without brackets; the port is 0. *out untouched on failure. */
MUST_USE bool config_host_parse(const char *text, struct config_address *out);
/* 127.0.0.0/8 or ::1. */
bool config_address_loopback(const struct config_address *address);
/* The path of "unix:/run/mqtt.sock"; null for any other string. */
const char *config_address_unix(const char *text);

/* Whether one process could not listen on both. */
bool config_address_equal(const char *a, const char *b);

#endif
