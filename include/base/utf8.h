/*
 * utf8.h - is it well-formed UTF-8? Also for text of which only the beginning is here.
 *
 * Well-formed as Unicode and RFC 3629 have it: no overlong forms, no surrogates
 * (U+D800..U+DFFF), nothing above U+10FFFF. U+0000 is a character like any other here,
 * except where a function says so.
 *
 * Pure: no allocation, no I/O; safe from any thread.
 * Source: The Unicode Standard, table 3-7; RFC 3629 section 4.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

#define UTF8_BAD (-1)

/*
 * The character at p.
 *
 *   n      bytes at hand, at least 1
 *   whole  bytes the text has from p on, n <= whole; equal to n when all of it is here
 *
 * Returns its length, 1..4; 0 when the bytes at hand are a good beginning (never when
 * n == whole); UTF8_BAD when they cannot become a character inside the text.
 */
int utf8_char(const uint8_t *p, size_t n, size_t whole);

/*
 * Check a text that may still be arriving, for well-formed UTF-8 without U+0000.
 *
 *   p, n     its bytes at hand, from its first one
 *   whole    the text's length, n <= whole
 *   checked  in: what an earlier call answered, 0 at first; out: how far the text is
 *            known to be good, a character boundary, at most 3 bytes short of n
 *
 * False when no continuation is good, said on the earliest byte that proves it. Goes
 * over each byte once, however the text is cut.
 */
MUST_USE bool utf8_check(const uint8_t *p, size_t n, size_t whole, size_t *checked);

/*
 * The longest beginning of n bytes, max at most, that does not end inside a character. max is below
 * n, and 4 at least.
 */
size_t utf8_whole(const uint8_t *p, size_t n, size_t max);

#endif
