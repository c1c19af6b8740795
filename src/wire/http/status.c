/*
 * status.c - parse the status code of an HTTP/1.x response by matching a byte pattern.
 */
#include "wire/http/status.h"

/* D: a digit; C: first digit of the code; E: byte after the code. Other bytes match themselves. */
static const char pattern[] = "HTTP/1.D CDDE";
#define CODE_AT 9u

_Static_assert(sizeof(pattern) - 1 == HTTP_STATUS_MAX, "the pattern is the longest input");

static bool fits(uint8_t byte, char wanted)
{
    switch (wanted) {
    case 'D':
        return byte >= '0' && byte <= '9';
    case 'C':
        return byte >= '1' && byte <= '9';
    case 'E':
        return byte == ' ' || byte == '\r' || byte == '\n';
    default:
        return byte == (uint8_t)wanted;
    }
}

enum parse_result http_status_read(struct span in, unsigned *code)
{
    size_t n = size_min(in.n, HTTP_STATUS_MAX);
    for (size_t i = 0; i < n; i++)
        if (!fits(in.p[i], pattern[i]))
            return PARSE_BAD;
    if (n < HTTP_STATUS_MAX)
        return PARSE_MORE;
    const uint8_t *digits = in.p + CODE_AT;
    *code = (digits[0] - '0') * 100u + (digits[1] - '0') * 10u + (digits[2] - '0');
    return PARSE_DONE;
}
