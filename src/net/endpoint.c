/*
 * endpoint.c - parse and format TCP addresses and Unix socket paths.
 */
#include "net/endpoint.h"

#include <stdio.h>
#include <string.h>

static bool unix_parse(const char *path, struct endpoint *out)
{
    struct endpoint e = {.un = {.sun_family = AF_UNIX}};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(e.un.sun_path))
        return false;
    memcpy(e.un.sun_path, path, n);
    *out = e;
    return true;
}

bool endpoint_parse(const char *text, bool allow_port_zero, struct endpoint *out)
{
    const size_t prefix = strlen(ENDPOINT_UNIX_PREFIX);
    if (strncmp(text, ENDPOINT_UNIX_PREFIX, prefix) == 0)
        return unix_parse(text + prefix, out);
    struct endpoint e = {.un = {0}};
    if (!address_parse(text, allow_port_zero, &e.address))
        return false;
    *out = e;
    return true;
}

const char *endpoint_format(const struct endpoint *e, char text[ENDPOINT_TEXT_MAX])
{
    if (endpoint_is_unix(e))
        (void)snprintf(text, ENDPOINT_TEXT_MAX, ENDPOINT_UNIX_PREFIX "%.*s",
                       (int)sizeof(e->un.sun_path), e->un.sun_path);
    else
        address_format(&e->address, text);
    return text;
}

socklen_t endpoint_len(const struct endpoint *e)
{
    return endpoint_is_unix(e) ? (socklen_t)sizeof(e->un) : address_len(&e->address);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    if (endpoint_is_unix(a) || endpoint_is_unix(b))
        return endpoint_is_unix(a) && endpoint_is_unix(b) &&
               strcmp(a->un.sun_path, b->un.sun_path) == 0;
    return address_equal(&a->address, &b->address);
}
