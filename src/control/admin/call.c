/*
 * call.c - the handlers' interface to a request: read its parameters and body, and answer it.
 *
 * Every response is sent by answer(), which adds the headers, logs POSTs and rejections, and
 * resumes a held connection.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "http_internal.h"

#define DETAIL_MAX 512u

struct admin_context *admin_call_context(const struct admin_call *call)
{
    return call->http->conf.context;
}

const char *admin_call_part(const struct admin_call *call, unsigned i)
{
    return call->target.parts[i];
}

const char *admin_call_query(const struct admin_call *call, const char *key)
{
    for (unsigned i = 0; i < call->target.n_query; i++)
        if (strcmp(call->target.keys[i], key) == 0)
            return call->target.values[i];
    return NULL;
}

bool admin_call_number(struct admin_call *call, const char *key, uint32_t min, uint32_t max,
                       uint32_t *out)
{
    const char *text = admin_call_query(call, key);
    if (!text)
        return true;
    const size_t n = strspn(text, "0123456789");
    const bool is_number = n > 0 && n <= 10 && !text[n];
    const unsigned long long number = is_number ? strtoull(text, NULL, 10) : 0;
    if (is_number && number >= min && number <= max) {
        *out = (uint32_t)number;
        return true;
    }
    admin_problem(call, MHD_HTTP_BAD_REQUEST, "invalid_query", "%s: must be an integer in %u..%u",
                  key, min, max);
    return false;
}

json_t *admin_call_body(const struct admin_call *call)
{
    return call->body;
}

/* ---- the body ---- */

bool admin_body_has_only(struct admin_call *call, const char *keys)
{
    const char *key;
    json_t *value;
    json_object_foreach(admin_call_body(call), key, value)
    {
        if (admin_is_among(keys, key))
            continue;
        admin_problem(call, 400, "invalid_body", "%.64s: unknown key; known keys: %s", key,
                      *keys ? keys : "none");
        return false;
    }
    return true;
}

bool admin_body_number(struct admin_call *call, const char *key, uint32_t min, uint32_t max,
                       uint32_t *out)
{
    const json_t *value = json_object_get(admin_call_body(call), key);
    int64_t number = json_integer_value(value);
    if (!value)
        return true;
    bool integer = json_is_integer(value) || exact_integer(json_real_value(value), &number);
    if (json_is_number(value) && integer && number >= min && number <= max) {
        *out = (uint32_t)number;
        return true;
    }
    admin_problem(call, 400, "invalid_body", "%s: must be an integer in %u..%u", key, min, max);
    return false;
}

bool admin_body_text(struct admin_call *call, const char *key, const char **out)
{
    const json_t *value = json_object_get(admin_call_body(call), key);
    if (!value)
        return true;
    if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value)) {
        *out = json_string_value(value);
        return true;
    }
    admin_problem(call, 400, "invalid_body", "%s: must be a string", key);
    return false;
}

/* ---- responses ---- */

static void add(const struct admin_call *call, const char *name, const char *value)
{
    (void)MHD_add_response_header(call->response, name, value); /* left out if out of memory */
}

static void add_headers(const struct admin_call *call, const char *content_type)
{
    static const char *const always[][2] = {
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
    };
    add(call, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        add(call, always[i][0], always[i][1]);
    add(call, "Content-Security-Policy", call->http->conf.routes->page_policy);
    if (call->status == MHD_HTTP_UNAUTHORIZED)
        add(call, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (call->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        add(call, MHD_HTTP_HEADER_ALLOW,
            call->target.route->method == ADMIN_GET ? "GET, HEAD" : "POST");
    if (call->ends)
        add(call, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* Let libmicrohttpd continue with a held call. */
static void resume(struct admin_call *call)
{
    if (!call->held)
        return;
    call->held = false;
    call->http->n_held--;
    if (!call->suspended)
        return; /* the handler answered before it returned */
    call->suspended = false;
    MHD_resume_connection(call->connection);
    /* MHD_run() must follow, but not here, because it may be the caller */
    ev_feed_event(call->http->conf.loop, &call->http->turning, EV_READ);
}

/* Limit admin.refused to 10 lines per second, after a burst of 100. */
static const struct bucket_rate refusal_lines = {.window_us = 1000000, .events = 10, .burst = 100};

static void log_call(const struct admin_call *call)
{
    struct log_line line;
    struct log *log = call->http->conf.log;
    const bool forbidden =
        call->status == MHD_HTTP_UNAUTHORIZED || call->status == MHD_HTTP_FORBIDDEN;
    if (!forbidden && strcmp(call->method, "POST") != 0)
        return;
    if (forbidden &&
        !bucket_take(&call->http->refusals_logged, clock_monotonic_us(), refusal_lines))
        return; /* do not let clients without a token fill the log */
    log_begin(&line, log, forbidden ? LOG_WARN : LOG_NOTICE,
              forbidden ? "admin.refused" : "admin.call");
    log_text(&line, "source", call->peer->source);
    log_peer(&line, "method", span_of_str(call->method));
    log_peer(&line, "target", span_of_str(call->raw));
    log_u64(&line, "status", call->status);
    log_emit(&line);
}

/* Send the response, and take it. If it is null (out of memory), the connection is closed. */
static void answer(struct admin_call *call, unsigned status, const char *content_type,
                   struct MHD_Response *response)
{
    call->status = status;
    call->response = response;
    if (response)
        add_headers(call, content_type);
    log_call(call);
    resume(call);
}

/* Send text, and take it. It is allocated with malloc(), or null if out of memory. */
static void answer_text(struct admin_call *call, unsigned status, const char *content_type,
                        char *taken, size_t n)
{
    struct MHD_Response *response =
        taken ? MHD_create_response_from_buffer(n, taken, MHD_RESPMEM_MUST_FREE) : NULL;
    if (response) {
        answer(call, status, content_type, response);
        return;
    }
    free(taken);
    answer(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain",
           MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

void admin_reply_text(struct admin_call *call, const char *content_type, char *taken, size_t n)
{
    answer_text(call, MHD_HTTP_OK, content_type, taken, n);
}

void admin_reply_static(struct admin_call *call, const char *content_type, struct span body)
{
    answer(
        call, MHD_HTTP_OK, content_type,
        MHD_create_response_from_buffer(body.n, (void *)(uintptr_t)body.p, MHD_RESPMEM_PERSISTENT));
}

/* Send a JSON value with a final newline, for terminals. */
static void reply_json(struct admin_call *call, unsigned status, const char *type, json_t *taken)
{
    char *text = taken ? json_dumps(taken, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    const size_t n = text ? strlen(text) : 0;
    char *line = text ? realloc(text, n + 1) : NULL; /* the newline replaces the terminator */
    json_decref(taken);
    if (line)
        line[n] = '\n';
    else
        free(text);
    answer_text(call, status, type, line, n + 1);
}

void admin_reply_json(struct admin_call *call, unsigned status, json_t *taken)
{
    reply_json(call, status, "application/json", taken);
}

void admin_reply_problem(struct admin_call *call, unsigned status, json_t *taken)
{
    json_t *problem = json_pack("{s:s, s:s, s:i}", "type", "about:blank", "title",
                                MHD_get_reason_phrase_for(status), "status", (int)status);
    if (!taken || json_object_update(problem, taken) < 0) {
        json_decref(problem);
        problem = NULL;
    }
    json_decref(taken);
    reply_json(call, status, "application/problem+json", problem);
}

/* Truncated text may end inside a character, and then is not valid JSON. */
static void cut_partial_character(char *text)
{
    size_t good = 0;
    (void)!utf8_check((const uint8_t *)text, strlen(text), SIZE_MAX, &good);
    text[good] = '\0';
}

void admin_problem(struct admin_call *call, unsigned status, const char *reason, const char *detail,
                   ...)
{
    char text[DETAIL_MAX];
    va_list args;
    va_start(args, detail);
    (void)vsnprintf(text, sizeof(text), detail, args);
    va_end(args);
    cut_partial_character(text);
    admin_reply_problem(call, status, json_pack("{s:s, s:s}", "reason", reason, "detail", text));
}

/* ---- held calls ---- */

bool admin_hold(struct admin_call *call, void (*gone)(void *arg), void *arg)
{
    struct admin_http *http = call->http;
    if (http->stopping) {
        admin_problem(call, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping", "the router is stopping");
        return false;
    }
    if (http->n_held == ADMIN_HELD_MAX) {
        admin_problem(call, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                      "too many requests are waiting: try again");
        return false;
    }
    call->gone = gone;
    call->arg = arg;
    call->held = true;
    http->n_held++;
    return true;
}

void admin_call_abandon(struct admin_call *call)
{
    if (!call->held)
        return;
    call->left = true;
    call->gone(call->arg);
    resume(call);
}

/* ---- times ---- */

json_t *admin_time(uint64_t unix_ms)
{
    const time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    char text[64];
    gmtime_r(&seconds, &utc);
    (void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", utc.tm_year + 1900,
                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                   (unsigned)(unix_ms % 1000));
    return json_string(text);
}

json_t *admin_time_ago(uint64_t ago_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return admin_time((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 - ago_ms);
}
