/*
 * endpoint.h - an address to listen on or connect to: TCP or Unix socket.
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
        struct address address; /* its family selects the member */
        struct sockaddr_un un;
    };
};

/* Parse "unix:PATH" or an address for address_parse(). *out is unchanged on failure. */
MUST_USE bool endpoint_parse(const char *text, bool allow_port_zero, struct endpoint *out);

/* Write an endpoint in the form that endpoint_parse() accepts. Returns text. */
const char *endpoint_format(const struct endpoint *e, char text[ENDPOINT_TEXT_MAX]);

static inline bool endpoint_is_unix(const struct endpoint *e)
{
    return e->address.sa.sa_family == AF_UNIX;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* The address length for bind() and connect(). */
socklen_t endpoint_len(const struct endpoint *e);

#endif
