/*
 * hex.h - convert between bytes and hexadecimal digits, for tests.
 */
#ifndef TEST_HEX_H
#define TEST_HEX_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Decode pairs of digits, optionally separated by blanks, into out. Return the number of bytes. */
static inline size_t hex_decode(const char *text, uint8_t *out, size_t max)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        unsigned value;
        if (*text == ' ')
            continue;
        int got = sscanf(text, "%2x", &value);
        assert(got == 1 && text[1] != '\0' && n < max);
        out[n++] = (uint8_t)value;
        text++;
    }
    return n;
}

/* Write n bytes as 2 * n digits and a NUL. Return text. */
static inline const char *hex_encode(const void *p, size_t n, char *text)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", b[i]);
    text[2 * n] = '\0';
    return text;
}

#endif
