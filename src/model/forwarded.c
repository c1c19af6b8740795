/*
 * forwarded.c - find the device's address in X-Forwarded-For.
 *
 *   list:   "forged, 198.51.100.7, 10.0.0.2, 10.0.0.1"     trusted: 10.0.0.0/8
 *                    ^ picked      <---------------- read from the right
 */
#include "model/forwarded.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct span trimmed(struct span text)
{
    while (text.n > 0 && is_blank(text.p[text.n - 1]))
        text.n--;
    while (text.n > 0 && is_blank(text.p[0])) {
        text.p++;
        text.n--;
    }
    return text;
}

/* Remove the last entry from the list, and return it. */
static struct span take_last(struct span *list)
{
    size_t start = list->n;

    while (start > 0 && list->p[start - 1] != ',')
        start--;
    struct span entry = span_of(list->p + start, list->n - start);
    list->n = start > 0 ? start - 1 : 0;
    return trimmed(entry);
}

static const uint8_t *find(struct span text, char c)
{
    return text.n > 0 ? memchr(text.p, c, text.n) : NULL;
}

/* Parse a port, 0 to 65535, without leading zeros. */
static bool parse_port(struct span text, uint16_t *port_be)
{
    unsigned value = 0;

    if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[0] == '0'))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        value = value * 10 + (text.p[i] - (unsigned)'0');
    }
    if (value > UINT16_MAX)
        return false;
    *port_be = htons((uint16_t)value);
    return true;
}

static bool parse_ip(struct span text, bool is_ipv6, struct proxy_endpoint *out)
{
    char ip[INET6_ADDRSTRLEN];

    if (text.n >= sizeof(ip) || find(text, '\0'))
        return false;
    memcpy(ip, text.p, text.n);
    ip[text.n] = '\0';
    out->is_ipv6 = is_ipv6;
    return inet_pton(is_ipv6 ? AF_INET6 : AF_INET, ip, out->ip) == 1;
}

/* "[2001:db8::1]" or "[2001:db8::1]:4711" */
static bool parse_bracketed(struct span entry, struct proxy_endpoint *out)
{
    const uint8_t *close = find(entry, ']');

    if (!close)
        return false;
    const size_t ip_n = (size_t)(close - entry.p) - 1, behind = ip_n + 2;
    if (!parse_ip(span_of(entry.p + 1, ip_n), true, out))
        return false;
    if (behind == entry.n)
        return true;
    return entry.p[behind] == ':' &&
           parse_port(span_of(entry.p + behind + 1, entry.n - behind - 1), &out->port_be);
}

static bool parse_entry(struct span entry, struct proxy_endpoint *out)
{
    *out = (struct proxy_endpoint){0};
    if (entry.p[0] == '[')
        return parse_bracketed(entry, out);
    const uint8_t *colon = find(entry, ':');
    if (!colon)
        return parse_ip(entry, false, out);
    const size_t ip_n = (size_t)(colon - entry.p);
    const struct span port = span_of(colon + 1, entry.n - ip_n - 1);
    if (find(port, ':')) /* a second colon: IPv6 without a port */
        return parse_ip(entry, true, out);
    return parse_ip(span_of(entry.p, ip_n), false, out) && parse_port(port, &out->port_be);
}

bool forwarded_pick(struct span list, const struct cidr *trusted, size_t n,
                    struct proxy_endpoint *out)
{
    struct proxy_endpoint picked;
    bool any = false, more = true;

    while (more && list.n > 0) {
        struct span entry = take_last(&list);
        if (entry.n == 0)
            continue;
        if (!parse_entry(entry, &picked))
            return false;
        any = true;
        more = cidr_contains(trusted, n, picked.ip, picked.is_ipv6);
    }
    if (any)
        *out = picked;
    return any;
}
