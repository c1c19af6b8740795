/*
 * address.c - parse and compare numeric addresses with ports.
 *
 * Strict: no names, no zones, no leading zeros in the port, and IPv6 only in brackets (without
 * them, the last group would be parsed as the port).
 */
#include "address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/ipv4_mapped.h"
#include "model/config/config.h"

static bool parse_port(const char *text, uint16_t *port)
{
    unsigned value = 0;
    size_t n = strlen(text);
    if (n < 1 || n > 5 || (text[0] == '0' && n > 1))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    if (value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool parse_v4(const char *host, struct config_address *address)
{
    uint8_t ipv4[4];
    if (inet_pton(AF_INET, host, ipv4) != 1)
        return false;
    ipv4_map(ipv4, address->host);
    return true;
}

static bool parse_v6_in_brackets(char *host, size_t n, struct config_address *address)
{
    if (n < 2 || host[n - 1] != ']')
        return false;
    host[n - 1] = '\0';
    address->v6 = true;
    return inet_pton(AF_INET6, host + 1, address->host) == 1;
}

static bool is_any(const struct config_address *address)
{
    static const uint8_t zero[16];
    return memcmp(address->host + 12, zero, 4) == 0 &&
           (!address->v6 || memcmp(address->host, zero, 12) == 0);
}

bool config_address_parse(const char *text, struct config_address *out)
{
    struct config_address address = {0};
    char host[INET6_ADDRSTRLEN + sizeof "[]"];
    const char *colon = text ? strrchr(text, ':') : NULL;
    if (!colon || (size_t)(colon - text) >= sizeof host || !parse_port(colon + 1, &address.port))
        return false;
    size_t n = (size_t)(colon - text);
    memcpy(host, text, n);
    host[n] = '\0';
    if (strcmp(host, "") == 0 || strcmp(host, "*") == 0)
        strcpy(host, "0.0.0.0");
    if (host[0] == '[' ? !parse_v6_in_brackets(host, n, &address) : !parse_v4(host, &address))
        return false;
    address.any = is_any(&address);
    *out = address;
    return true;
}

bool config_host_parse(const char *text, struct config_address *out)
{
    struct config_address address = {0};
    if (!text)
        return false;
    address.v6 = strchr(text, ':') != NULL;
    if (address.v6 ? inet_pton(AF_INET6, text, address.host) != 1 : !parse_v4(text, &address))
        return false;
    address.any = is_any(&address);
    *out = address;
    return true;
}

const char *config_address_unix(const char *text)
{
    size_t n = strlen(CONFIG_UNIX_PREFIX);
    return text && strncmp(text, CONFIG_UNIX_PREFIX, n) == 0 ? text + n : NULL;
}

/* Addresses with port 0 are never equal, because each gets another free port. */
bool config_address_equal(const char *a, const char *b)
{
    struct config_address left;
    struct config_address right;
    if (config_address_unix(a) && config_address_unix(b))
        return strcmp(a, b) == 0;
    return config_address_parse(a, &left) && config_address_parse(b, &right) && left.port != 0 &&
           left.port == right.port && left.v6 == right.v6 &&
           memcmp(left.host, right.host, sizeof left.host) == 0;
}

bool config_address_loopback(const struct config_address *address)
{
    static const uint8_t v6[16] = {[15] = 1};
    return memcmp(address->host, v6, sizeof(v6)) == 0 ||
           (ipv4_is_mapped(address->host) && ipv4_unmap(address->host)[0] == 127);
}
