/*
 * escape.h - escape untrusted text for terminals and logs.
 *
 * Log lines and the output of commands are escaped in the same way: control characters (C1 too),
 * bytes that are not UTF-8, and characters that change how the rest of a line is displayed
 * (bidirectional controls, zero-width characters, line and paragraph separators). All escapes are
 * valid JSON.
 *
 * No allocation; no I/O except in escape_print(); safe to call from any thread.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Size of the longest escape, "\u202e", with room for a terminator. */
#define ESCAPE_MAX 8u

/*
 * Escape one character of a text, if necessary.
 *
 *   p, n     the text from that character on; n is at least 1
 *   quoted   also escape '"' and '\', so that the text can be put in quotes
 *   out      the character or its escape, not terminated
 *   used     number of bytes of the text that were consumed, 1..4
 *
 * Returns the number of bytes in `out`.
 */
size_t escape_char(const uint8_t *p, size_t n, bool quoted, char out[ESCAPE_MAX], size_t *used);

/* Print a text, escaped if necessary; print "-" if it is null or empty. */
void escape_print(const char *text, FILE *out);

#endif
