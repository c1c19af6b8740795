/*
 * check_node.h - a scripted node that runs on the event loop of the check.
 *
 * Everything runs in one thread. Only the loop waits, and every wait has a deadline.
 */
#ifndef UNIT_CONTROL_HEALTH_CHECK_NODE_H
#define UNIT_CONTROL_HEALTH_CHECK_NODE_H

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/health/check.h"
#include "net/socket.h"
#include "net/stream.h"
#include "net/tls/context.h"

#define PATIENCE_S 120.

enum node_then {
    NODE_STAYS,   /* stay open until the check closes, send the rest, and close */
    NODE_CLOSES,  /* close after sending everything */
    NODE_RESETS,  /* the same, with an RST */
    NODE_IGNORES, /* ignore the end of stream, and stay open */
};

struct node {
    /* script */
    const void *says; /* sent after the first received byte */
    size_t says_n;
    bool in_pieces; /* one byte per loop iteration */
    bool endless;   /* repeat `says` */
    bool deaf;      /* never read */
    enum node_then then;
    bool wants_header;       /* expect a PROXY header of version 1 before TLS */
    struct tls_context *tls; /* null = plain */

    /* observations */
    uint8_t heard[2048];
    size_t heard_n;
    char header[128]; /* received before TLS */
    size_t header_n;
    size_t said_in_all;
    bool heard_end;    /* the check has sent its end of stream */
    bool ended;        /* ... and all data has been sent, or an error occurred */
    const char *fault; /* the error; null = none */
    struct address peer;

    /* private */
    struct ev_loop *loop;
    struct endpoint at;
    int listen_fd, fd;
    struct stream *stream;
    size_t said_n;
    bool opened, hung_up;
    struct ev_io accepting, talking;
};

static inline void node_watch(struct node *n, int events)
{
    ev_io_stop(n->loop, &n->talking);
    ev_io_set(&n->talking, n->fd, events);
    ev_io_start(n->loop, &n->talking);
}

static inline void node_hang_up(struct node *n)
{
    const struct linger at_once = {.l_onoff = 1};
    if (n->fd < 0)
        return;
    if (n->then == NODE_RESETS)
        assert_int_equal(setsockopt(n->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    ev_io_stop(n->loop, &n->talking);
    if (n->stream)
        stream_free(n->stream);
    else
        close(n->fd);
    n->stream = NULL;
    n->fd = -1;
    n->hung_up = true;
}

static inline void node_sees_end(struct node *n, const char *fault)
{
    n->ended = true;
    n->fault = fault;
    ev_io_stop(n->loop, &n->talking);
    if (n->then != NODE_IGNORES)
        node_hang_up(n);
}

/* Send the next part of `says`. Returns false if nothing is left. */
static inline bool node_speak(struct node *n)
{
    size_t put = 0, most = n->in_pieces ? 1 : n->says_n - n->said_n;
    if (n->said_n == n->says_n)
        return false;
    enum stream_result r = stream_write(n->stream, (const char *)n->says + n->said_n, most, &put);
    if (r == STREAM_ERR) {
        node_sees_end(n, stream_error(n->stream));
        return true;
    }
    n->said_n += put;
    n->said_in_all += put;
    if (n->endless && n->said_n == n->says_n)
        n->said_n = 0;
    node_watch(n, (n->heard_end ? 0 : EV_READ) | EV_WRITE);
    return true;
}

static inline void node_has_said_all(struct node *n)
{
    if (n->heard_end)
        node_sees_end(n, NULL);
    else if (n->then == NODE_CLOSES || n->then == NODE_RESETS)
        node_hang_up(n);
    else
        node_watch(n, EV_READ);
}

/* Read the header, which ends with LF, and no byte more. Returns false if incomplete. */
static inline bool node_takes_header(struct node *n)
{
    while (n->wants_header && (n->header_n == 0 || n->header[n->header_n - 1] != '\n')) {
        assert_in_range(n->header_n, 0, sizeof(n->header) - 2);
        ssize_t got = recv(n->fd, n->header + n->header_n, 1, 0);
        if (got < 0 && errno == EAGAIN)
            return false;
        if (got <= 0) {
            node_sees_end(n, got < 0 ? strerrordesc_np(errno) : NULL);
            return false;
        }
        n->header_n++;
    }
    return true;
}

static inline bool node_opens(struct node *n)
{
    if (n->opened)
        return true;
    if (!n->stream && !node_takes_header(n))
        return false;
    if (!n->stream)
        n->stream = n->tls ? stream_tls_accept(n->tls, n->fd) : stream_tcp_new(n->fd);
    assert_non_null(n->stream);
    enum stream_result r = stream_open(n->stream);
    if (r == STREAM_ERR)
        node_sees_end(n, stream_error(n->stream));
    n->opened = r == STREAM_OK;
    return n->opened;
}

static inline void node_hear(struct node *n)
{
    size_t got;
    enum stream_result r = STREAM_OK;
    while (r == STREAM_OK && !n->heard_end) {
        assert_true(n->heard_n < sizeof(n->heard));
        r = stream_read(n->stream, n->heard + n->heard_n, sizeof(n->heard) - n->heard_n, &got);
        if (r == STREAM_OK)
            n->heard_n += got;
    }
    n->heard_end = n->heard_end || r == STREAM_EOF;
    if (r == STREAM_ERR)
        node_sees_end(n, stream_error(n->stream));
}

static inline void node_talk(struct node *n)
{
    if (!node_opens(n))
        return;
    node_hear(n);
    if (!n->ended && n->heard_n == 0 && !n->heard_end)
        return; /* send only after receiving something */
    if (!n->ended && !node_speak(n))
        node_has_said_all(n);
}

static inline void node_on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop, (void)events;
    node_talk(CONTAINER_OF(io, struct node, talking));
}

static inline void node_on_accept(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct node *n = CONTAINER_OF(io, struct node, accepting);
    (void)loop, (void)events;
    int fd = socket_accept(io->fd, &n->peer);
    assert_true(fd >= 0 && n->fd < 0);
    n->fd = fd;
    if (!n->deaf)
        node_watch(n, EV_READ);
}

/* Listen on `at`; port 0 is replaced by a free port. */
static inline void node_init(struct node *n, struct ev_loop *loop, const char *at)
{
    *n = (struct node){.loop = loop, .fd = -1};
    assert_true(endpoint_parse(at, true, &n->at));
    n->listen_fd = socket_listen(&n->at, &(struct listen_options){.backlog = 16});
    assert_true(n->listen_fd >= 0);
    if (!endpoint_is_unix(&n->at))
        assert_true(socket_local_address(n->listen_fd, &n->at.address));
    ev_io_init(&n->talking, node_on_io, -1, EV_READ);
    ev_io_init(&n->accepting, node_on_accept, n->listen_fd, EV_READ);
    ev_io_start(loop, &n->accepting);
}

/* Reset for another connection. */
static inline void node_again(struct node *n)
{
    node_hang_up(n);
    n->heard_n = n->header_n = n->said_n = n->said_in_all = 0;
    n->opened = n->heard_end = n->ended = n->hung_up = false;
    n->fault = NULL;
}

static inline void node_fini(struct node *n)
{
    node_hang_up(n);
    ev_io_stop(n->loop, &n->accepting);
    close(n->listen_fd);
    if (endpoint_is_unix(&n->at))
        unlink(n->at.un.sun_path);
}

/* ---- the check ------------------------------------------------------------------------- */

/* The configuration of a cluster, and the result of its check. */
struct asker {
    struct ev_loop *loop;
    struct health_check_conf health;
    struct upstream_tls_conf tls;
    struct cluster_conf cluster;
    struct check_target target;
    unsigned calls; /* number of calls of done */
    enum check_result result;
    enum check_contact contact;
    char why[200];
};

static inline void asker_init(struct asker *a, struct ev_loop *loop, enum check_type type,
                              const struct endpoint *node)
{
    static uint32_t good[] = {200, 204}, no_new[] = {503};
    *a = (struct asker){.loop = loop};
    a->health = (struct health_check_conf){.type = type,
                                           .timeout_ms = 10000,
                                           .method = (char *)"GET",
                                           .path = (char *)"/status",
                                           .expect = good,
                                           .n_expect = ARRAY_LEN(good),
                                           .no_new = no_new,
                                           .n_no_new = ARRAY_LEN(no_new)};
    a->cluster.health_check = &a->health;
    a->target =
        (struct check_target){.conf = &a->cluster, .endpoint = node, .client_id = "check-1"};
}

static inline void asker_done(void *arg, const struct check_report *report)
{
    struct asker *a = arg;
    a->calls++;
    a->result = report->result;
    a->contact = report->contact;
    snprintf(a->why, sizeof(a->why), "%s", report->why);
}

static inline struct check *asker_start(struct asker *a)
{
    a->calls = 0;
    struct check *check = check_start(a->loop, &a->target, asker_done, a);
    assert_int_equal(a->calls, 0);
    return check;
}

static inline void give_up(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    *(bool *)timer->data = true;
    ev_break(loop, EVBREAK_ALL);
}

/* Run the loop until *calls or *seen is not 0. */
static inline void run_until(struct ev_loop *loop, const volatile unsigned *calls,
                             const volatile bool *seen)
{
    bool late = false;
    struct ev_timer patience;
    ev_timer_init(&patience, give_up, PATIENCE_S, 0.);
    patience.data = &late;
    ev_now_update(loop);
    ev_timer_start(loop, &patience);
    while (!late && !(calls && *calls > 0) && !(seen && *seen))
        ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &patience);
    assert_false(late);
}

/* Run a whole check and return its result. */
static inline enum check_result ask(struct asker *a)
{
    assert_non_null(asker_start(a));
    run_until(a->loop, &a->calls, NULL);
    assert_int_equal(a->calls, 1);
    return a->result;
}

static inline void expect_verdict(struct asker *a, enum check_result result, const char *why)
{
    enum check_result got = ask(a);
    assert_string_equal(a->why, why);
    assert_int_equal(got, result);
}

static inline unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/*
 * Cancel a check after 0, 1, 2, ... iterations of the loop, until it ends before it can be
 * cancelled. Checks that nothing leaks and that done is not called. Returns the number of
 * iterations.
 */
static inline unsigned cancel_at_every_turn(struct asker *a, struct node *n)
{
    for (unsigned turns = 0;; turns++) {
        unsigned before = open_descriptors();
        struct check *check = asker_start(a);
        assert_non_null(check);
        for (unsigned i = 0; i < turns && a->calls == 0; i++)
            ev_run(a->loop, EVRUN_ONCE);
        if (a->calls > 0) {
            run_until(a->loop, NULL, &n->ended);
            return turns;
        }
        check_cancel(check);
        run_until(a->loop, NULL, &n->ended); /* the connection is in the kernel's queue */
        assert_int_equal(a->calls, 0);
        node_again(n);
        assert_int_equal(open_descriptors(), before);
    }
}

#endif
