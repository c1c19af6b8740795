/*
 * test_http.c - held calls, clients that close the connection, and slow clients.
 *
 * The routes and handlers are in this file: POST reload holds its call, other handlers answer
 * immediately. The test controls the clock.
 */
#include "control/admin/http.h"

#include <sys/socket.h>

#include "control/admin/call.h"
#include "control/admin/target.h"
#include "control/ground.h"
#include "net/endpoint.h"
#include "net/socket.h"

#define CALLS_MAX 80u
#define TURNS_MAX 200u /* loop iterations before a wait fails */

struct context {
    struct ground g;
    struct admin_context context;
    struct admin_http *http;
    struct bearer_token token;
    struct endpoint at;
    int listen_fd;
    enum admin_phase phase;
    struct admin_call *held[CALLS_MAX]; /* null: closed or answered */
    unsigned n_held, n_gone, n_refused;
};

static enum admin_phase phase_of(const void *arg)
{
    return ((const struct context *)arg)->phase;
}

/* ---- handlers ---- */

static void on_gone(void *arg)
{
    struct admin_call **held = arg;
    *held = NULL;
}

static void hold(struct admin_call *call)
{
    struct context *h = CONTAINER_OF(admin_call_context(call), struct context, context);
    struct admin_call **place = &h->held[h->n_held];
    assert_true(h->n_held < CALLS_MAX);
    if (!admin_hold(call, on_gone, place)) {
        h->n_refused++;
        return;
    }
    *place = call;
    h->n_held++;
}

/* Hold the call, but answer before returning. */
static void hold_and_answer(struct admin_call *call)
{
    static struct admin_call *nobody; /* `gone` is not called */
    assert_true(admin_hold(call, on_gone, &nobody));
    admin_reply_json(call, 200, json_pack("{s:i}", "immediate", 1));
}

static void answer(struct admin_call *call)
{
    admin_reply_json(call, 200, json_object());
}

static const struct admin_route list[] = {
    {ADMIN_GET, "/healthz", "", ADMIN_OPEN, answer},
    {ADMIN_GET, "/metrics", "", ADMIN_SECRET, answer},
    {ADMIN_POST, "/api/v1/reload", "", ADMIN_SECRET, hold},
    {ADMIN_POST, "/api/v1/homecoming", "", ADMIN_SECRET, hold_and_answer},
};
static const struct admin_routes routes = {
    .list = list, .n = ARRAY_LEN(list), .page_policy = "default-src 'none'"};

/* ---- set-up ---- */

static struct context *context_new(void)
{
    const struct listen_options options = {.backlog = 128};
    struct context *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    ground_init(&h->g);
    h->phase = ADMIN_SERVING;
    h->context = (struct admin_context){.phase = phase_of, .arg = h};
    assert_true(endpoint_parse("127.0.0.1:0", true, &h->at));
    h->listen_fd = socket_listen(&h->at, &options);
    assert_true(h->listen_fd >= 0 && socket_local_address(h->listen_fd, &h->at.address));
    const struct admin_http_conf conf = {.listen_fd = h->listen_fd,
                                         .loop = h->g.loop,
                                         .log = h->g.log,
                                         .context = &h->context,
                                         .routes = &routes,
                                         .token = &h->token};
    h->http = admin_http_new(&conf);
    assert_non_null(h->http);
    return h;
}

static void context_free(struct context *h)
{
    admin_http_free(h->http);
    close(h->listen_fd);
    ground_fini(&h->g);
    free(h);
}

static void turn(struct context *h)
{
    ground_now_us += GROUND_STEP_US;
    ev_run(h->g.loop, EVRUN_NOWAIT);
}

static void advance(struct context *h, double seconds)
{
    for (double step = 0.25; seconds > 0; seconds -= step) {
        ground_now_us += (uint64_t)(step * 1e6);
        turn(h);
    }
}

static int dial(struct context *h, const char *request)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && connect(fd, &h->at.address.sa, endpoint_len(&h->at)) == 0);
    assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
    return fd;
}

/* Run the loop until data or an end of stream arrives. Returns the text; empty: end of stream. */
static const char *receive(struct context *h, int fd, char text[1024])
{
    ssize_t n = -1;
    for (unsigned i = 0; i < TURNS_MAX && n < 0; i++) {
        turn(h);
        n = recv(fd, text, 1023, MSG_DONTWAIT);
    }
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

static bool is_silent(struct context *h, int fd)
{
    char byte;
    for (unsigned i = 0; i < 20; i++)
        turn(h);
    return recv(fd, &byte, 1, MSG_DONTWAIT) < 0;
}

static void wait_held(struct context *h, unsigned count)
{
    for (unsigned i = 0; i < TURNS_MAX && h->n_held + h->n_refused < count; i++)
        turn(h);
    assert_int_equal(h->n_held + h->n_refused, count);
}

#define POST(path)                                                                                 \
    "POST " path " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"              \
    "Content-Length: 2\r\n\r\n{}"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* ---- tests ---- */

static void a_held_call_is_answered_later_and_before_the_next_request(void **state)
{
    (void)state;
    char text[1024];
    struct context *h = context_new();
    int fd = dial(h, POST("/api/v1/reload") GET("/healthz"));
    wait_held(h, 1);
    assert_true(is_silent(h, fd));
    admin_reply_json(h->held[0], 201, json_pack("{s:i}", "later", 1));
    receive(h, fd, text);
    assert_memory_equal(text, "HTTP/1.1 201 ", 13);
    assert_non_null(strstr(text, "{\"later\":1}\n"));
    if (!strstr(text, "{}\n"))
        assert_non_null(strstr(receive(h, fd, text), "{}\n"));
    close(fd);
    context_free(h);
}

static void a_held_call_can_be_answered_before_its_handler_returns(void **state)
{
    (void)state;
    char text[1024];
    struct context *h = context_new();
    int fd = dial(h, POST("/api/v1/homecoming") POST("/api/v1/reload"));
    receive(h, fd, text);
    assert_non_null(strstr(text, "{\"immediate\":1}\n"));
    wait_held(h, 1);
    assert_true(is_silent(h, fd)); /* the previous response is not sent again */
    admin_reply_json(h->held[0], 200, json_pack("{s:i}", "later", 1));
    assert_non_null(strstr(receive(h, fd, text), "{\"later\":1}\n"));
    close(fd);
    context_free(h);
}

static void a_client_that_closes_during_a_held_call_is_detected_within_seconds(void **state)
{
    (void)state;
    struct context *h = context_new();
    int leaves = dial(h, POST("/api/v1/reload")), stays = dial(h, POST("/api/v1/reload"));
    wait_held(h, 2);
    close(leaves);
    advance(h, 3);
    assert_int_equal(!h->held[0] + !h->held[1], 1);
    struct admin_call *left = h->held[0] ? h->held[0] : h->held[1];
    char text[1024];
    admin_reply_json(left, 200, json_object());
    assert_memory_equal(receive(h, stays, text), "HTTP/1.1 200 ", 13);
    close(stays);
    context_free(h);
}

static void more_than_sixty_four_held_calls_are_rejected(void **state)
{
    (void)state;
    char text[1024];
    int fds[ADMIN_HELD_MAX], more;
    struct context *h = context_new();
    for (unsigned i = 0; i < ADMIN_HELD_MAX; i++)
        fds[i] = dial(h, POST("/api/v1/reload"));
    wait_held(h, ADMIN_HELD_MAX);
    more = dial(h, POST("/api/v1/reload"));
    assert_memory_equal(receive(h, more, text), "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(text, "\"busy\""));
    int probe = dial(h, GET("/healthz"));
    assert_memory_equal(receive(h, probe, text), "HTTP/1.1 200 ", 13);
    admin_reply_json(h->held[0], 200, json_object());
    receive(h, fds[0], text);
    close(more);
    more = dial(h, POST("/api/v1/reload"));
    wait_held(h, ADMIN_HELD_MAX + 2);
    assert_int_equal(h->n_refused, 1);
    for (unsigned i = 0; i < ADMIN_HELD_MAX; i++)
        close(fds[i]);
    close(more);
    close(probe);
    context_free(h);
}

static void a_held_call_never_times_out_and_ends_when_the_interface_stops(void **state)
{
    (void)state;
    char text[1024];
    struct context *h = context_new();
    int fd = dial(h, POST("/api/v1/reload"));
    wait_held(h, 1);
    advance(h, 200);
    assert_non_null(h->held[0]);
    admin_http_free(h->http);
    h->http = NULL;
    assert_null(h->held[0]);
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    assert_true(n > 13);
    assert_memory_equal(text, "HTTP/1.1 503 ", 13);
    close(fd);
    context_free(h);
}

static void a_request_during_the_stop_is_not_held(void **state)
{
    (void)state;
    char text[1024];
    const char *const request = POST("/api/v1/reload");
    struct context *h = context_new();
    int fd = dial(h, "P"), held = dial(h, POST("/api/v1/reload"));
    wait_held(h, 1);
    assert_true(is_silent(h, fd));
    assert_int_equal(send(fd, request + 1, strlen(request) - 1, 0), strlen(request) - 1);
    admin_http_free(h->http);
    h->http = NULL;
    assert_int_equal(h->n_refused, 1);
    assert_true(recv(fd, text, 13, MSG_DONTWAIT) == 13);
    assert_memory_equal(text, "HTTP/1.1 503 ", 13);
    close(fd);
    close(held);
    context_free(h);
}

static void an_incomplete_request_times_out_even_if_bytes_arrive(void **state)
{
    (void)state;
    char text[1024];
    static const char body_to_come[] = "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n"
                                       "Content-Type: application/json\r\n"
                                       "Content-Length: 90\r\n\r\n";
    static const char *const halves[] = {"G", "GET /healthz HTTP/1.1\r\nX: ", body_to_come};
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        struct context *h = context_new();
        int fd = dial(h, halves[i]);
        for (unsigned s = 0; s < ADMIN_REQUEST_S - 1; s++) {
            advance(h, 1);
            assert_int_equal(send(fd, " ", 1, MSG_NOSIGNAL), 1);
        }
        assert_true(is_silent(h, fd));
        advance(h, 4);
        assert_string_equal(receive(h, fd, text), "");
        close(fd);
        context_free(h);
    }
}

static void an_idle_connection_has_a_longer_timeout(void **state)
{
    (void)state;
    char text[1024];
    struct context *h = context_new();
    int fd = dial(h, GET("/healthz"));
    receive(h, fd, text);
    advance(h, ADMIN_IDLE_S - 5);
    assert_int_equal(send(fd, GET("/healthz"), strlen(GET("/healthz")), 0),
                     strlen(GET("/healthz")));
    assert_memory_equal(receive(h, fd, text), "HTTP/1.1 200 ", 13);
    advance(h, ADMIN_IDLE_S + 5);
    assert_string_equal(receive(h, fd, text), "");
    close(fd);
    context_free(h);
}

static void only_probes_are_answered_before_the_router_serves(void **state)
{
    (void)state;
    char text[1024];
    struct context *h = context_new();
    h->phase = ADMIN_STARTING;
    int fd = dial(h, GET("/healthz"));
    assert_memory_equal(receive(h, fd, text), "HTTP/1.1 200 ", 13);
    close(fd);
    fd = dial(h, GET("/metrics"));
    assert_memory_equal(receive(h, fd, text), "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(text, "\"starting\""));
    close(fd);
    context_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_held_call_is_answered_later_and_before_the_next_request),
        cmocka_unit_test(a_held_call_can_be_answered_before_its_handler_returns),
        cmocka_unit_test(a_client_that_closes_during_a_held_call_is_detected_within_seconds),
        cmocka_unit_test(more_than_sixty_four_held_calls_are_rejected),
        cmocka_unit_test(a_held_call_never_times_out_and_ends_when_the_interface_stops),
        cmocka_unit_test(a_request_during_the_stop_is_not_held),
        cmocka_unit_test(an_incomplete_request_times_out_even_if_bytes_arrive),
        cmocka_unit_test(an_idle_connection_has_a_longer_timeout),
        cmocka_unit_test(only_probes_are_answered_before_the_router_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
