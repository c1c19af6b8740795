/*
 * head.h - read the head of an HTTP/1.1 request: its request line and its fields.
 *
 * Says what the request said, byte for byte checked, and gives it no meaning: which fields
 * must be there, and what they may hold, is the business of whoever asks.
 *
 * Where the standard leaves it open, this reader
 *   accepts   empty lines in front of the request line (RFC 9112 section 2.2); bytes 0x80 and
 *             above in a field value (obs-text)
 *   refuses   a line that ends in LF alone (section 2.2 lets a reader take it), a folded field
 *             (section 5.2), white space between a field's name and its colon, more than one
 *             blank between the parts of the request line, a fragment in the target, another
 *             version than HTTP/1.x
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
 * A head being read. It resumes where it stopped and keeps offsets, never pointers: the
 * caller's buffer may move between two calls.
 */
struct http_head {
    unsigned status;   /* PARSE_BAD: what to answer, 400 or 431; 0 before */
    const char *fault; /* PARSE_BAD: which rule broke, static words */
    uint32_t head_n;   /* bytes of the head, its empty line included; 0 until HTTP_END */

    /* the reader's own */
    uint32_t max;               /* most bytes the head may have */
    uint32_t at;                /* offset of the next unread byte */
    uint32_t name_at, name_n;   /* the method, or the field's name */
    uint32_t value_at, value_n; /* the target, or the field's value, outer blanks left out */
    uint8_t step;               /* which byte may come next */
    uint8_t matched;            /* bytes of the version read */
    uint8_t minor;              /* 1 in HTTP/1.1 */
};

enum http_item_kind {
    HTTP_REQUEST_LINE, /* name: the method; value: the request target; minor */
    HTTP_FIELD,        /* name: as it was written, 1 byte at least; value: may be empty */
    HTTP_END           /* the head is whole: head_n says its size */
};

/* One thing the head says; the spans point into the caller's buffer. */
struct http_item {
    enum http_item_kind kind;
    unsigned minor; /* of HTTP_REQUEST_LINE: 1 in HTTP/1.1, 0..9 */
    struct span name;
    struct span value;
};

/* Get ready to read a head of at most max bytes, max > 0. */
void http_head_init(struct http_head *h, uint32_t max);

/*
 * Read on, to the end of the next item: the request line, then the fields, then the end.
 *
 *   p, n   all bytes received so far, from the very first one; n may be 0, never shrinks
 *          between calls; the memory may have moved
 *
 * PARSE_DONE  *out is the next item; after HTTP_END there is none, and no more calls
 * PARSE_MORE  a longer prefix could still be valid; n was below max
 * PARSE_BAD   no continuation is valid, said on the earliest byte that proves it; h->status
 *             and h->fault say why. Calling again answers the same.
 *
 * Goes over each byte once, however the head is cut.
 */
MUST_USE enum parse_result http_head_next(struct http_head *h, const uint8_t *p, size_t n,
                                          struct http_item *out);

/*
 * Take the next element off the front of a comma-separated list. Blanks around an element
 * and empty elements are skipped (RFC 9110 section 5.6.1.2); quoted strings are not known.
 * An absent span when the list is used up.
 */
struct span http_list_next(struct span *list);

/* Are the texts the same, but for the case of ASCII letters? */
bool http_same_word(struct span a, struct span b);

#endif
