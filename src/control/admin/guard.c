/*
 * guard.c - reject requests before a handler sees them.
 *
 * Without a token, every program on this machine may use the interface, but foreign web pages in a
 * browser on this machine must not. Their requests have a foreign Host (after DNS rebinding)
 * or a foreign Origin (POSTs), and HTML forms cannot send application/json.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_internal.h"

static const char *header(const struct admin_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

static void refuse(struct admin_call *call, unsigned status, const char *reason, const char *detail)
{
    call->refused = true;
    admin_problem(call, status, reason, "%s", detail);
}

/* ---- the target ---- */

static void refuse_query(struct admin_call *call)
{
    const struct admin_target *target = &call->target;
    call->refused = true;
    admin_problem(call, MHD_HTTP_BAD_REQUEST, "invalid_query", "%.128s%sthis path accepts %s%s",
                  target->at ? target->at : "", target->at ? ": " : "",
                  *target->route->query ? "only these parameters, each at most once and in UTF-8: "
                                        : "no parameters",
                  target->route->query);
}

static void refuse_target(struct admin_call *call, enum admin_found found)
{
    switch (found) {
    case ADMIN_FOUND:
        return;
    case ADMIN_NOT_FOUND:
        refuse(call, MHD_HTTP_NOT_FOUND, "not_found", "no such path");
        return;
    case ADMIN_WRONG_METHOD:
        refuse(call, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
               call->target.route->method == ADMIN_GET ? "this path supports only GET"
                                                       : "this path supports only POST");
        return;
    case ADMIN_BAD_PATH:
        refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_path",
               "the path must be valid UTF-8, and its %XX escapes must be complete");
        return;
    case ADMIN_BAD_QUERY:
        refuse_query(call);
        return;
    case ADMIN_NO_MEMORY:
        refuse(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "out_of_memory", "out of memory");
    }
}

static void find_target(struct admin_call *call)
{
    static const enum admin_method get = ADMIN_GET, post = ADMIN_POST;
    const enum admin_method *method = NULL;
    if (strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0)
        method = &get;
    else if (strcmp(call->method, "POST") == 0)
        method = &post;
    refuse_target(call, call->raw ? admin_target_parse(call->http->conf.routes, call->raw, method,
                                                       &call->target)
                                  : ADMIN_NO_MEMORY);
}

/*
 * A request with Transfer-Encoding and Content-Length may be an attempt at request smuggling: a
 * proxy in front may have used the other one (RFC 9112 section 6.3).
 */
static void check_framing(struct admin_call *call)
{
    if (!header(call, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
        !header(call, MHD_HTTP_HEADER_CONTENT_LENGTH))
        return;
    call->ends = true;
    refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_request",
           "use Content-Length or Transfer-Encoding, not both");
}

/* ---- the client ---- */

static void check_origin(struct admin_call *call)
{
    const char *host = header(call, MHD_HTTP_HEADER_HOST);
    if (call->http->conf.token->n == 0 && !admin_host_is_ours(host))
        refuse(call, MHD_HTTP_FORBIDDEN, "forbidden_host",
               "Host must be a numeric address or \"localhost\", unless token_file is configured");
    else if (!admin_origin_fits(header(call, MHD_HTTP_HEADER_ORIGIN), host))
        refuse(call, MHD_HTTP_FORBIDDEN, "forbidden_origin", "Origin must match Host");
}

static void check_token(struct admin_call *call)
{
    if (call->target.route->access == ADMIN_SECRET &&
        !bearer_token_matches(call->http->conf.token, header(call, MHD_HTTP_HEADER_AUTHORIZATION)))
        refuse(call, MHD_HTTP_UNAUTHORIZED, "unauthorized",
               "the token is missing or wrong: send it as \"Authorization: Bearer TOKEN\"");
}

/* Reject requests while the router starts, because handlers use objects that do not exist yet. */
static void check_phase(struct admin_call *call)
{
    const struct admin_context *context = call->http->conf.context;
    if (call->target.route->access == ADMIN_SECRET &&
        context->phase(context->arg) == ADMIN_STARTING)
        refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE, "starting", "the router is starting");
}

/* ---- the body ---- */

static void check_body_type(struct admin_call *call)
{
    static const char json[] = "application/json";
    const char *type = header(call, MHD_HTTP_HEADER_CONTENT_TYPE);
    const size_t n = type ? strcspn(type, "; \t") : 0;
    if (call->target.route->method == ADMIN_POST &&
        (n != strlen(json) || strncasecmp(type, json, n) != 0))
        refuse(call, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
               "Content-Type must be application/json");
}

void admin_guard_too_large(struct admin_call *call)
{
    call->refused = true;
    admin_problem(call, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
                  "the body must be at most %u bytes", ADMIN_BODY_MAX);
}

void admin_guard_head(struct admin_call *call)
{
    static void (*const checks[])(struct admin_call * call) = {
        check_framing, check_origin, find_target, check_token, check_phase, check_body_type};
    for (size_t i = 0; i < ARRAY_LEN(checks) && !call->refused; i++)
        checks[i](call);
}

void admin_guard_body(struct admin_call *call)
{
    json_error_t error = {.text = "out of memory"};
    if (call->n_bytes && call->target.route->method == ADMIN_POST)
        call->body = json_loadb(call->bytes, call->n_bytes, JSON_REJECT_DUPLICATES, &error);
    else
        call->body = json_object();
    if (json_is_object(call->body))
        return;
    call->refused = true;
    if (call->body || !call->n_bytes)
        admin_problem(call, MHD_HTTP_BAD_REQUEST, "invalid_body", "the body must be a JSON object");
    else
        admin_problem(call, MHD_HTTP_BAD_REQUEST, "invalid_body", "line %d: %s", error.line,
                      error.text);
}
