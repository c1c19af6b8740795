/*
 * call.h - one request of the admin interface, as its handler sees it.
 *
 * Main thread only. A handler answers with exactly one admin_reply_*() or admin_problem(), before
 * it returns or, after admin_hold(), later. It never blocks: the main thread also runs health
 * checks and handles signals.
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

/* Borrowed; see context.h. */
struct admin_context *admin_call_context(const struct admin_call *call);

/* The text matched by the i-th {...} of the route's pattern, percent-decoded. Never null. */
const char *admin_call_part(const struct admin_call *call, unsigned i);

/*
 * A query parameter, percent-decoded: UTF-8 without a zero byte. Null if it is missing. Parameters
 * that the route does not have, and repeated ones, have been rejected before.
 */
const char *admin_call_query(const struct admin_call *call, const char *key);

/*
 * The same as a number. If it is missing, true, and *out is untouched. False: it is not a number in
 * min..max, and the call has been answered (400).
 */
MUST_USE bool admin_call_number(struct admin_call *call, const char *key, uint32_t min,
                                uint32_t max, uint32_t *out);

/*
 * The JSON object of a POST, borrowed; empty if there is no body. Never null: a body that is not a
 * JSON object has been rejected before. The handler must reject unknown keys.
 */
json_t *admin_call_body(const struct admin_call *call);

/* Whether the body has no other keys than these (separated by spaces). False: the call has been
 * answered (400). */
MUST_USE bool admin_body_has_only(struct admin_call *call, const char *keys);

/*
 * Read an integer (2.0 counts as one), or a string. *out is untouched if the key is missing. False:
 * the value has another type or is out of range, and the call has been answered (400).
 */
MUST_USE bool admin_body_number(struct admin_call *call, const char *key, uint32_t min,
                                uint32_t max, uint32_t *out);
MUST_USE bool admin_body_text(struct admin_call *call, const char *key, const char **out);

/* ---- responses; the call may end with each ---- */

/* Takes the value, which may be null: out of memory (a 500 without a body is sent). */
void admin_reply_json(struct admin_call *call, unsigned status, json_t *taken);

/* Takes text, allocated with malloc(). */
void admin_reply_text(struct admin_call *call, const char *content_type, char *taken, size_t n);

/* The bytes must be static. */
void admin_reply_static(struct admin_call *call, const char *content_type, struct span body);

/*
 * application/problem+json (RFC 9457): type "about:blank", title (the phrase of the status),
 * status, `reason` (a stable identifier in snake_case, for programs) and detail (a text for
 * people).
 */
void admin_problem(struct admin_call *call, unsigned status, const char *reason, const char *detail,
                   ...) __attribute__((format(printf, 4, 5)));

/* The same with more members: an object with `reason`, `detail` and these, taken. */
void admin_reply_problem(struct admin_call *call, unsigned status, json_t *taken);

/*
 * Answer later, from the main thread. If the client leaves before, `gone` is called once instead;
 * the call must not be answered then, it is freed. At most 64 calls can be held; with more, returns
 * false, and the call has been answered (503).
 */
MUST_USE bool admin_hold(struct admin_call *call, void (*gone)(void *arg), void *arg);

/* ---- times: RFC 3339, UTC, with milliseconds ---- */

/* "2026-01-02T03:04:05.678Z", from a Unix time in milliseconds. */
json_t *admin_time(uint64_t unix_ms);

/* The time that many milliseconds ago. */
json_t *admin_time_ago(uint64_t ago_ms);

#endif
