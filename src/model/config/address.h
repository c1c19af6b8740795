/*
 * address.h - is a text a numeric address and port or a Unix socket, and are two of
 * them the same?
 *
 * Only that: sockets are the net layer's. Takes no text that net/address.h would refuse. A null
 * text is none of them, and the same as nothing.
 */
#ifndef MODEL_CONFIG_ADDRESS_H
#define MODEL_CONFIG_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct config_address {
    uint8_t host[16]; /* IPv4 in its IPv4-mapped form */
    uint16_t port;    /* 0: one that is free */
    bool v6;          /* as it was written: "[::ffff:192.0.2.1]" is v6 */
    bool any;         /* "0.0.0.0", "[::]", "*" or nothing */
};

/*
 * "192.0.2.1:1883", "[2001:db8::1]:1883", "*:1883", ":1883". False when it is none of
 * these; *out untouched then.
 */
MUST_USE bool config_address_parse(const char *text, struct config_address *out);
/* "192.0.2.1", "2001:db8::1", without brackets; the port is 0. *out untouched on failure. */
MUST_USE bool config_host_parse(const char *text, struct config_address *out);
/* 127.0.0.0/8 or ::1. */
bool config_address_loopback(const struct config_address *address);
/* The path of "unix:/run/mqtt.sock"; null when it is no such address. */
const char *config_address_unix(const char *text);

/* Whether listening on both would clash. */
bool config_address_equal(const char *a, const char *b);

#endif
