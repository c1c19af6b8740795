/*
 * status.h - parse the status code of an HTTP/1.x response.
 *
 * Accepts any minor version, any code from 100 to 999, and a line that ends directly after the
 * code. The reason phrase is ignored.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
 * Source: RFC 9112 section 4.
 */
#ifndef WIRE_HTTP_STATUS_H
#define WIRE_HTTP_STATUS_H

#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"

/* Bytes needed to parse the code: "HTTP/1.1 200" and the byte after it. */
#define HTTP_STATUS_MAX 13u

/*
 * Parse the status code.
 *
 *   in     all bytes received so far; may be empty
 *   code   100..999, set on PARSE_DONE only
 *
 * PARSE_MORE  valid so far; in.n is less than HTTP_STATUS_MAX
 * PARSE_BAD   not an HTTP/1.x response; returned at the first invalid byte
 */
MUST_USE enum parse_result http_status_read(struct span in, unsigned *code);

#endif
