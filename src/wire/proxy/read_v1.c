/*
 * read_v1.c - parse a PROXY header of version 1: a line of text.
 *
 *   PROXY TCP4 198.51.100.7 203.0.113.9 40000 8883 CR LF
 *   PROXY TCP6 ::ffff:198.51.100.7 ::ffff:203.0.113.9 40000 8883 CR LF
 *   PROXY UNKNOWN ... CR LF
 *
 * Section 2.1 allows only hexadecimal groups for TCP6, but senders use inet_ntop(): HAProxy and
 * nginx write a dotted tail for an IPv4 client of a dual-stack listener, and nginx behind another
 * load balancer can even write one address of each family.
 *
 * Addresses and ports are parsed character by character, because inet_pton() cannot reject a
 * partial address or return how many bytes are missing. The line is short, so every call parses it
 * from the beginning. Source: the PROXY protocol, section 2.1.
 */
#include <string.h>

#include "base/reader.h"
#include "read_versions.h"

#define GROUPS     8u /* groups of an IPv6 address */
#define NO_GAP     GROUPS
#define IPV4_LEAST (sizeof("0.0.0.0 ") - 1)
#define IPV6_LEAST (sizeof(":: ") - 1)
#define PORT_LEAST (sizeof("0 ") - 1)

struct line {
    struct reader rd;
    size_t least; /* PARSE_MORE: minimum number of bytes that are missing */
};

static enum parse_result more(struct line *line, size_t least)
{
    line->least = least;
    return PARSE_MORE;
}

/* Read one byte, which must be `c`. */
static enum parse_result read_char(struct line *line, char c)
{
    uint8_t b = reader_u8(&line->rd);

    if (line->rd.cut)
        return more(line, 1);
    return b == (uint8_t)c ? PARSE_DONE : PARSE_BAD;
}

static enum parse_result read_text(struct line *line, const char *text)
{
    enum parse_result result = PARSE_DONE;

    for (; *text != '\0' && result == PARSE_DONE; text++) {
        result = read_char(line, *text);
        if (result == PARSE_MORE)
            line->least = strlen(text);
    }
    return result;
}

/* Read a decimal number without leading zeros, followed by `end`. */
static enum parse_result read_number(struct line *line, unsigned max, char end, unsigned *out)
{
    unsigned value = 0;

    for (unsigned digits = 0;; digits++) {
        uint8_t b = reader_u8(&line->rd);
        if (line->rd.cut)
            return more(line, digits > 0 ? 1 : 2);
        if (b == (uint8_t)end && digits > 0)
            break;
        bool leading_zero = digits > 0 && value == 0;
        if (b < '0' || b > '9' || leading_zero)
            return PARSE_BAD;
        value = value * 10 + (b - (unsigned)'0');
        if (value > max)
            return PARSE_BAD;
    }
    *out = value;
    return PARSE_DONE;
}

/* Read the octets of an IPv4 address from `first` on, and the space after it. */
static enum parse_result read_octets(struct line *line, unsigned first, uint8_t octets[4])
{
    enum parse_result result = PARSE_DONE;

    for (unsigned i = first; i < 4 && result == PARSE_DONE; i++) {
        unsigned value = 0;
        result = read_number(line, 255, i < 3 ? '.' : ' ', &value);
        if (result == PARSE_MORE)
            line->least += 2 * (3 - i); /* "0." or "0 " for each further octet */
        octets[i] = (uint8_t)value;
    }
    return result;
}

/* The part of an IPv6 address read so far. Any such part can be completed to a valid address. */
struct groups {
    unsigned value[GROUPS]; /* the last one is incomplete while digits > 0 */
    unsigned n;             /* number of groups started */
    unsigned digits;        /* digits of the last group; 0 after a colon */
    unsigned gap;           /* number of groups before "::"; NO_GAP if none */
    bool colon;             /* the last byte was a single colon */
};

static bool take_digit(struct groups *g, unsigned digit)
{
    bool first_of_all_is_colon = g->colon && g->n == 0;

    if (g->digits == 0) {
        /* "::" replaces at least one group. */
        if (first_of_all_is_colon || g->n + (g->gap != NO_GAP) == GROUPS)
            return false;
        g->value[g->n++] = 0;
    }
    if (g->digits == 4)
        return false;
    g->value[g->n - 1] = g->value[g->n - 1] << 4 | digit;
    g->digits++;
    g->colon = false;
    return true;
}

static bool take_colon(struct groups *g)
{
    bool first_of_all = g->n == 0 && g->gap == NO_GAP && !g->colon;

    if (g->digits > 0 || first_of_all) {
        g->digits = 0;
        g->colon = true;
        return g->n + (g->gap != NO_GAP) < GROUPS; /* room for another group, or for "::" */
    }
    if (g->gap != NO_GAP)
        return false;
    g->gap = g->n;
    g->colon = false;
    return true;
}

static bool take_ipv6(struct groups *g, uint8_t b)
{
    if (b == ':')
        return take_colon(g);
    if (b >= '0' && b <= '9')
        return take_digit(g, b - (unsigned)'0');
    if ((b | 0x20) >= 'a' && (b | 0x20) <= 'f')
        return take_digit(g, (b | 0x20u) - 'a' + 10);
    return false;
}

/* Return the minimum number of missing bytes; 0 if the address can end here. */
static size_t ipv6_least(const struct groups *g)
{
    if (g->colon)
        return 1; /* a digit, or the second colon of "::" */
    return g->gap != NO_GAP || g->n == GROUPS ? 0 : 2;
}

static void write_ipv6(const struct groups *g, uint8_t ip[16])
{
    memset(ip, 0, 16);
    for (unsigned i = 0; i < g->n; i++) {
        unsigned at = i < g->gap ? i : GROUPS - g->n + i;
        ip[2 * at] = (uint8_t)(g->value[i] >> 8);
        ip[2 * at + 1] = (uint8_t)g->value[i];
    }
}

/* Convert the last group to the first octet of a dotted IPv4 address. */
static bool group_as_octet(const struct groups *g, uint8_t *out)
{
    unsigned value = 0;

    if (g->digits == 0 || g->digits > 3)
        return false;
    for (unsigned left = g->digits; left > 0; left--) {
        const unsigned digit = g->value[g->n - 1] >> 4 * (left - 1) & 0xf;
        const bool leading_zero = digit == 0 && left == g->digits && left > 1;
        if (digit > 9 || leading_zero)
            return false;
        value = value * 10 + digit;
    }
    *out = (uint8_t)value;
    return value <= 255;
}

/* True if the last group can start a dotted tail, which replaces the last two groups. */
static bool may_be_tail(const struct groups *g)
{
    return g->gap == NO_GAP ? g->n == GROUPS - 1 : g->n < GROUPS - 1;
}

/* Read the rest of a dotted tail or (only if `may_be_ipv4`) IPv4 address, after its first dot. */
static enum parse_result read_dotted(struct line *line, struct groups *g, bool may_be_ipv4,
                                     struct proxy_endpoint *end)
{
    const bool is_ipv4 = may_be_ipv4 && g->n == 1 && g->gap == NO_GAP;
    uint8_t octets[4] = {0};

    if (!group_as_octet(g, &octets[0]) || (!is_ipv4 && !may_be_tail(g)))
        return PARSE_BAD;
    enum parse_result result = read_octets(line, 1, octets);
    if (result != PARSE_DONE)
        return result;
    end->is_ipv6 = !is_ipv4;
    if (is_ipv4) {
        memcpy(end->ip, octets, sizeof(octets));
        return PARSE_DONE;
    }
    g->value[g->n - 1] = (unsigned)octets[0] << 8 | octets[1];
    g->value[g->n++] = (unsigned)octets[2] << 8 | octets[3];
    write_ipv6(g, end->ip);
    return PARSE_DONE;
}

/* Read an address of a TCP6 line in any form that inet_pton() accepts, and the space after it. */
static enum parse_result read_ipv6(struct line *line, bool may_be_ipv4, struct proxy_endpoint *end)
{
    struct groups g = {.gap = NO_GAP};

    end->is_ipv6 = true;
    for (;;) {
        uint8_t b = reader_u8(&line->rd);
        if (line->rd.cut)
            return more(line, ipv6_least(&g) + 1);
        if (b == ' ' && ipv6_least(&g) == 0)
            break;
        if (b == '.')
            return read_dotted(line, &g, may_be_ipv4, end);
        if (!take_ipv6(&g, b))
            return PARSE_BAD;
    }
    write_ipv6(&g, end->ip);
    return PARSE_DONE;
}

/* A TCP6 line cannot have two IPv4 addresses: the second must be IPv6 if the first is not. */
static enum parse_result read_ip(struct line *line, bool is_ipv6, bool is_second,
                                 struct proxy_header *out)
{
    struct proxy_endpoint *end = is_second ? &out->destination : &out->source;

    if (!is_ipv6)
        return read_octets(line, 0, end->ip);
    return read_ipv6(line, !is_second || out->source.is_ipv6, end);
}

static enum parse_result read_port(struct line *line, char end, uint16_t *port_be)
{
    unsigned value = 0;
    enum parse_result result = read_number(line, UINT16_MAX, end, &value);
    const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

    memcpy(port_be, bytes, sizeof(bytes));
    return result;
}

/* Return the minimum size of the line from the first address to the LF. */
static size_t addresses_least(bool is_ipv6)
{
    return 2 * (is_ipv6 ? IPV6_LEAST : IPV4_LEAST) + 2 * PORT_LEAST + 1;
}

/* Read the addresses and ports, up to and including the LF. */
static enum parse_result read_addresses(struct line *line, bool is_ipv6, struct proxy_header *out)
{
    const size_t ip_least = is_ipv6 ? IPV6_LEAST : IPV4_LEAST;
    const size_t behind[] = {ip_least + 2 * PORT_LEAST + 1, 2 * PORT_LEAST + 1, PORT_LEAST + 1, 1,
                             0};
    static const char *const faults[] = {"v1_address", "v1_address", "v1_port", "v1_port",
                                         "v1_line_end"};
    enum parse_result result = PARSE_DONE;

    for (size_t field = 0; field < ARRAY_LEN(behind) && result == PARSE_DONE; field++) {
        if (field < 2)
            result = read_ip(line, is_ipv6, field == 1, out);
        else if (field == 2)
            result = read_port(line, ' ', &out->source.port_be);
        else if (field == 3)
            result = read_port(line, '\r', &out->destination.port_be);
        else
            result = read_char(line, '\n');
        if (result == PARSE_MORE)
            line->least += behind[field];
        out->fault = faults[field];
    }
    out->has_address = true;
    return result;
}

/* Read the rest of the line after "UNKNOWN": CR LF, or a space and anything up to CR LF. */
static enum parse_result read_unknown(struct line *line, struct proxy_header *out)
{
    uint8_t before = reader_u8(&line->rd);

    out->fault = "v1_protocol";
    if (line->rd.cut)
        return more(line, 2);
    if (before == '\r') {
        out->fault = "v1_line_end";
        return read_char(line, '\n');
    }
    if (before != ' ')
        return PARSE_BAD;
    out->fault = "v1_too_long";
    for (;;) {
        uint8_t b = reader_u8(&line->rd);
        if (line->rd.cut)
            return more(line, before == '\r' ? 1 : 2);
        if (before == '\r' && b == '\n')
            return PARSE_DONE;
        if (line->rd.at == PROXY_V1_MAX || (line->rd.at == PROXY_V1_MAX - 1 && b != '\r'))
            return PARSE_BAD;
        before = b;
    }
}

/* Read the rest of the line after "T": "CP4 " or "CP6 ", then addresses and ports. */
static enum parse_result read_tcp(struct line *line, struct proxy_header *out)
{
    enum parse_result result = read_text(line, "CP");

    if (result == PARSE_MORE)
        line->least += sizeof("6 ") - 1 + addresses_least(true);
    if (result != PARSE_DONE)
        return result;

    uint8_t digit = reader_u8(&line->rd);
    if (line->rd.cut)
        return more(line, sizeof("6 ") - 1 + addresses_least(true));
    if (digit != '4' && digit != '6')
        return PARSE_BAD;
    result = read_char(line, ' ');
    if (result == PARSE_MORE)
        line->least += addresses_least(digit == '6');
    return result == PARSE_DONE ? read_addresses(line, digit == '6', out) : result;
}

static enum parse_result read_line(struct line *line, struct proxy_header *out)
{
    enum parse_result result = read_text(line, "PROXY ");

    out->fault = "signature";
    if (result == PARSE_MORE)
        line->least += sizeof("UNKNOWN\r\n") - 1; /* the shortest rest of the line */
    if (result != PARSE_DONE)
        return result;

    uint8_t first = reader_u8(&line->rd);
    out->fault = "v1_protocol";
    if (line->rd.cut)
        return more(line, sizeof("UNKNOWN\r\n") - 1);
    if (first == 'T')
        return read_tcp(line, out);
    if (first != 'U')
        return PARSE_BAD;
    result = read_text(line, "NKNOWN");
    if (result == PARSE_MORE)
        line->least += 2;
    return result == PARSE_DONE ? read_unknown(line, out) : result;
}

/* Return the size of the shortest line that begins with these bytes. */
static size_t least_size(struct span in)
{
    struct line line = {.rd = reader_from(in, 0)};
    struct proxy_header scratch = {0};

    return read_line(&line, &scratch) == PARSE_MORE ? in.n + line.least : line.rd.at;
}

enum parse_result proxy_read_v1(struct span in, struct proxy_header *out, size_t *next)
{
    struct line line = {.rd = reader_from(in, 0)};
    enum parse_result result = read_line(&line, out);
    size_t least = result == PARSE_MORE ? in.n + line.least : line.rd.at;

    if (result == PARSE_BAD) /* check if it was too long before the invalid byte */
        least = least_size(span_of(in.p, line.rd.at - 1));
    out->version = 1;
    if (least > PROXY_V1_MAX) {
        out->fault = "v1_too_long";
        return PARSE_BAD;
    }
    *next = result == PARSE_MORE ? line.least : line.rd.at;
    return result;
}
