/*
 * escape.c - escape untrusted text for terminals and logs.
 */
#include "base/escape.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/*
 * Whether a character must be escaped; *out is then its code point. Terminals interpret control
 * characters (C1 too); bidirectional controls, separators and zero-width characters can make a line
 * look like a different one.
 */
static bool steers(const uint8_t *p, int length, unsigned *out)
{
    unsigned c = p[0];
    if (length == 2)
        c = (c & 0x1fu) << 6 | (p[1] & 0x3fu);
    else if (length == 3)
        c = (c & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    else if (length > 3)
        return false;
    *out = c;
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x180e ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb);
}

size_t escape_char(const uint8_t *p, size_t n, bool quoted, char out[ESCAPE_MAX], size_t *used)
{
    int length = utf8_char(p, n, n);
    unsigned code = 0xfffd;
    *used = length == UTF8_BAD ? 1 : (size_t)length;
    if (length == UTF8_BAD || steers(p, length, &code))
        return (size_t)snprintf(out, ESCAPE_MAX, "\\u%04x", code & 0xffffu);
    if (quoted && (p[0] == '"' || p[0] == '\\')) {
        out[0] = '\\';
        out[1] = (char)p[0];
        return 2;
    }
    memcpy(out, p, *used);
    return *used;
}

void escape_print(const char *text, FILE *out)
{
    const size_t n = text ? strlen(text) : 0;
    char shown[ESCAPE_MAX];
    if (!text || n == 0)
        (void)fputc('-', out);
    for (size_t i = 0, used = 0; i < n; i += used) {
        const size_t length = escape_char((const uint8_t *)text + i, n - i, false, shown, &used);
        (void)fwrite(shown, 1, length, out);
    }
}
