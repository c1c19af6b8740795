/*
 * shape.c - check the syntax of strings in the configuration.
 *
 * Finds, for example, a space or a comma where none is allowed, but not a misspelled name.
 */
#include "shape.h"

#include <string.h>

#include "address.h"

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define ALNUM "abcdefghijklmnopqrstuvwxyz" UPPER "0123456789"

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
    is_path, 255, "a URL path that starts with \"/\", without a query", "URL path"};

static bool is_target(const char *text)
{
    return text[0] == '/' && only(text, ALNUM "-._~%!$&'()*+,;=:@/?");
}
const struct config_shape config_target_shape = {is_target, 255,
                                                 "a URL path that starts with \"/\"", "URL path"};

static bool is_method(const char *text)
{
    return only(text, UPPER);
}
const struct config_shape config_method_shape = {is_method, 16, "an HTTP method in capital letters",
                                                 "HTTP method"};

static bool is_suite_list(const char *text)
{
    return only(text, ALNUM "-_+!@=.:");
}
const struct config_shape config_suite_shape = {
    is_suite_list, 2048, "a colon-separated list of OpenSSL names", "colon-separated names"};

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

/* The last label must not be all digits, because IP addresses are not server names (RFC 6066
 * section 3). */
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

/* A final dot is allowed. It prevents the use of the system's search list. */
static bool is_domain(const char *text)
{
    char name[255];
    size_t n = strlen(text);
    if (n < 1 || n >= sizeof name)
        return false;
    memcpy(name, text, n + 1);
    if (name[n - 1] == '.')
        name[n - 1] = '\0';
    return is_host(name);
}
const struct config_shape config_domain_shape = {is_domain, 254, "a DNS name", "DNS name"};

static bool is_ip(const char *text)
{
    struct config_address address;
    return config_host_parse(text, &address) && !address.any;
}
const struct config_shape config_ip_shape = {
    is_ip, 45, "a numeric IPv4 or IPv6 address without a port", "IP address"};

static bool is_mode(const char *text)
{
    const size_t n = strlen(text);
    return only(text, "01234567") && (n == 3 || (n == 4 && text[0] == '0'));
}
const struct config_shape config_mode_shape = {
    is_mode, 4, "permissions as three octal digits (\"0660\")", "octal digits"};
