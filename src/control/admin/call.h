/*
 * call.h - one request of the admin interface, as its handler sees it.
 *
 * Of the main thread. A handler answers with exactly one admin_reply_*() or admin_problem(),
 * before it returns or, after admin_hold(), later. It never waits: the main thread has health
 * checks and signals to look after.
 */
#ifndef CONTROL_ADMIN_CALL_H
#define CONTROL_ADMIN_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/util.h"

struct admin_call;
struct admin_context;

/* What the router is made of: admin_context.h. */
struct admin_context *admin_call_context(const struct admin_call *call);

/* The text that stands for the i-th {...} of the route's pattern, percent-decoded. Never null. */
const char *admin_call_part(const struct admin_call *call, unsigned i);

/*
 * A parameter of the query, percent-decoded; its bytes are any but zero and they are UTF-8. Null:
 * it is not there. The router of requests has refused parameters that the route's row does not
 * name, and those that come twice.
 */
const char *admin_call_query(const struct admin_call *call, const char *key);

/*
 * The same as a number. True and *out untouched when it is not there; false when it is none, or
 * outside min..max: then the call is answered (400).
 */
MUST_USE bool admin_call_number(struct admin_call *call, const char *key, uint32_t min,
                                uint32_t max, uint32_t *out);

/*
 * The JSON object of a POST, borrowed; an empty one where the body is empty. Never null: what is
 * no JSON object was refused. Keys a handler does not know are its to refuse.
 */
json_t *admin_call_body(const struct admin_call *call);

/* Are these all of its keys (separated by blanks)? Else the call is answered. */
MUST_USE bool admin_body_has_only(struct admin_call *call, const char *keys);

/*
 * Read an integer (2.0 is one), or a string. *out is untouched when the key is missing. False: the
 * value has another type or is out of range, and the call is answered.
 */
MUST_USE bool admin_body_number(struct admin_call *call, const char *key, uint32_t min,
                                uint32_t max, uint32_t *out);
MUST_USE bool admin_body_text(struct admin_call *call, const char *key, const char **out);

/* ---- answers; each may be the call's end ---- */

/* Takes the value, also when memory is short (then the answer is a 500 without a body). */
void admin_reply_json(struct admin_call *call, unsigned status, json_t *taken);

/* Takes text, which malloc made. */
void admin_reply_text(struct admin_call *call, const char *content_type, char *taken, size_t n);

/* Bytes that live as long as the program. */
void admin_reply_static(struct admin_call *call, const char *content_type, struct span body);

/*
 * application/problem+json (RFC 9457): type "about:blank", title (the status' phrase), status,
 * `reason`, one of our words (snake_case, stable: programs look at it), and detail, a sentence.
 */
void admin_problem(struct admin_call *call, unsigned status, const char *reason, const char *detail,
                   ...) __attribute__((format(printf, 4, 5)));

/* The same with members of its own beside these: an object with `reason` and `detail`, taken. */
void admin_reply_problem(struct admin_call *call, unsigned status, json_t *taken);

/*
 * The answer comes later, from the main thread. `gone` is called instead, once, when the peer
 * has left before: answer nothing then, the call is no more. At most 64 calls may be held: else
 * false, and the call is answered (503).
 */
MUST_USE bool admin_hold(struct admin_call *call, void (*gone)(void *arg), void *arg);

/* ---- times in answers: RFC 3339, UTC, with milliseconds ---- */

/* "2026-01-02T03:04:05.678Z"; from the real-time clock, in milliseconds since 1970. */
json_t *admin_time(uint64_t unix_ms);

/* What time it was so long ago. */
json_t *admin_time_ago(uint64_t ago_ms);

#endif
