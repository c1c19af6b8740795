/*
 * head.h - parse the head of an HTTP/1.1 request: the request line and the fields.
 *
 * Checks only the syntax. The caller decides which fields are required and what they may contain.
 *
 * Where the standard leaves a choice, this parser
 *   accepts   empty lines before the request line (RFC 9112 section 2.2); bytes 0x80 and
 *             above in a field value (obs-text)
 *   rejects   a line that ends in LF alone (section 2.2 allows accepting it), a folded field
 *             (section 5.2), white space between a field's name and its colon, more than one space
 *             between the parts of the request line, a fragment in the target, a version other than
 *             HTTP/1.x
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
 * Source: RFC 9112 sections 2 to 5; RFC 9110 sections 5.5 and 5.6.
 */
#ifndef WIRE_HTTP_HEAD_H
#define WIRE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"

/*
 * State of the parser. It keeps offsets instead of pointers, so the caller's buffer may move
 * between calls.
 */
struct http_head {
    unsigned status;   /* PARSE_BAD: status of the response, 400 or 431; else 0 */
    const char *fault; /* PARSE_BAD: the violated rule, static string */
    uint32_t head_n;   /* size of the head, including the empty line; 0 until HTTP_END */

    /* private */
    uint32_t max;               /* maximum size of the head in bytes */
    uint32_t at;                /* offset of the next unread byte */
    uint32_t name_at, name_n;   /* method or field name */
    uint32_t value_at, value_n; /* target or field value, without white space around it */
    uint8_t step;               /* enum step: which byte may come next */
    uint8_t matched;            /* number of bytes of "HTTP/1.x" read */
    uint8_t minor;              /* HTTP minor version */
};

enum http_item_kind {
    HTTP_REQUEST_LINE, /* name: method; value: request target; sets minor */
    HTTP_FIELD,        /* name: as received, never empty; value: may be empty */
    HTTP_END           /* the head is complete, and head_n is set */
};

/* An item of the head; the spans point into the caller's buffer. */
struct http_item {
    enum http_item_kind kind;
    unsigned minor; /* HTTP_REQUEST_LINE: HTTP minor version, 0..9 */
    struct span name;
    struct span value;
};

/* Initialize the parser for a head of at most max bytes, max > 0. */
void http_head_init(struct http_head *h, uint32_t max);

/*
 * Parse the next item: the request line, then the fields, then the end.
 *
 *   p, n   all bytes received so far; n may be 0 and never decreases; p may change between calls
 *
 * PARSE_DONE  *out is the next item; do not call again after HTTP_END
 * PARSE_MORE  valid so far; n is less than max
 * PARSE_BAD   invalid; returned at the first invalid byte. h->status and h->fault are set. Further
 *             calls return the same result.
 *
 * Each byte is processed once, however the input is split.
 */
MUST_USE enum parse_result http_head_next(struct http_head *h, const uint8_t *p, size_t n,
                                          struct http_item *out);

/*
 * Remove the first element of a comma-separated list and return it. White space around elements and
 * empty elements are skipped (RFC 9110 section 5.6.1.2); quoted strings are not supported. Returns
 * an absent span when no element is left.
 */
struct span http_list_next(struct span *list);

/* Compare two strings, ignoring the case of ASCII letters. */
bool http_same_word(struct span a, struct span b);

#endif
