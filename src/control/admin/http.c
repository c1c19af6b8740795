/*
 * http.c - handle HTTP requests of the admin interface with libmicrohttpd.
 *
 * libmicrohttpd parses requests and serializes responses. It is used without a thread:
 * connections.c watches its epoll descriptor, and calls MHD_run().
 *
 *    MHD_run() --> on_target: a call begins
 *                  on_request: reject it, or read the body, then run the handler
 *                    |  held: suspended until admin_reply_*()
 *                    v
 *                  MHD_queue_response() --> on_completed
 */
#include <stdlib.h>
#include <string.h>

#include "http_internal.h"

#define CONNECTION_BYTES 32768u /* request line, headers, and libmicrohttpd's own data */
#define SWALLOWED_MAX                                                                              \
    (16u * ADMIN_BODY_MAX) /* bytes of a rejected body that are read before closing */

/* ---- requests ---- */

/* Begin a call. Called with the encoded request target. */
static void *on_target(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct admin_peer *peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct admin_call *call = peer ? calloc(1, sizeof(*call)) : NULL;
    if (!call)
        return NULL;
    call->http = arg;
    call->peer = peer;
    call->connection = connection;
    call->raw = strdup(uri);
    admin_peer_busy(peer, call);
    return call;
}

/* Add a piece of the body. A rejected body is read to its end, because many clients read the
 * response only after they have sent the body. Returns false if it is too long. */
static bool take_body(struct admin_call *call, const char *data, size_t n)
{
    char *grown = NULL;
    if (!call->refused && call->n_bytes + n <= ADMIN_BODY_MAX)
        grown = realloc(call->bytes, call->n_bytes + n);
    else if (!call->refused)
        admin_guard_too_large(call);
    call->n_bytes += n;
    if (!grown)
        return call->refused && call->n_bytes <= SWALLOWED_MAX;
    memcpy(grown + call->n_bytes - n, data, n);
    call->bytes = grown;
    return true;
}

static enum MHD_Result send_answer(struct admin_call *call)
{
    if (!call->response)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(call->connection, call->status, call->response);
    MHD_destroy_response(call->response);
    call->response = NULL;
    admin_peer_answered(call->peer);
    return queued;
}

/* Called when the request is complete, and when a held call has been answered. */
static enum MHD_Result proceed(struct admin_call *call)
{
    if (call->left)
        return MHD_NO;
    if (!call->response)
        admin_guard_body(call);
    if (!call->response && !call->refused)
        call->target.route->handle(call);
    if (!call->held)
        return send_answer(call);
    MHD_suspend_connection(call->connection);
    call->suspended = true;
    return MHD_YES;
}

/* Called after the head, for each piece of the body, at its end, and when a held call resumes. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n, void **context)
{
    (void)arg;
    (void)connection;
    (void)url;
    (void)version;
    struct admin_call *call = *context;
    if (!call)
        return MHD_NO; /* out of memory */
    if (!call->begun) {
        call->begun = true;
        call->method = method;
        admin_guard_head(call);
        return MHD_YES;
    }
    if (*n == 0)
        return proceed(call);
    bool taken = take_body(call, data, *n);
    *n = 0;
    return taken ? MHD_YES : MHD_NO;
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
    admin_call_abandon(call);
    admin_peer_idle(call->peer);
    if (call->response)
        MHD_destroy_response(call->response);
    json_decref(call->body);
    admin_target_fini(&call->target);
    free(call->bytes);
    free(call->raw);
    free(call);
}

static void on_peer(void *arg, struct MHD_Connection *connection, void **context,
                    enum MHD_ConnectionNotificationCode code)
{
    admin_peer_note(arg, connection, context, code);
}

/* Disable libmicrohttpd's decoding, which is lenient and in place; target.c decodes strictly. */
static size_t leave_encoded(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

/* ---- start and stop ---- */

static struct MHD_Daemon *start_daemon(struct admin_http *http)
{
    /* one more than we accept, because libmicrohttpd may still count a closed connection */
    const unsigned connections = ADMIN_CONNECTIONS_MAX + 1;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_request, http, MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_NOTIFY_CONNECTION, on_peer, http,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        http, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL, MHD_OPTION_END);
}

struct admin_http *admin_http_new(const struct admin_http_conf *conf)
{
    struct admin_http *http = calloc(1, sizeof(*http));
    if (!http)
        return NULL;
    http->conf = *conf;
    list_init(&http->peers);
    http->daemon = start_daemon(http);
    const union MHD_DaemonInfo *info =
        http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info) {
        admin_connections_start(http, info->epoll_fd);
        return http;
    }
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    free(http);
    return NULL;
}

/* Answer held calls, because no connection may be suspended when libmicrohttpd stops. `stopping`
 * prevents new ones. */
static void answer_held(struct admin_http *http)
{
    http->stopping = true;
    for (struct list *l = http->peers.next; l != &http->peers; l = l->next) {
        struct admin_call *call = CONTAINER_OF(l, struct admin_peer, link)->call;
        if (!call || !call->held)
            continue;
        call->gone(call->arg);
        admin_problem(call, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping", "the router is stopping");
    }
}

void admin_http_free(struct admin_http *http)
{
    if (!http)
        return;
    answer_held(http);
    (void)MHD_run(http->daemon); /* send the responses that are ready */
    admin_connections_stop(http);
    MHD_stop_daemon(http->daemon);
    free(http);
}
