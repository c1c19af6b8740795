/*
 * status.h - parse the status code of an HTTP/1.x response.
 *
 * Where the standard leaves a choice, this parser takes any minor version, codes of three digits
 * from 100 on, and a line that ends right behind the code. What the words behind the code say is
 * nobody's concern.
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
 * Source: RFC 9112 section 4.
 */
#ifndef WIRE_HTTP_STATUS_H
#define WIRE_HTTP_STATUS_H

#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"

/* "HTTP/1.1 200" and the byte that ends the code: this many bytes always suffice. */
#define HTTP_STATUS_MAX 13u

/* Parse the status code.
 *
 *   in     bytes received so far, from the first one; may be empty
 *   code   100..999, set on PARSE_DONE only
 *
 * PARSE_MORE  a longer prefix could still be a response; in.n is below HTTP_STATUS_MAX
 * PARSE_BAD   not a response, returned on the earliest byte that proves it
 */
MUST_USE enum parse_result http_status_read(struct span in, unsigned *code);

#endif
