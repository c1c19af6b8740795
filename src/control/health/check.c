/*
 * check.c - run one check: connect, send the request, read the answer, close cleanly.
 *
 *    OPENING --connected, handshake done--> ASKING --> AWAITING --answer--+
 *       |                                                               |
 *       | tcp                                                           v
 *       +--> nothing to send: OVER          accepted: DISCONNECTING --> CLOSING --> DRAINING
 *       +--> TLS: CLOSING                                 http: straight to DRAINING --> OVER
 *       +--> PROXY header: DISCONNECTING
 *
 * The verdict is final before the connection is closed. A clean close only avoids errors in the
 * broker's log: a close with unread input makes the kernel send RST, which brokers log as a client
 * error.
 */
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check_dialogue.h"
#include "net/socket.h"
#include "net/stream.h"
#include "wire/mqtt/check.h"

/* Maximum number of bytes to read while closing, in case the node keeps sending. */
#define DRAIN_MAX 65536u

enum phase {
    PHASE_OPENING,
    PHASE_ASKING,
    PHASE_AWAITING,
    PHASE_DISCONNECTING,
    PHASE_CLOSING,
    PHASE_DRAINING,
    PHASE_OVER
};

struct check {
    struct ev_loop *loop;       /* borrowed */
    struct check_target target; /* its pointers are borrowed */
    check_done *done;
    void *arg;

    enum phase phase;
    struct check_verdict verdict; /* valid in the phases DISCONNECTING to OVER */
    struct stream *stream;        /* owned; null if the dial failed */
    bool connected;               /* the TCP connection is established */
    struct buffer question;       /* the request; `unsent` points into it */
    struct span unsent; /* in DISCONNECTING: the DISCONNECT, or the PROXY header of a tcp check */
    uint8_t answer[CHECK_ANSWER_MAX];
    size_t answer_n;
    size_t drained_n;

    struct ev_io io;
    struct ev_timer deadline; /* time limit for the verdict, then for closing */
};

static enum check_type type_of(const struct check *c)
{
    return c->target.conf->health_check->type;
}

/* ---- the verdict ----------------------------------------------------------------------- */

/* Without an answer, the check ends immediately: a clean close would be of no use. */
PRINTF_LIKE(3, 0)
static void end_unanswered(struct check *c, enum check_result result, const char *format,
                           va_list args)
{
    c->verdict = (struct check_verdict){.result = result};
    (void)vsnprintf(c->verdict.why, sizeof(c->verdict.why), format, args);
    c->phase = PHASE_OVER;
}

PRINTF_LIKE(2, 3) static void fail(struct check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end_unanswered(c, CHECK_BAD, format, args);
    va_end(args);
}

PRINTF_LIKE(2, 3) static void time_out(struct check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end_unanswered(c, CHECK_TIMEOUT, format, args);
    va_end(args);
}

/* Start to close the connection, which has its own time limit. The verdict is final. */
static void part(struct check *c, enum phase phase)
{
    c->phase = phase;
    ev_timer_stop(c->loop, &c->deadline);
    ev_timer_set(&c->deadline, CHECK_PARTING_MS / 1000.0, 0.);
    ev_timer_start(c->loop, &c->deadline);
}

static void judge_opened(struct check *c)
{
    c->verdict = (struct check_verdict){.result = CHECK_GOOD, .why = "connected"};
    if (c->unsent.n > 0)
        part(c, PHASE_DISCONNECTING);
    else if (c->target.tls)
        part(c, PHASE_CLOSING);
    else
        c->phase = PHASE_OVER;
}

static void fail_in_time(struct check *c)
{
    const uint32_t ms = c->target.conf->health_check->timeout_ms;
    if (!c->connected)
        time_out(c, "not connected within %u ms", ms);
    else if (c->phase == PHASE_OPENING)
        time_out(c, "no TLS handshake within %u ms", ms);
    else
        time_out(c, "no %s within %u ms", check_awaited(type_of(c)), ms);
}

/* ---- the steps ------------------------------------------------------------------------- */

/* A step returns WANT_* if it has to wait; otherwise the phase selects the next step. */

static enum stream_result open_step(struct check *c)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof(peer);
    /* a TLS stream does not report whether it waits for the connect or for the handshake */
    c->connected = c->connected || getpeername(c->io.fd, (struct sockaddr *)&peer, &n) == 0;
    enum stream_result r = stream_open(c->stream);
    if (r == STREAM_ERR)
        fail(c, "%s: %s", c->connected ? "TLS" : "connect", stream_error(c->stream));
    else if (r == STREAM_OK && type_of(c) == CHECK_TYPE_TCP)
        judge_opened(c);
    else if (r == STREAM_OK)
        c->phase = PHASE_ASKING;
    return r;
}

static enum stream_result send_step(struct check *c, enum phase next)
{
    size_t put = 0;
    enum stream_result r = STREAM_OK;
    while (r == STREAM_OK && c->unsent.n > 0) {
        r = stream_write(c->stream, c->unsent.p, c->unsent.n, &put);
        if (r == STREAM_OK)
            c->unsent = span_of(c->unsent.p + put, c->unsent.n - put);
    }
    if (r == STREAM_OK)
        c->phase = next;
    return r;
}

static enum stream_result ask_step(struct check *c)
{
    enum stream_result r = send_step(c, PHASE_AWAITING);
    if (r == STREAM_ERR)
        fail(c, "before the %s: %s", check_awaited(type_of(c)), stream_error(c->stream));
    return r;
}

static void judge_answer(struct check *c)
{
    enum parse_result r = check_judge(&c->target, span_of(c->answer, c->answer_n), &c->verdict);
    if (r == PARSE_BAD)
        c->phase = PHASE_OVER;
    if (r != PARSE_DONE)
        return;
    c->unsent = span_of(mqtt_check_disconnect, sizeof(mqtt_check_disconnect));
    if (type_of(c) == CHECK_TYPE_HTTP)
        part(c, PHASE_DRAINING); /* some servers treat a half-close as an aborted request */
    else if (c->verdict.accepted)
        part(c, PHASE_DISCONNECTING);
    else
        part(c, PHASE_CLOSING);
}

static enum stream_result await_step(struct check *c)
{
    size_t got;
    enum stream_result r =
        stream_read(c->stream, c->answer + c->answer_n, sizeof(c->answer) - c->answer_n, &got);
    switch (r) {
    case STREAM_OK:
        c->answer_n += got;
        judge_answer(c);
        break;
    case STREAM_EOF:
        fail(c, "closed before the %s", check_awaited(type_of(c)));
        break;
    case STREAM_ERR:
        fail(c, "before the %s: %s", check_awaited(type_of(c)), stream_error(c->stream));
        break;
    default:
        break;
    }
    return r;
}

static enum stream_result close_step(struct check *c)
{
    enum stream_result r = stream_close_write(c->stream);
    if (r == STREAM_OK)
        c->phase = PHASE_DRAINING;
    return r;
}

static enum stream_result drain_step(struct check *c)
{
    uint8_t bytes[4096];
    size_t got;
    enum stream_result r = stream_read(c->stream, bytes, sizeof(bytes), &got);
    if (r == STREAM_OK)
        c->drained_n += got;
    if (r == STREAM_EOF || c->drained_n >= DRAIN_MAX)
        c->phase = PHASE_OVER;
    return r;
}

static enum stream_result step(struct check *c)
{
    switch (c->phase) {
    case PHASE_OPENING:
        return open_step(c);
    case PHASE_ASKING:
        return ask_step(c);
    case PHASE_AWAITING:
        return await_step(c);
    case PHASE_DISCONNECTING:
        return send_step(c, PHASE_CLOSING);
    case PHASE_CLOSING:
        return close_step(c);
    default:
        return drain_step(c);
    }
}

/* ---- the loop -------------------------------------------------------------------------- */

static void release(struct check *c)
{
    ev_io_stop(c->loop, &c->io);
    ev_timer_stop(c->loop, &c->deadline);
    stream_free(c->stream);
    if (c->question.mem)
        explicit_bzero(c->question.mem, c->question.size); /* it may contain a password */
    buffer_release(&c->question);
    free(c);
}

static void finish(struct check *c)
{
    struct check_verdict verdict = c->verdict;
    const struct check_report report = {.result = verdict.result,
                                        .contact = c->answer_n > 0 ? CHECK_ANSWERED
                                                   : c->connected  ? CHECK_CONNECTED
                                                                   : CHECK_UNREACHED,
                                        .why = verdict.why};
    check_done *done = c->done;
    void *arg = c->arg;
    release(c);
    done(arg, &report);
}

static void wait_for(struct check *c, int events)
{
    if ((c->io.events & (EV_READ | EV_WRITE)) == events && ev_is_active(&c->io))
        return;
    ev_io_stop(c->loop, &c->io);
    ev_io_set(&c->io, c->io.fd, events);
    ev_io_start(c->loop, &c->io);
}

/* Run steps until one has to wait. May free the check. */
static void advance(struct check *c)
{
    while (c->phase != PHASE_OVER) {
        switch (step(c)) {
        case STREAM_WANT_READ:
            wait_for(c, EV_READ);
            return;
        case STREAM_WANT_WRITE:
            wait_for(c, EV_WRITE);
            return;
        case STREAM_ERR:
            c->phase = PHASE_OVER;
            break;
        default:
            break;
        }
    }
    finish(c);
}

/*
 * If this thread was busy for longer than the timeout, the timer and the answer are ready in the
 * same loop iteration, so read once more before the check fails.
 */
static void out_of_time(struct check *c)
{
    if (c->phase > PHASE_AWAITING) { /* closing took too long, or the dial failed */
        finish(c);
        return;
    }
    while (c->phase <= PHASE_AWAITING && step(c) == STREAM_OK)
        ;
    if (c->phase <= PHASE_AWAITING)
        fail_in_time(c);
    advance(c);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop, (void)events;
    advance(CONTAINER_OF(io, struct check, io));
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    out_of_time(CONTAINER_OF(timer, struct check, deadline));
}

/* ---- start ----------------------------------------------------------------------------- */

/* Whether the router lacks a resource: this is not a result for the node. */
static bool is_our_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
           error == EADDRNOTAVAIL;
}

static bool wants_tls(const struct check *c)
{
    return c->target.tls && type_of(c) != CHECK_TYPE_HTTP;
}

/* Create a stream that owns a connecting socket. Returns null if out of memory. */
static struct stream *stream_over(const struct check *c, int fd, const struct address *local)
{
    uint8_t header[PROXY_V2_MAX];
    if (!wants_tls(c))
        return stream_tcp_new_connecting(fd);
    const struct tls_peer peer = {.name = c->target.conf->tls->server_name,
                                  .address = &c->target.endpoint->address};
    return stream_tls_connect(c->target.tls, fd, &peer, header,
                              check_proxy_header(&c->target, local, header));
}

/* Prepare the stream and the request. Returns false if out of memory. */
static bool prepare(struct check *c, int fd)
{
    /* connect() has chosen the local address */
    struct address local = {0};
    (void)socket_local_address(fd, &local); /* on failure, a placeholder is sent */
    c->stream = stream_over(c, fd, &local);
    if (!c->stream || !check_ask(&c->target, &local, &c->question))
        return false;
    c->unsent = span_of(buffer_bytes(&c->question), buffer_len(&c->question));
    ev_io_set(&c->io, fd, EV_WRITE);
    ev_io_start(c->loop, &c->io);
    return true;
}

static int dial(const struct check_target *target)
{
    const struct address *source = target->source;
    bool fits = source && source->sa.sa_family == target->endpoint->address.sa.sa_family;
    return socket_dial(target->endpoint, fits ? source : NULL);
}

struct check *check_start(struct ev_loop *loop, const struct check_target *target, check_done *done,
                          void *arg)
{
    double timeout_s = target->conf->health_check->timeout_ms / 1000.0;
    struct check *c = malloc(sizeof(*c));
    if (!c)
        return NULL;
    *c = (struct check){.loop = loop, .target = *target, .done = done, .arg = arg};
    ev_io_init(&c->io, on_io, -1, EV_WRITE);
    ev_timer_init(&c->deadline, on_deadline, timeout_s, 0.);
    int fd = dial(target);
    int dial_errno = errno;
    if (fd < 0 && is_our_shortage(dial_errno))
        goto give_up;
    if (fd < 0) {
        fail(c, "connect: %s", strerrordesc_np(dial_errno));
        ev_timer_set(&c->deadline, 0.,
                     0.); /* `done` is never called before this function returns */
    } else if (!prepare(c, fd)) {
        goto give_up;
    }
    ev_timer_start(loop, &c->deadline);
    return c;
give_up:
    release(c);
    return NULL;
}

void check_cancel(struct check *check)
{
    if (check)
        release(check);
}
