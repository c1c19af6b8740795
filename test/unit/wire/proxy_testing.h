/*
 * proxy_testing.h - what the tests of both PROXY writers share: endpoints from text, and
 * the vectors that tell a sender's exact bytes.
 */
#ifndef PROXY_TESTING_H
#define PROXY_TESTING_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "hex.h"
#include "unit.h"
#include "wire/proxy_protocol.h"

#define PROXY_SEND_VECTORS VECTORS_DIR "/proxy_send.jsonl"

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

/*
 * Call check() on every sender's vector of one version. Without the vectors this test is
 * skipped, except in CI, where a missing file must not pass unseen.
 */
static inline void for_each_send_vector(int version, void (*check)(const json_t *vector))
{
    FILE *file = fopen(PROXY_SEND_VECTORS, "r");
    if (!file) {
        assert_null(getenv("CI"));
        skip();
    }
    char *line = NULL;
    size_t room = 0;
    unsigned checked = 0;
    while (getline(&line, &room, file) > 0) {
        json_t *vector = json_loads(line, 0, NULL);
        assert_non_null(vector);
        if (json_integer_value(json_object_get(vector, "ver")) == version) {
            check(vector);
            checked++;
        }
        json_decref(vector);
    }
    free(line);
    fclose(file);
    print_message("%u vectors\n", checked);
    assert_true(checked > 0);
}

/* What main() returns: 77 (skipped) when all went well but the vectors were not there. */
static inline int exit_status(int failed)
{
    return failed == 0 && access(PROXY_SEND_VECTORS, R_OK) != 0 ? 77 : failed;
}

#endif
