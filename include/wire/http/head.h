/*
 * head.h - parse the head of an HTTP/1.1 request: its request line and its fields.
 *
 * Checks the syntax and does not interpret fields: the caller decides which are required and what
 * they may contain.
 *
 * Where the standard leaves a choice, this parser
 *   accepts   empty lines before the request line (RFC 9112 section 2.2); bytes 0x80 and
 *             above in a field value (obs-text)
 *   refuses   a line that ends in LF alone (section 2.2 allows accepting it), a folded field
 *             (section 5.2), white space between a field's name and its colon, more than one space
 * between the parts of the request line, a fragment in the target, a version other than HTTP/1.x
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
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
 * A head being parsed. Resumable; keeps offsets, not pointers: the caller's buffer may move between
 * two calls.
 */
struct http_head {
    unsigned status;   /* PARSE_BAD: status of the response, 400 or 431; else 0 */
    const char *fault; /* PARSE_BAD: the violated rule, static string */
    uint32_t head_n;   /* bytes of the head, its empty line included; 0 until HTTP_END */

    /* private */
    uint32_t max;               /* limit of the head's size in bytes */
    uint32_t at;                /* offset of the next unread byte */
    uint32_t name_at, name_n;   /* the method, or the field's name */
    uint32_t value_at, value_n; /* the target, or the field's value without outer white space */
    uint8_t step;               /* which byte may come next */
    uint8_t matched;            /* bytes of the version read */
    uint8_t minor;              /* 1 in HTTP/1.1 */
};

enum http_item_kind {
    HTTP_REQUEST_LINE, /* name: the method; value: the request target; minor */
    HTTP_FIELD,        /* name: as received, at least 1 byte; value: may be empty */
    HTTP_END           /* the head is complete: head_n is its size */
};

/* An item of the head; the spans point into the caller's buffer. */
struct http_item {
    enum http_item_kind kind;
    unsigned minor; /* of HTTP_REQUEST_LINE: 1 in HTTP/1.1, 0..9 */
    struct span name;
    struct span value;
};

/* Prepare to parse a head of at most max bytes, max > 0. */
void http_head_init(struct http_head *h, uint32_t max);

/*
 * Parse the next item: the request line, then the fields, then the end.
 *
 *   p, n   all bytes received so far, from the first one; n may be 0 and never shrinks; the memory
 * may have moved
 *
 * PARSE_DONE  *out is the next item; no call may follow HTTP_END
 * PARSE_MORE  a longer prefix could still be valid; n was below max
 * PARSE_BAD   no continuation is valid, returned on the earliest byte that proves it; h->status and
 * h->fault are set. Further calls return the same.
 *
 * Processes each byte once, however the input is split.
 */
MUST_USE enum parse_result http_head_next(struct http_head *h, const uint8_t *p, size_t n,
                                          struct http_item *out);

/*
 * Remove the next element from the front of a comma-separated list. White space around elements and
 * empty elements are skipped (RFC 9110 section 5.6.1.2); quoted strings are not supported. Returns
 * an absent span at the end.
 */
struct span http_list_next(struct span *list);

/* Are the texts equal, ignoring the case of ASCII letters? */
bool http_same_word(struct span a, struct span b);

#endif
