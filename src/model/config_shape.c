/*
 * config_shape.c - what texts of the configuration must look like.
 *
 * Only what can be told from the text: a mistyped letter is not found here, but a blank or a
 * comma where there can be none is.
 */
#include "model/config_shape.h"

#include <string.h>

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool only(const char *text, const char *characters)
{
    return text[strspn(text, characters)] == '\0';
}

static bool is_header(const char *text)
{
    return only(text, ALNUM "!#$%&'*+-.^_`|~");
}
const struct config_shape config_header_shape = {is_header, 64, "the name of an HTTP header",
                                                 "header name"};

static bool is_path(const char *text)
{
    return text[0] == '/' && only(text, ALNUM "-._~%!$&'()*+,;=:@/");
}
const struct config_shape config_path_shape = {
    is_path, 255, "a URL path from \"/\" on, without a query", "URL path"};

static bool is_suite_list(const char *text)
{
    return only(text, ALNUM "-_+!@=.:");
}
const struct config_shape config_suite_shape = {is_suite_list, 2048,
                                                "a list of OpenSSL's names with colons between",
                                                "names with colons between"};

static bool is_visible(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text > '~')
            return false;
    }
    return true;
}
const struct config_shape config_protocol_shape = {is_visible, 255, "visible ASCII characters",
                                                   "visible ASCII"};

/* Letters somewhere at the end: an address is no server name (RFC 6066 section 3). */
static bool is_host(const char *text)
{
    const char *last = strrchr(text, '.');
    for (const char *label = text; label;
         label = strchr(label, '.') ? strchr(label, '.') + 1 : NULL) {
        size_t n = strcspn(label, ".");
        if (n < 1 || n > 63 || label[0] == '-' || label[n - 1] == '-')
            return false;
    }
    return only(text, ALNUM "-_.") && !only(last ? last + 1 : text, "0123456789");
}
const struct config_shape config_host_shape = {is_host, 253, "a DNS name", "DNS name"};
