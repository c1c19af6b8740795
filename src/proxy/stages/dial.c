/*
 * dial.c - dial a node and send it the CONNECT; on failure, try the session's next candidate.
 *
 *    ROUTE --candidates--> DIAL --PROXY header + CONNECT in one send--> CONNACK
 *                          |  ^                                          |
 *                          +--+ refused, timed out, no turn:             |
 *                             ^ the key's next node, within placement_ms |
 *                             +------------------------------------------+ stage_dial_again()
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admit.h"
#include "base/clock.h"
#include "candidates.h"
#include "net/socket.h"
#include "net/tls/client.h"
#include "proxy/cluster_view.h"
#include "proxy/session/attempts.h"
#include "proxy/session/device.h"
#include "proxy/session/seat.h"
#include "proxy/session/worker_core.h"
#include "read_ahead.h"
#include "stages.h"
#include "wire/proxy/protocol.h"

#define SLOW_DIAL_US 20000u

/*
 * Wait before a busy home gets the CONNECT again: enough time for a broker to clean up a session.
 */
#define HOME_WAIT_MIN_MS 250u
#define HOME_WAIT_MAX_MS 500u

/* Result of a try. */
enum try_result {
    TRY_STARTED, /* the node is being dialled */
    TRY_FAILED,  /* another candidate may be tried */
    TRY_CLOSED   /* the session is closed */
};

static const struct cluster *cluster_of(const struct session *s)
{
    return s->arrival->cluster_view->cluster;
}

/*
 * Put the PROXY header in front of the CONNECT, so that one system call sends both. With TLS to the
 * node, each try instead sends the header before its handshake.
 */
static void put_proxy_header(struct session *s)
{
    uint8_t header[PROXY_V2_MAX];
    if (s->arrival->has_header || s->arrival->cluster_view->tls)
        return;
    buffer_prepend(&s->arrival->first, header, device_proxy_header(s, header));
    s->arrival->has_header = true;
}

/* Create the stream to the current candidate. Takes fd. Returns null if out of memory. */
static struct stream *node_stream_new(struct session *s, int fd)
{
    uint8_t header[PROXY_V2_MAX];
    if (!s->arrival->cluster_view->tls)
        return stream_tcp_new_connecting(fd);
    const struct tls_peer peer = {.name = cluster_of(s)->conf->tls->server_name,
                                  .address = &candidate_tried(s)->endpoint.address};
    return stream_tls_connect(s->arrival->cluster_view->tls, fd, &peer, header,
                              device_proxy_header(s, header));
}

static enum try_result closed(struct session *s, enum close_reason reason, const char *detail)
{
    session_close(s, reason, detail);
    return TRY_CLOSED;
}

/* Note that the dial has failed. Closes the session if no other candidate may be tried. */
static enum try_result try_failed(struct session *s, const char *why)
{
    counter_add(&s->w->counters.dial_failures, 1);
    attempts_note(s, ATTEMPT_UNREACHABLE);
    candidate_charge(s);
    char node_and_why[160];
    (void)snprintf(node_and_why, sizeof(node_and_why), "%s: %s", s->node->name, why);
    session_drop_node(s);
    if (!candidates_have_time(s))
        return closed(s, CLOSE_PLACEMENT_TIMEOUT, node_and_why);
    if (!candidates_left(s))
        return closed(s, CLOSE_NO_NODE, node_and_why);
    return TRY_FAILED;
}

/*
 * Return true if the router is short of a resource; dialling another node would fail the same way.
 */
static bool is_our_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
           error == EADDRNOTAVAIL;
}

/*
 * Return the cluster's next source address of the node's address family; null = the kernel chooses.
 */
static const struct address *next_source(struct session *s, const struct endpoint *to)
{
    const struct cluster *cluster = cluster_of(s);
    for (size_t i = 0; i < cluster->n_sources; i++) {
        const struct address *source =
            &cluster->sources[s->arrival->cluster_view->source_turn++ % cluster->n_sources];
        if (source->sa.sa_family == to->address.sa.sa_family)
            return source;
    }
    return NULL;
}

/* Dial from the next source address that has a port left. */
static int dial_from_any(struct session *s, const struct endpoint *to)
{
    size_t sources = cluster_of(s)->n_sources;
    int fd = -1;
    errno = 0;
    for (size_t i = 0; fd < 0 && i < size_max(sources, 1); i++) {
        fd = socket_dial(to, next_source(s, to));
        if (fd < 0 && errno != EADDRNOTAVAIL)
            break;
    }
    return fd;
}

/* Dial the current candidate. */
static enum try_result dial(struct session *s)
{
    int fd = dial_from_any(s, &candidate_tried(s)->endpoint);
    int dial_errno = errno;
    s->node_stream = fd >= 0 ? node_stream_new(s, fd) : NULL;
    if (s->node_stream) {
        session_set_deadline(s, session_try_limit_ms(s, s->w->snapshot->config->timeouts.dial_ms));
        session_watch_node(s, fd);
        s->up.write_wait = EV_WRITE;
        return TRY_STARTED;
    }
    if (fd >= 0)
        return closed(s, CLOSE_LOCAL_LIMIT, "out of memory");
    if (is_our_shortage(dial_errno))
        return closed(s, CLOSE_LOCAL_LIMIT, strerrordesc_np(dial_errno));
    return try_failed(s, strerrordesc_np(dial_errno));
}

/* Try candidates until one is dialled or must be waited for, or until the session is closed. */
static enum step dial_next(struct session *s)
{
    enum try_result result = TRY_FAILED;
    while (result == TRY_FAILED) {
        uint64_t wait_us = 0;
        struct refusal refusal = {CLOSE_NO_NODE, "no node is up"};
        if (!candidates_have_time(s)) /* the wait for a turn may have used it up */
            return session_close(s, CLOSE_PLACEMENT_TIMEOUT, NULL);
        if (!candidates_choose(s, &wait_us, &refusal))
            return session_close(s, refusal.reason, refusal.why);
        if (wait_us > 0) {
            session_set_deadline(s, (double)wait_us / 1000.0);
            return STEP_WAIT;
        }
        result = dial(s);
    }
    return result == TRY_CLOSED ? STEP_MOVED : STEP_WAIT;
}

/* Continue according to the result of a try. */
static enum step dial_on(struct session *s, enum try_result result)
{
    if (result == TRY_FAILED)
        return dial_next(s);
    return result == TRY_CLOSED ? STEP_MOVED : STEP_WAIT;
}

static bool was_connected(const struct session *s, const char *why)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof(peer);
    return getpeername(s->node_io.fd, (struct sockaddr *)&peer, &n) == 0 ||
           strstr(why, strerrordesc_np(ECONNRESET));
}

/*
 * Try the next candidate after a failed dial. If the TLS handshake failed, the cause can be a PROXY
 * header that the node did not expect, or did not get, so it is counted like a CONNECT without an
 * answer.
 */
static enum step retry(struct session *s, const char *why)
{
    if (s->arrival->cluster_view->tls && was_connected(s, why))
        node_live_note_unanswered(s->node);
    return dial_on(s, try_failed(s, why));
}

/* Return true if part of the CONNECT was sent; its content may then be the cause of the failure. */
static bool has_bytes(const struct session *s)
{
    return s->arrival->first_sent > 0;
}

/*
 * Handle a node that failed after it got part of the CONNECT. This is not a failed dial: a broker
 * may close as soon as it sees that a packet is too large.
 */
static enum step failed_midway(struct session *s, enum close_reason reason, const char *why)
{
    node_live_note_unanswered(s->node);
    s->arrival->unanswered |= (uint8_t)(1u << (s->tries - 1));
    attempts_note(s, attempts_outcome_of(reason));
    if (!candidates_may_replay(s))
        return session_close(s, reason, why);
    candidate_note_missed_home(s, OFF_HOME_REFUSED);
    session_drop_node(s);
    s->arrival->replayed = true;
    return dial_next(s);
}

/* Handle a try that failed before the node got the whole CONNECT. */
static enum step abandon(struct session *s, enum close_reason reason, const char *why)
{
    return has_bytes(s) ? failed_midway(s, reason, why) : retry(s, why);
}

/*
 * Check whether the client has left during the dial, when its stream is not watched. The CONNECT of
 * a client that has left must not reach a node: it would take over the session that the device may
 * have opened through another connection. If data followed the CONNECT, the end of the stream is
 * ignored: a client may send CONNECT, PUBLISH and DISCONNECT and close without waiting.
 *
 * Reads the stream, not the socket: with TLS the end is a close_notify, with WebSocket a close
 * frame. Reads until the second WANT_READ, because a stream may return the first one without a
 * system call. Checks only after a slow dial or a replay, because this costs system calls. Returns
 * false if out of memory.
 */
static bool look_for_end(struct session *s, bool *gone)
{
    *gone = false;
    if (!s->arrival->replayed && clock_monotonic_us() - s->entered_us < SLOW_DIAL_US)
        return true;
    for (int waits = 0; waits < 2 && read_ahead_is_allowed(s);) {
        enum stream_result r;
        if (!read_ahead_read(s, &r))
            return false;
        waits += r == STREAM_WANT_READ || r == STREAM_WANT_WRITE;
    }
    *gone = s->up.ended && s->up.bytes == s->arrival->connect.packet_n;
    return true;
}

/* Begin with the first candidate, unless the session waits for its turn. */
static enum step begin(struct session *s)
{
    if (s->counted) /* waits for its turn */
        return STEP_WAIT;
    put_proxy_header(s);
    return dial_next(s);
}

enum step stage_dial(struct session *s)
{
    if (!s->node_stream)
        return begin(s);
    if (!s->up.due)
        return STEP_WAIT;
    s->up.due = false;
    /* with plain TCP, the first write reports the connect() result, which saves a system call */
    enum stream_result r = s->arrival->cluster_view->tls ? stream_open(s->node_stream) : STREAM_OK;
    bool gone = false;
    if (r == STREAM_OK && s->arrival->first_sent == 0 && !look_for_end(s, &gone))
        return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    if (gone)
        return session_close(s, CLOSE_CLIENT_ERROR,
                             "the client closed the connection while a node was being dialled");
    while (r == STREAM_OK && s->arrival->first_sent < buffer_len(&s->arrival->first)) {
        size_t put = 0;
        r = stream_write(s->node_stream, buffer_bytes(&s->arrival->first) + s->arrival->first_sent,
                         buffer_len(&s->arrival->first) - s->arrival->first_sent, &put);
        s->arrival->first_sent += (uint32_t)put;
    }
    if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
        s->up.write_wait = flow_wait_mask(r);
        return STEP_WAIT;
    }
    if (r != STREAM_OK)
        return abandon(s, CLOSE_NODE_CLOSED_EARLY, stream_error(s->node_stream));
    if (!s->arrival->replayed)
        admit_placed(s);
    session_goto(s, SESSION_CONNACK);
    s->up.due = true;
    s->down.due = s->arrival->cluster_view->tls; /* only TLS may already have buffered the answer */
    s->down.read_wait = EV_READ;
    return STEP_MOVED;
}

/* Dial a busy home again after the wait; if it is paced, the session also needs a turn. */
static enum step dial_home_again(struct session *s)
{
    const uint64_t wait_us = candidate_take_turn(s);
    s->arrival->waits_for_busy_home = false; /* the next wait is for the turn */
    if (wait_us == PLACEMENT_NO_TURN) {
        candidate_note_missed_home(s, OFF_HOME_OVERFLOW);
        session_drop_node(s);
        return dial_next(s);
    }
    if (wait_us > 0) {
        session_set_deadline(s, (double)wait_us / 1000.0);
        return STEP_WAIT;
    }
    return dial_on(s, dial(s));
}

enum step stage_dial_timed_out(struct session *s)
{
    /* the next stage to run handles the new try, or the end */
    if (s->node_stream && has_bytes(s))
        return failed_midway(s, CLOSE_CONNACK_TIMEOUT, "the node did not read the CONNECT");
    if (s->node_stream)
        return retry(s, "timed out");
    if (!candidate_is_open(s)) {
        session_drop_node(s);
        return dial_next(s);
    }
    if (s->arrival->waits_for_busy_home)
        return dial_home_again(s);
    return dial_on(s, dial(s)); /* the wait for its turn is over */
}

/* ---- from CONNACK back to DIAL ---- */

/* Leave CONNACK for the next try. */
static void go_back_to_dial(struct session *s)
{
    buffer_release(&s->arrival->answer);
    session_goto(s, SESSION_DIAL);
    session_drop_node(s);
    s->up.read_wait = 0; /* do not read the client while dialling */
    s->up.due = s->down.due = false;
    s->arrival->replayed = true;
}

enum step stage_dial_again(struct session *s, enum close_reason reason, const char *why)
{
    char node_and_why[160];
    attempts_note(s, attempts_outcome_of(reason));
    (void)snprintf(node_and_why, sizeof(node_and_why), "%s%s%s", s->node->name, why ? ": " : "",
                   why ? why : "");
    if (!candidates_may_replay(s)) {
        if (reason == CLOSE_CONNACK_TIMEOUT && !s->up.ended && candidate_is_only_try(s))
            candidate_charge(s);
        return session_close(s, reason, s->tries > 1 || why ? node_and_why : NULL);
    }
    candidate_note_missed_home(s, OFF_HOME_REFUSED);
    go_back_to_dial(s);
    return STEP_MOVED;
}

bool stage_dial_again_at_home(struct session *s)
{
    struct arrival *a = s->arrival;
    const uint32_t wait_ms =
        HOME_WAIT_MIN_MS + arc4random_uniform(HOME_WAIT_MAX_MS - HOME_WAIT_MIN_MS + 1);
    if (a->tried_home_twice || !candidate_is_home(s) || !candidate_is_busy_briefly(s) ||
        node_live_status(s->node) != NODE_UP || candidates_time_left_ms(s) <= wait_ms)
        return false;
    struct node_live *home = candidate_tried(s)->live;
    attempts_note(s, ATTEMPT_REFUSED);
    go_back_to_dial(s);
    seat_take(s, home); /* counted there, so that it is moved if the home goes down */
    a->tried_home_twice = a->waits_for_busy_home = true;
    session_set_deadline(s, wait_ms);
    return true;
}

void stage_dial_node_lost(struct session *s)
{
    assert(s->counted);
    if (s->arrival->answer.mem)
        return; /* the node has begun to answer; let it finish */
    if (s->state == SESSION_CONNACK)
        (void)stage_dial_again(s, CLOSE_NODE_CLOSED_EARLY, "down");
    else if (s->node_stream)
        (void)abandon(s, CLOSE_NODE_CLOSED_EARLY, "down");
    else {
        session_drop_node(s);
        (void)dial_next(s);
    }
}
