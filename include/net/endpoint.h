/*
 * endpoint.h - where to listen or what to dial: a TCP address or a Unix socket's path.
 */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include <stdbool.h>
#include <sys/un.h>

#include "address.h"
#include "base/util.h"

#define ENDPOINT_UNIX_PREFIX "unix:"
#define ENDPOINT_TEXT_MAX                                                                          \
    (sizeof(ENDPOINT_UNIX_PREFIX) + sizeof(((struct sockaddr_un *)0)->sun_path))

struct endpoint {
    union {
        struct address address; /* its family says which of the two this is */
        struct sockaddr_un un;
    };
};

/* Parse "unix:PATH" or what address_parse() takes. *out untouched on failure. */
MUST_USE bool endpoint_parse(const char *text, bool allow_port_zero, struct endpoint *out);

/* Its text, as endpoint_parse() takes it. Returns text. */
const char *endpoint_format(const struct endpoint *e, char text[ENDPOINT_TEXT_MAX]);

static inline bool endpoint_is_unix(const struct endpoint *e)
{
    return e->address.sa.sa_family == AF_UNIX;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* What bind() and connect() want to know. */
socklen_t endpoint_len(const struct endpoint *e);

#endif
