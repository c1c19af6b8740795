/*
 * utf8.h - validate UTF-8, including text that is not complete yet.
 *
 * Well-formed as defined by Unicode and RFC 3629: no overlong forms, no surrogates
 * (U+D800..U+DFFF), nothing above U+10FFFF. U+0000 is a valid character
 * unless a function excludes it.
 *
 * Pure: no allocation, no I/O; safe to call from any thread.
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
 * Check the character at p.
 *
 *   n      bytes available, at least 1
 *   whole  bytes from p to the end of the text; equal to n if all of them are available
 *
 * Returns its length, 1..4; 0 if it is valid so far but incomplete (never if n == whole); UTF8_BAD
 * if it is invalid or extends past the end of the text.
 */
int utf8_char(const uint8_t *p, size_t n, size_t whole);

/*
 * Check that a text, which may be incomplete, is well-formed UTF-8 without U+0000.
 *
 *   p, n     bytes received so far, from the first one on
 *   whole    length of the complete text, n <= whole
 *   checked  in: the value from the previous call, 0 at first; out: number of bytes checked; ends
 *            at a character boundary, at most 3 bytes before n
 *
 * Returns false as soon as no continuation can be valid. Characters that were checked by an earlier
 * call are not read again.
 */
MUST_USE bool utf8_check(const uint8_t *p, size_t n, size_t whole, size_t *checked);

/*
 * Return the length of the longest prefix, at most `max` bytes, that does not end inside a
 * character. `max` must be less than n, and at least 4.
 */
size_t utf8_whole(const uint8_t *p, size_t n, size_t max);

#endif
