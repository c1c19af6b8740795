/*
 * utf8.h - validate UTF-8, also of text that has not arrived completely.
 *
 * Well-formed as defined by Unicode and RFC 3629: no overlong forms, no surrogates
 * (U+D800..U+DFFF), nothing above U+10FFFF. U+0000 is a valid character
 * unless a function excludes it.
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
 * Returns its length, 1..4; 0 if the bytes at hand are a valid prefix (never if
 * n == whole); UTF8_BAD when they cannot become a character inside the text.
 */
int utf8_char(const uint8_t *p, size_t n, size_t whole);

/*
 * Check a text that may still be arriving, for well-formed UTF-8 without U+0000.
 *
 *   p, n     its bytes at hand, from its first one
 *   whole    the text's length, n <= whole
 *   checked  in: the value from the previous call, 0 at first; out: how much of the text
 *            is valid, up to a character boundary, at most 3 bytes short of n
 *
 * False as soon as no continuation can be valid. Reads each byte once, however the text is
 * split.
 */
MUST_USE bool utf8_check(const uint8_t *p, size_t n, size_t whole, size_t *checked);

/*
 * The longest beginning of n bytes, max at most, that does not end inside a character. max is below
 * n, and 4 at least.
 */
size_t utf8_whole(const uint8_t *p, size_t n, size_t max);

#endif
