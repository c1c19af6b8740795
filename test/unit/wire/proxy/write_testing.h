/*
 * write_testing.h - shared code of the tests of both PROXY writers: endpoints from text, and the
 * vectors that contain a sender's exact bytes.
 */
#ifndef UNIT_WIRE_PROXY_WRITE_TESTING_H
#define UNIT_WIRE_PROXY_WRITE_TESTING_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "hex.h"
#include "unit.h"
#include "vectors.h"
#include "wire/proxy/protocol.h"

static inline struct proxy_endpoint endpoint_of(const char *ip, unsigned port)
{
    struct proxy_endpoint end = {.is_ipv6 = strchr(ip, ':') != NULL,
                                 .port_be = htons((uint16_t)port)};
    assert_int_equal(inet_pton(end.is_ipv6 ? AF_INET6 : AF_INET, ip, end.ip), 1);
    return end;
}

static inline struct proxy_endpoint vector_endpoint(const json_t *vector, const char *ip,
                                                    const char *port)
{
    return endpoint_of(json_string_value(json_object_get(vector, ip)),
                       (unsigned)json_integer_value(json_object_get(vector, port)));
}

static inline void assert_hex(const uint8_t *p, size_t n, const char *hex)
{
    char got[2 * PROXY_V2_MAX + 1];
    assert_true(n <= PROXY_V2_MAX);
    assert_string_equal(hex_encode(p, n, got), hex);
}

/* Call check() for every sender vector of one version. */
static inline void for_each_send_vector(int version, void (*check)(const json_t *vector))
{
    json_t *list = vectors_load("proxy_send.jsonl"), *vector;
    unsigned checked = 0;
    size_t i;

    json_array_foreach(list, i, vector)
    {
        if (json_integer_value(json_object_get(vector, "ver")) != version)
            continue;
        check(vector);
        checked++;
    }
    json_decref(list);
    print_message("%u vectors\n", checked);
    assert_true(checked > 0);
}

#endif
