/*
 * utf8.c - validate UTF-8.
 *
 * ASCII is checked eight bytes at a time, because nearly all client identifiers are ASCII. Other
 * characters are checked one at a time, using the table of lead bytes.
 */
#include "base/utf8.h"

#include <string.h>

/* Sequence length of a lead byte, and the range of the second byte: Unicode table 3-7. */
struct lead {
    uint8_t n, second_min, second_max;
};

static struct lead lead_of(uint8_t b)
{
    if (b < 0x80)
        return (struct lead){1, 0, 0};
    if (b < 0xc2) /* a continuation byte, or the overlong c0 and c1 */
        return (struct lead){0, 0, 0};
    if (b < 0xe0)
        return (struct lead){2, 0x80, 0xbf};
    if (b < 0xf0)
        return (struct lead){3, b == 0xe0 ? 0xa0 : 0x80, b == 0xed ? 0x9f : 0xbf};
    if (b < 0xf5)
        return (struct lead){4, b == 0xf0 ? 0x90 : 0x80, b == 0xf4 ? 0x8f : 0xbf};
    return (struct lead){0, 0, 0};
}

int utf8_char(const uint8_t *p, size_t n, size_t whole)
{
    struct lead lead = lead_of(p[0]);

    if (lead.n == 0 || lead.n > whole)
        return UTF8_BAD;
    if (lead.n > 1 && n > 1 && (p[1] < lead.second_min || p[1] > lead.second_max))
        return UTF8_BAD;
    for (size_t i = 2; i < lead.n && i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return UTF8_BAD;
    return n < lead.n ? 0 : lead.n;
}

/* Whether all eight bytes at p are in the range 0x01..0x7f. */
static bool eight_plain(const uint8_t *p)
{
    const uint64_t high = UINT64_C(0x8080808080808080), ones = UINT64_C(0x0101010101010101);
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    /* If all high bits are clear, the subtraction sets a high bit only if a byte is zero. */
    return ((w | (w - ones)) & high) == 0;
}

bool utf8_check(const uint8_t *p, size_t n, size_t whole, size_t *checked)
{
    size_t at = *checked;

    while (at < n) {
        if (n - at >= 8 && eight_plain(p + at)) {
            at += 8;
            continue;
        }
        if (p[at] > 0 && p[at] < 0x80) {
            at++;
            continue;
        }
        int length = p[at] == 0 ? UTF8_BAD : utf8_char(p + at, n - at, whole - at);
        if (length == UTF8_BAD)
            return false;
        if (length == 0)
            break;
        at += (size_t)length;
    }
    *checked = at;
    return true;
}

size_t utf8_whole(const uint8_t *p, size_t n, size_t max)
{
    size_t end = max < n ? max : n;
    const size_t least = end > 4 ? end - 4 : 0;
    while (end < n && end > least && (p[end] & 0xc0) == 0x80)
        end--;
    return end;
}
