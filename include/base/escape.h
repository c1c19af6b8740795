/*
 * escape.h - text of a peer in a form that steers neither a terminal nor a reader.
 *
 * One rule for log lines and for what the commands print: escaped are control characters (C1 too),
 * bytes that are not UTF-8, and what would change how the rest of a line is read: bidirectional
 * controls, characters without width, line and paragraph separators. All escapes are JSON's.
 *
 * No allocation, and no I/O but in escape_print(); safe from any thread.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The longest form of one character, "\u202e", with room for a terminator. */
#define ESCAPE_MAX 8u

/*
 * One character of a text, as it may be shown.
 *
 *   p, n     the text from that character on, n at least 1
 *   quoted   escape '"' and '\' as well, so that the text has an end when it stands in quotes, and
 *            an escape cannot be mistaken for the text itself
 *   out      its form, not terminated
 *   used     the bytes of the text it stands for, 1..4
 *
 * Returns the length of its form.
 */
size_t escape_char(const uint8_t *p, size_t n, bool quoted, char out[ESCAPE_MAX], size_t *used);

/* Print a text with every character escaped that needs it; "-" for null or an empty text. */
void escape_print(const char *text, FILE *out);

#endif
