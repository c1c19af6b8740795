/*
 * admin_http.c - HTTP/1.1 by libmicrohttpd, on the main thread's loop.
 *
 * libmicrohttpd has no thread of its own here: its epoll descriptor is one of our watchers, and
 * its next deadline our timer. Connections are accepted by us, so that a lack of descriptors is a
 * pause and not a spin.
 *
 *    listen_fd --accept--> MHD_add_connection()
 *    epoll_fd, timer --> MHD_run() --> on_request(): refuse, or read the body, then handle
 *                                        |  held: suspended until admin_reply_*()
 *                                        v
 *                                      MHD_queue_response()
 */
#include "admin_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_target.h"
#include "base/list.h"
#include "net/socket.h"

#define ACCEPT_PAUSE_S   1.0
#define CONNECTION_BYTES 32768u /* a request's line and headers, and what MHD keeps with them */
#define DETAIL_MAX       512u

struct admin_http {
    struct admin_http_conf conf;
    struct MHD_Daemon *daemon;
    struct ev_io accepting, turning;
    struct ev_timer timeout, pause;
    struct list held;
    unsigned n_held;
};

struct admin_call {
    struct admin_http *http;
    struct MHD_Connection *connection;
    char *raw; /* owned: the target as it came */
    struct admin_target target;
    char *body; /* owned */
    size_t n_body;
    json_t *json;                  /* owned */
    bool begun;                    /* its headers were looked at */
    bool refused;                  /* a body may still be coming: it is not wanted */
    struct MHD_Response *response; /* owned until it is queued; null = not answered yet */
    unsigned status;
    bool held;
    struct list link; /* among those held */
    void (*gone)(void *arg);
    void *arg;
};

/* ---- turns of the loop ---- */

static void run(struct admin_http *http)
{
    MHD_UNSIGNED_LONG_LONG ms;
    (void)MHD_run(http->daemon);
    ev_timer_stop(http->conf.loop, &http->timeout);
    if (MHD_get_timeout(http->daemon, &ms) == MHD_YES) {
        ev_timer_set(&http->timeout, (double)ms / 1000.0, 0);
        ev_timer_start(http->conf.loop, &http->timeout);
    }
}

static void on_turn(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    (void)events;
    run(io->data);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    run(timer->data);
}

static void on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct admin_http *http = timer->data;
    ev_io_start(loop, &http->accepting);
}

static void on_connection(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    struct admin_http *http = io->data;
    struct address peer;
    int fd = socket_accept(http->conf.listen_fd, &peer);
    if (fd >= 0) {
        /* over ADMIN_CONNECTIONS_MAX it is closed by this */
        (void)MHD_add_connection(http->daemon, fd, &peer.sa, address_len(&peer));
        run(http);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        ev_io_stop(loop, &http->accepting);
        ev_timer_start(loop, &http->pause);
    }
}

/* ---- a call, as its handler sees it ---- */

struct admin_house *admin_call_house(const struct admin_call *call)
{
    return call->http->conf.house;
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
    const unsigned long long number = n > 0 && n <= 10 && !text[n] ? strtoull(text, NULL, 10) : 0;
    if (n > 0 && n <= 10 && !text[n] && number >= min && number <= max) {
        *out = (uint32_t)number;
        return true;
    }
    admin_problem(call, MHD_HTTP_BAD_REQUEST, "invalid_query", "%s: want a number in %u..%u", key,
                  min, max);
    return false;
}

json_t *admin_call_body(const struct admin_call *call)
{
    return call->json;
}

/* ---- answers ---- */

static void add_headers(const struct admin_call *call, struct MHD_Response *response,
                        const char *content_type)
{
    static const char *const always[][2] = {
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
    };
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        (void)MHD_add_response_header(response, always[i][0], always[i][1]);
    if (call->status == MHD_HTTP_UNAUTHORIZED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (call->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
                                      call->target.route->method == ADMIN_GET ? "GET, HEAD"
                                                                              : "POST");
}

static void unhold(struct admin_call *call)
{
    call->held = false;
    list_remove(&call->link);
    call->http->n_held--;
    MHD_resume_connection(call->connection);
    /* from the loop, not from here: who answers may be in the middle of something */
    ev_feed_event(call->http->conf.loop, &call->http->turning, EV_READ);
}

static void say(struct admin_call *call)
{
    struct log_line line;
    struct log *log = call->http->conf.log;
    if (!call->target.route || call->target.route->method != ADMIN_POST)
        return;
    log_begin(&line, log, call->refused ? LOG_WARN : LOG_NOTICE,
              call->refused ? "admin.refused" : "admin.call");
    log_peer(&line, "target", span_of_str(call->raw));
    log_u64(&line, "status", call->status);
    log_emit(&line);
}

/* The one way out. Takes the response; null: memory is short, and the connection will end. */
static void answer(struct admin_call *call, unsigned status, const char *content_type,
                   struct MHD_Response *response)
{
    call->status = status;
    call->response = response;
    if (response)
        add_headers(call, response, content_type);
    say(call);
    if (call->held)
        unhold(call);
}

void admin_reply_text(struct admin_call *call, const char *content_type, char *taken, size_t n)
{
    answer(call, MHD_HTTP_OK, content_type,
           MHD_create_response_from_buffer(n, taken, MHD_RESPMEM_MUST_FREE));
}

void admin_reply_static(struct admin_call *call, const char *content_type, struct span body)
{
    answer(
        call, MHD_HTTP_OK, content_type,
        MHD_create_response_from_buffer(body.n, (void *)(uintptr_t)body.p, MHD_RESPMEM_PERSISTENT));
}

static void reply_json(struct admin_call *call, unsigned status, const char *type, json_t *taken)
{
    char *text = taken ? json_dumps(taken, JSON_COMPACT) : NULL;
    json_decref(taken);
    if (text)
        answer(call, status, type,
               MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
    else
        answer(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain",
               MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

void admin_reply_json(struct admin_call *call, unsigned status, json_t *taken)
{
    reply_json(call, status, "application/json", taken);
}

void admin_problem(struct admin_call *call, unsigned status, const char *reason, const char *detail,
                   ...)
{
    char text[DETAIL_MAX];
    va_list args;
    va_start(args, detail);
    (void)vsnprintf(text, sizeof(text), detail, args);
    va_end(args);
    reply_json(call, status, "application/problem+json",
               json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
                         MHD_get_reason_phrase_for(status), "status", (int)status, "reason", reason,
                         "detail", text));
}

bool admin_hold(struct admin_call *call, void (*gone)(void *arg), void *arg)
{
    struct admin_http *http = call->http;
    if (http->n_held == ADMIN_HELD_MAX) {
        admin_problem(call, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", "too many questions at a time");
        return false;
    }
    call->gone = gone;
    call->arg = arg;
    call->held = true;
    list_append(&http->held, &call->link);
    http->n_held++;
    return true;
}

/* ---- a request comes in ---- */

static const char *header(const struct admin_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

static void refuse(struct admin_call *call, unsigned status, const char *reason, const char *detail)
{
    call->refused = true;
    admin_problem(call, status, reason, "%s", detail);
}

static void refuse_target(struct admin_call *call, enum admin_found found)
{
    char detail[DETAIL_MAX];
    call->refused = true;
    switch (found) {
    case ADMIN_NOT_FOUND:
        refuse(call, MHD_HTTP_NOT_FOUND, "not_found", "there is nothing at this path");
        return;
    case ADMIN_WRONG_METHOD:
        refuse(call, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
               call->target.route->method == ADMIN_GET ? "this path answers GET only"
                                                       : "this path answers POST only");
        return;
    case ADMIN_BAD_PATH:
        refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_path", "want UTF-8 with whole %XX in the path");
        return;
    case ADMIN_BAD_QUERY:
        (void)snprintf(detail, sizeof(detail), "%.128s%swant %s%s, each once, in UTF-8",
                       call->target.at ? call->target.at : "", call->target.at ? ": " : "",
                       *call->target.route->query ? "only: " : "no parameters",
                       call->target.route->query);
        refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_query", detail);
        return;
    default:
        refuse(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "out_of_memory", "memory is short");
    }
}

/* Is it meant for us, and may it? Else it is answered. */
static bool is_allowed(struct admin_call *call)
{
    const struct admin_token *token = call->http->conf.token;
    const char *host = header(call, MHD_HTTP_HEADER_HOST);
    if (token->n == 0 && !admin_host_is_ours(host))
        refuse(call, MHD_HTTP_FORBIDDEN, "forbidden_host",
               "want a numeric address or \"localhost\" in Host, or a token_file in the "
               "configuration");
    else if (!admin_origin_fits(header(call, MHD_HTTP_HEADER_ORIGIN), host))
        refuse(call, MHD_HTTP_FORBIDDEN, "forbidden_origin", "this is a page of somebody else");
    else if (call->target.route->access == ADMIN_SECRET &&
             !admin_token_fits(token, header(call, MHD_HTTP_HEADER_AUTHORIZATION)))
        refuse(call, MHD_HTTP_UNAUTHORIZED, "unauthorized",
               "want \"Authorization: Bearer\" with the token");
    return !call->refused;
}

/* A form of somebody else's page can post text, but not JSON. */
static bool body_is_welcome(struct admin_call *call)
{
    static const char json[] = "application/json";
    const char *type = header(call, MHD_HTTP_HEADER_CONTENT_TYPE);
    const char *length = header(call, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (call->target.route->method != ADMIN_POST)
        return true;
    if (length && strtoull(length, NULL, 10) > ADMIN_BODY_MAX)
        refuse(call, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large", "want at most 65536 bytes");
    else if (!type || strncasecmp(type, json, strlen(json)) != 0 ||
             !strchr("; ", type[strlen(json)]))
        refuse(call, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
               "want \"Content-Type: application/json\"");
    return !call->refused;
}

static void begin(struct admin_call *call, const char *method)
{
    static const enum admin_method get = ADMIN_GET, post = ADMIN_POST;
    const bool gets = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    call->begun = true;
    enum admin_found found = call->raw ? admin_target_parse(call->raw,
                                                            gets                          ? &get
                                                            : strcmp(method, "POST") == 0 ? &post
                                                                                          : NULL,
                                                            &call->target)
                                       : ADMIN_NO_MEMORY;
    if (found != ADMIN_FOUND)
        refuse_target(call, found);
    else if (is_allowed(call))
        (void)body_is_welcome(call);
}

static void take_body(struct admin_call *call, const char *data, size_t n)
{
    if (call->refused)
        return;
    if (call->n_body + n > ADMIN_BODY_MAX) {
        refuse(call, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large", "want at most 65536 bytes");
        return;
    }
    char *grown = realloc(call->body, call->n_body + n);
    if (!grown) {
        refuse(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "out_of_memory", "memory is short");
        return;
    }
    memcpy(grown + call->n_body, data, n);
    call->body = grown;
    call->n_body += n;
}

/* False: it is answered. */
static bool read_json(struct admin_call *call)
{
    json_error_t error;
    if (call->target.route->method != ADMIN_POST)
        return true;
    call->json = call->n_body ? json_loadb(call->body, call->n_body, JSON_REJECT_DUPLICATES, &error)
                              : json_object();
    if (json_is_object(call->json))
        return true;
    call->refused = true;
    if (call->json)
        admin_problem(call, MHD_HTTP_BAD_REQUEST, "invalid_body", "want a JSON object");
    else
        admin_problem(call, MHD_HTTP_BAD_REQUEST, "invalid_body", "line %d: %s", error.line,
                      error.text);
    return false;
}

static enum MHD_Result send_answer(struct admin_call *call)
{
    if (!call->response)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(call->connection, call->status, call->response);
    MHD_destroy_response(call->response);
    call->response = NULL;
    return queued;
}

/* Called with the headers, with each piece of a body, at its end, and when a held call goes on. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n, void **context)
{
    (void)arg;
    (void)url;
    (void)version;
    struct admin_call *call = *context;
    if (!call)
        return MHD_NO; /* memory is short */
    call->connection = connection;
    if (!call->begun) {
        begin(call, method);
        return call->response ? send_answer(call) : MHD_YES;
    }
    if (*n > 0) {
        take_body(call, data, *n);
        *n = 0;
        return MHD_YES;
    }
    if (call->response)
        return send_answer(call);
    if (read_json(call))
        call->target.route->handle(call);
    if (call->held) {
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    return send_answer(call);
}

/* The target as it came, before anything is decoded: the call begins here. */
static void *on_target(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct admin_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->http = arg;
    call->connection = connection;
    call->raw = strdup(uri);
    list_init(&call->link);
    return call;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why)
{
    (void)arg;
    (void)connection;
    (void)why;
    struct admin_call *call = *context;
    if (!call)
        return;
    *context = NULL;
    if (call->response)
        MHD_destroy_response(call->response);
    json_decref(call->json);
    admin_target_fini(&call->target);
    free(call->body);
    free(call->raw);
    free(call);
}

/* libmicrohttpd would decode in place; admin_target.c does, and complains. */
static size_t leave_encoded(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

static void on_words(void *arg, const char *format, va_list args)
{
    (void)arg;
    (void)format;
    (void)args; /* about peers who leave: nobody asked */
}

/* ---- life ---- */

static void init_watchers(struct admin_http *http, int epoll_fd)
{
    ev_io_init(&http->accepting, on_connection, http->conf.listen_fd, EV_READ);
    ev_io_init(&http->turning, on_turn, epoll_fd, EV_READ);
    ev_init(&http->timeout, on_timeout);
    ev_timer_init(&http->pause, on_pause_over, ACCEPT_PAUSE_S, 0);
    http->accepting.data = http->turning.data = http->timeout.data = http->pause.data = http;
    ev_io_start(http->conf.loop, &http->accepting);
    ev_io_start(http->conf.loop, &http->turning);
}

struct admin_http *admin_http_new(const struct admin_http_conf *conf)
{
    struct admin_http *http = calloc(1, sizeof(*http));
    if (!http)
        return NULL;
    http->conf = *conf;
    list_init(&http->held);
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_words, NULL, MHD_OPTION_CONNECTION_LIMIT,
        ADMIN_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, ADMIN_CONNECTION_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_URI_LOG_CALLBACK,
        on_target, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info) {
        init_watchers(http, info->epoll_fd);
        return http;
    }
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    free(http);
    return NULL;
}

void admin_http_free(struct admin_http *http)
{
    if (!http)
        return;
    while (!list_empty(&http->held)) {
        struct admin_call *call = CONTAINER_OF(http->held.next, struct admin_call, link);
        call->gone(call->arg);
        admin_problem(call, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping", "the router ends");
    }
    ev_io_stop(http->conf.loop, &http->accepting);
    ev_io_stop(http->conf.loop, &http->turning);
    ev_timer_stop(http->conf.loop, &http->timeout);
    ev_timer_stop(http->conf.loop, &http->pause);
    (void)MHD_run(http->daemon); /* what is answered may still go out */
    MHD_stop_daemon(http->daemon);
    free(http);
}
