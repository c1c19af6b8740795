/*
 * call.h - the handlers' interface to a request of the admin interface.
 *
 * Main thread only. A handler answers with exactly one admin_reply_*() or admin_problem() before it
 * returns, or later if it has called admin_hold(). It must not block, because the main thread also
 * runs health checks and handles signals.
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

/* Return the context, borrowed; see context.h. */
struct admin_context *admin_call_context(const struct admin_call *call);

/* Return the decoded text that matches the i-th {...} of the route's pattern, never null. */
const char *admin_call_part(const struct admin_call *call, unsigned i);

/*
 * Return a query parameter, percent-decoded, as UTF-8 without NUL bytes, or null if it is missing.
 * Unknown and repeated parameters have been rejected before.
 */
const char *admin_call_query(const struct admin_call *call, const char *key);

/*
 * Read a query parameter as a number. *out is untouched if it is missing. If it is not a number in
 * min..max, answers the call (400) and returns false.
 */
MUST_USE bool admin_call_number(struct admin_call *call, const char *key, uint32_t min,
                                uint32_t max, uint32_t *out);

/*
 * Return the JSON object in the body of a POST, borrowed; empty if there is no body. Never null: a
 * body that is not a JSON object has been rejected before. The handler must reject unknown keys.
 */
json_t *admin_call_body(const struct admin_call *call);

/* Check that the body has only these keys, which are separated by spaces. If it has others, answers
 * the call (400) and returns false. */
MUST_USE bool admin_body_has_only(struct admin_call *call, const char *keys);

/*
 * Read an integer (such as 2 or 2.0) or a string. *out is untouched if the key is missing. If the
 * value has another type or is out of range, answers the call (400) and returns false.
 */
MUST_USE bool admin_body_number(struct admin_call *call, const char *key, uint32_t min,
                                uint32_t max, uint32_t *out);
MUST_USE bool admin_body_text(struct admin_call *call, const char *key, const char **out);

/* ---- responses; each may free the call ---- */

/* Send a JSON value, and take it. If it is null (out of memory), sends a 500 without a body. */
void admin_reply_json(struct admin_call *call, unsigned status, json_t *taken);

/* Send text, and take it. It must be allocated with malloc(). */
void admin_reply_text(struct admin_call *call, const char *content_type, char *taken, size_t n);

/* Send static bytes with status 200. */
void admin_reply_static(struct admin_call *call, const char *content_type, struct span body);

/*
 * Send application/problem+json (RFC 9457) with these members: type ("about:blank"), title (the
 * phrase of the status), status, reason (a stable identifier in snake_case) and detail (a message
 * for people).
 */
void admin_problem(struct admin_call *call, unsigned status, const char *reason, const char *detail,
                   ...) __attribute__((format(printf, 4, 5)));

/* Send a problem with more members, and take it. The object must contain reason and detail. */
void admin_reply_problem(struct admin_call *call, unsigned status, json_t *taken);

/*
 * Hold the call, to answer it later from the main thread. If the client closes the connection
 * first, `gone` is called once, the call is freed, and it must not be answered. If the router is
 * stopping or too many calls (64) are held, answers the call (503) and returns false.
 */
MUST_USE bool admin_hold(struct admin_call *call, void (*gone)(void *arg), void *arg);

/* ---- times: RFC 3339, UTC, with milliseconds ---- */

/* Format a Unix time in milliseconds: "2026-01-02T03:04:05.678Z". */
json_t *admin_time(uint64_t unix_ms);

/* Format the time that was ago_ms milliseconds before now. */
json_t *admin_time_ago(uint64_t ago_ms);

#endif
