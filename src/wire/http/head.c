/*
 * head.c - parse the head of an HTTP/1.1 request byte by byte.
 *
 * A state machine: each step defines the bytes that may come next, so an invalid byte is rejected
 * when it arrives. Nothing is decoded or copied.
 *
 *    START ( CR LF )* METHOD sp TARGET sp VERSION CR LF
 *    LINE NAME ":" VALUE CR LF     repeated
 *    LINE CR LF                    the end
 */
#include "wire/http/head.h"

#include <assert.h>
#include <string.h>

#include "base/ascii.h"

enum step {
    STEP_START,
    STEP_START_LF,
    STEP_METHOD,
    STEP_TARGET,
    STEP_VERSION,
    STEP_REQUEST_LF,
    STEP_LINE, /* first byte of a field, or of the empty line at the end */
    STEP_NAME,
    STEP_VALUE,
    STEP_VALUE_LF,
    STEP_END_LF,
    STEP_DONE,
    STEP_BAD
};

/* Result of one byte. */
enum byte_result {
    BYTE_TAKEN,
    BYTE_ENDS_ITEM,
    BYTE_BAD /* status and fault are set */
};

static const char version[] = "HTTP/1.";

static enum byte_result bad(struct http_head *h, const char *fault)
{
    h->status = 400;
    h->fault = fault;
    h->step = STEP_BAD;
    return BYTE_BAD;
}

static enum byte_result to_step(struct http_head *h, enum step step)
{
    h->step = (uint8_t)step;
    return BYTE_TAKEN;
}

static bool is_blank(uint8_t b)
{
    return b == ' ' || b == '\t';
}

/* True for a byte that a token can contain: tchar of RFC 9110 section 5.6.2. */
static bool is_tchar(uint8_t b)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    return ascii_is_alphanumeric(b) || memchr(marks, b, sizeof(marks) - 1) != NULL;
}

/* True for a byte that a request target can contain. It has no fragment: RFC 9110 section 7.1. */
static bool is_target_byte(uint8_t b)
{
    return b > ' ' && b < 0x7f && b != '#';
}

static enum byte_result start_byte(struct http_head *h, uint8_t b)
{
    if (b == '\r')
        return to_step(h, STEP_START_LF);
    if (!is_tchar(b))
        return bad(h, "not an HTTP request");
    h->name_at = h->at;
    return to_step(h, STEP_METHOD);
}

/* This byte ends the name; the value begins after it. */
static enum byte_result end_name(struct http_head *h, enum step next)
{
    h->name_n = h->at - h->name_at;
    h->value_at = h->at + 1;
    h->value_n = 0;
    return to_step(h, next);
}

static enum byte_result method_byte(struct http_head *h, uint8_t b)
{
    if (is_tchar(b))
        return BYTE_TAKEN;
    return b == ' ' ? end_name(h, STEP_TARGET) : bad(h, "not an HTTP request");
}

static enum byte_result target_byte(struct http_head *h, uint8_t b)
{
    if (is_target_byte(b))
        return BYTE_TAKEN;
    if (b != ' ' || h->at == h->value_at)
        return bad(h, "invalid request target");
    h->value_n = h->at - h->value_at;
    return to_step(h, STEP_VERSION);
}

static enum byte_result version_byte(struct http_head *h, uint8_t b)
{
    const uint8_t n = sizeof(version) - 1;
    if (h->matched > n)
        return b == '\r' ? to_step(h, STEP_REQUEST_LF) : bad(h, "not HTTP/1.1");
    if (h->matched == n ? b < '0' || b > '9' : b != (uint8_t)version[h->matched])
        return bad(h, "not HTTP/1.1");
    if (h->matched == n)
        h->minor = (uint8_t)(b - '0');
    h->matched++;
    return BYTE_TAKEN;
}

static enum byte_result line_byte(struct http_head *h, uint8_t b)
{
    if (b == '\r')
        return to_step(h, STEP_END_LF);
    if (is_blank(b))
        return bad(h, "folded field");
    if (!is_tchar(b))
        return bad(h, "invalid field name");
    h->name_at = h->at;
    return to_step(h, STEP_NAME);
}

static enum byte_result name_byte(struct http_head *h, uint8_t b)
{
    if (is_tchar(b))
        return BYTE_TAKEN;
    return b == ':' ? end_name(h, STEP_VALUE) : bad(h, "invalid field name");
}

static enum byte_result value_byte(struct http_head *h, uint8_t b)
{
    if (b == '\r')
        return to_step(h, STEP_VALUE_LF);
    if (is_blank(b)) {
        if (h->value_n == 0)
            h->value_at = h->at + 1;
        return BYTE_TAKEN; /* trailing white space is not part of the value */
    }
    if (b < ' ' || b == 0x7f)
        return bad(h, "control character in a field");
    h->value_n = h->at + 1 - h->value_at;
    return BYTE_TAKEN;
}

/* The LF after a CR. */
static enum byte_result line_feed(struct http_head *h, uint8_t b)
{
    if (b != '\n')
        return bad(h, "CR without LF");
    switch ((enum step)h->step) {
    case STEP_START_LF:
        return to_step(h, STEP_START);
    case STEP_END_LF:
        h->step = STEP_DONE;
        h->head_n = h->at + 1;
        return BYTE_ENDS_ITEM;
    default:
        h->step = STEP_LINE;
        return BYTE_ENDS_ITEM;
    }
}

static enum byte_result take_byte(struct http_head *h, uint8_t b)
{
    switch ((enum step)h->step) {
    case STEP_START:
        return start_byte(h, b);
    case STEP_METHOD:
        return method_byte(h, b);
    case STEP_TARGET:
        return target_byte(h, b);
    case STEP_VERSION:
        return version_byte(h, b);
    case STEP_LINE:
        return line_byte(h, b);
    case STEP_NAME:
        return name_byte(h, b);
    case STEP_VALUE:
        return value_byte(h, b);
    default:
        return line_feed(h, b);
    }
}

static enum http_item_kind kind_ended_by(enum step step)
{
    if (step == STEP_END_LF)
        return HTTP_END;
    return step == STEP_REQUEST_LF ? HTTP_REQUEST_LINE : HTTP_FIELD;
}

static void fill(const struct http_head *h, enum http_item_kind kind, const uint8_t *p,
                 struct http_item *out)
{
    *out = (struct http_item){.kind = kind};
    if (kind == HTTP_END)
        return;
    out->name = span_of(p + h->name_at, h->name_n);
    out->value = span_of(p + h->value_at, h->value_n);
    if (kind == HTTP_REQUEST_LINE)
        out->minor = h->minor;
}

void http_head_init(struct http_head *h, uint32_t max)
{
    assert(max > 0);
    *h = (struct http_head){.max = max};
}

enum parse_result http_head_next(struct http_head *h, const uint8_t *p, size_t n,
                                 struct http_item *out)
{
    assert(n >= h->at && h->step != STEP_DONE);
    n = size_min(n, h->max);
    while (h->step != STEP_BAD && h->at < n) {
        enum step step = h->step;
        enum byte_result r = take_byte(h, p[h->at]);
        if (r == BYTE_BAD)
            break;
        h->at++;
        if (r == BYTE_ENDS_ITEM) {
            fill(h, kind_ended_by(step), p, out);
            return PARSE_DONE;
        }
    }
    if (h->step != STEP_BAD && h->at == h->max) {
        bad(h, "request head too large");
        h->status = 431;
    }
    return h->step == STEP_BAD ? PARSE_BAD : PARSE_MORE;
}

struct span http_list_next(struct span *list)
{
    if (!list->p)
        return *list;
    const uint8_t *p = list->p, *end = p + list->n;
    while (p < end && (is_blank(*p) || *p == ','))
        p++;
    const uint8_t *comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL;
    const uint8_t *rest = comma ? comma + 1 : end, *tail = comma ? comma : end;
    while (tail > p && is_blank(tail[-1]))
        tail--;
    *list = span_of(rest, (size_t)(end - rest));
    return tail > p ? span_of(p, (size_t)(tail - p)) : (struct span){0};
}

bool http_same_word(struct span a, struct span b)
{
    bool same = a.n == b.n;
    for (size_t i = 0; same && i < a.n; i++)
        same = ascii_lower(a.p[i]) == ascii_lower(b.p[i]);
    return same;
}
