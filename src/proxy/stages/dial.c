/*
 * dial.c - find the session a node among its candidates: dial, try the next one.
 *
 *    ROUTE --candidates--> DIAL --PROXY header + CONNECT in one send--> CONNACK
 *                          |  ^                                          |
 *                          +--+ refused, timed out, no turn:             |
 *                             ^ the key's next node, within placement_ms |
 *                             +------------------------------------------+ place_again()
 *
 * A node that takes a CONNECT and closes, or stays silent, need not be at fault: a device must not
 * be able to eject nodes with packets that brokers choke on, and a healthy EMQX node holds a
 * CONNECT while it waits for a lock over its cluster. So such a failure counts against its node
 * only if another node answers the same CONNECT as a healthy node would (place_prove()). Silence
 * also counts if the configuration lets no other node be tried.
 */
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admit.h"
#include "base/clock.h"
#include "net/socket.h"
#include "net/tls/client.h"
#include "proxy/cluster_view.h"
#include "proxy/listener.h"
#include "proxy/session/attempts.h"
#include "proxy/session/device.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "read_ahead.h"
#include "wire/proxy/protocol.h"

#define SLOW_DIAL_US 20000u

/* Wait before a busy home gets a CONNECT again: long enough for a broker to clean up a session. */
#define HOME_WAIT_MIN_MS 250u
#define HOME_WAIT_MAX_MS 500u

/* A node that has accepted nobody for this long, and refused more than this many, refuses all. */
#define ACCEPTED_LATELY_US 5000000u
#define REFUSED_IN_A_ROW   4u

static const struct cluster *cluster_of(const struct session *s)
{
    return s->arrival->cluster_view->cluster;
}

/* ---- a node's count of sessions ---- */

static void count_in(struct session *s, struct node_live *live)
{
    assert(!s->counted);
    node_live_ref(live);
    node_live_unref(s->node);
    s->node = live;
    s->counted = true;
    atomic_fetch_add_explicit(&live->sessions, 1, memory_order_relaxed);
    list_append(&live->seats[s->w->index].waiting, &s->seat_link);
}

void dial_uncount(struct session *s)
{
    if (!s->counted)
        return;
    s->counted = false;
    list_remove(&s->seat_link);
    atomic_fetch_sub_explicit(&s->node->sessions, 1, memory_order_relaxed);
    if (s->state == SESSION_RELAY)
        atomic_fetch_sub_explicit(s->seated_clean ? &s->node->clean : &s->node->kept, 1,
                                  memory_order_relaxed);
    away_forget(s);
}

void dial_abandon(struct session *s)
{
    if (s->node_stream) {
        ev_io_stop(s->w->loop, &s->node_io);
        stream_free(s->node_stream);
        s->node_stream = NULL;
    }
    dial_uncount(s);
    s->up.write_wait = s->down.read_wait = 0;
    if (s->arrival) {
        s->arrival->first_sent = 0;
        s->arrival->waits_for_busy_home = false;
    }
}

/* ---- which node, and why ---- */

static const struct node *candidate(const struct session *s, unsigned i)
{
    return &cluster_of(s)->nodes[s->arrival->placement.candidates[i]];
}

/* The candidate being tried. */
static const struct node *trying(const struct session *s)
{
    assert(s->tries > 0);
    return candidate(s, s->tries - 1u);
}

static bool tries_home(const struct session *s)
{
    return s->arrival->placement.has_home &&
           s->arrival->placement.candidates[s->tries - 1] == s->arrival->placement.home;
}

/* The session is not placed on the node being tried: if that is its home, note the cause. */
static void note_missed_home(struct session *s, enum away_cause cause)
{
    if (tries_home(s))
        s->arrival->away_cause =
            (uint8_t)(node_live_status(trying(s)->live) == NODE_UP ? cause : AWAY_OUT);
}

static enum placement_kind kind_of(const struct session *s)
{
    if (s->arrival->replayed)
        return PLACEMENT_REPLAY;
    if (!s->arrival->placement.has_home)
        return PLACEMENT_SPREAD;
    if (tries_home(s))
        return PLACEMENT_HOME;
    return s->arrival->placement.overflow ? PLACEMENT_OVERFLOW : PLACEMENT_FALLBACK;
}

/* Whether candidate i still takes new sessions. A paused one only if it was chosen as paused. */
static bool is_open(const struct session *s, unsigned i)
{
    const struct placement *placement = &s->arrival->placement;
    const enum node_status status = node_live_status(candidate(s, i)->live);
    return status == NODE_UP || (status == NODE_PAUSED && i + placement->n_paused >= placement->n);
}

static bool is_full(const struct node *n)
{
    return n->max_connections > 0 && NODE_LIVE_READ(n->live->sessions) >= n->max_connections;
}

/* Is there a candidate left? Much may have changed since they were chosen. */
static bool has_candidate(const struct session *s)
{
    for (uint8_t i = s->tries; i < s->arrival->placement.n; i++)
        if (is_open(s, i) && !is_full(candidate(s, i)))
            return true;
    return false;
}

/* What is left of timeouts.placement_ms. */
static uint32_t time_left_ms(const struct session *s)
{
    const uint32_t limit_ms = s->w->snapshot->config->timeouts.placement_ms;
    const uint64_t used_ms = session_placing_ms(s);
    return used_ms < limit_ms ? limit_ms - (uint32_t)used_ms : 0;
}

static bool has_time(const struct session *s)
{
    return time_left_ms(s) > 0;
}

static void charge(const struct session *s, const struct node *n)
{
    const struct worker_shared *shared = s->w->shared;
    atomic_fetch_add_explicit(&n->live->failures, 1, memory_order_relaxed);
    shared->failing(shared->arg);
}

void place_prove(struct session *s)
{
    const unsigned unanswered = s->arrival->unanswered;
    for (unsigned i = 0; unanswered >> i; i++)
        if (unanswered >> i & 1u)
            charge(s, candidate(s, i));
    s->arrival->unanswered = 0;
}

/*
 * Whether the configuration prevents a second try after a silent node. Then no other node can prove
 * that this one is at fault, so its silence counts.
 */
static bool can_never_be_disproved(const struct session *s)
{
    const struct timeouts_conf *timeouts = &s->w->snapshot->config->timeouts;
    return !cluster_of(s)->conf->replay || timeouts->connack_ms >= timeouts->placement_ms;
}

/* ---- DIAL ---- */

/*
 * Put the PROXY header in front of the CONNECT, so that both leave in one send. Not when TLS
 * stands between the two: then it goes ahead of the handshake, each time anew.
 */
static void put_proxy_header(struct session *s)
{
    uint8_t header[PROXY_V2_MAX];
    if (s->arrival->header_put || s->arrival->cluster_view->tls)
        return;
    buffer_prepend(&s->arrival->first, header, proxied_compose(s, header));
    s->arrival->header_put = true;
}

/* The stream to the node being tried; takes the descriptor. Null when memory is short. */
static struct stream *node_stream_new(struct session *s, int fd)
{
    uint8_t header[PROXY_V2_MAX];
    if (!s->arrival->cluster_view->tls)
        return stream_tcp_new_connecting(fd);
    const struct tls_peer peer = {.name = cluster_of(s)->conf->tls->server_name,
                                  .address = &trying(s)->endpoint.address};
    return stream_tls_connect(s->arrival->cluster_view->tls, fd, &peer, header,
                              proxied_compose(s, header));
}

/* Close for want of a node, unless another candidate may be tried: then WAIT. */
static enum step try_failed(struct session *s, const char *why)
{
    counter_add(&s->w->counters.dial_failures, 1);
    tried_note(s, TRY_UNREACHABLE);
    charge(s, trying(s));
    char node_and_why[160];
    (void)snprintf(node_and_why, sizeof(node_and_why), "%s: %s", s->node->name, why);
    dial_abandon(s);
    if (!has_time(s))
        return session_close(s, CLOSE_PLACEMENT_TIMEOUT, node_and_why);
    if (!has_candidate(s))
        return session_close(s, CLOSE_NO_NODE, node_and_why);
    return WAIT;
}

/* Descriptors, memory, local ports: another node would meet the same. */
static bool is_our_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
           error == EADDRNOTAVAIL;
}

/* The cluster's next source address of the node's family; null = the kernel's choice. */
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

/* Dial from one source address after the other while they have no port left. */
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

/* Dial the node that was chosen. WAIT when it is on its way; MOVED when the session is closed. */
static enum step dial(struct session *s)
{
    int fd = dial_from_any(s, &trying(s)->endpoint);
    int dial_errno = errno;
    s->node_stream = fd >= 0 ? node_stream_new(s, fd) : NULL;
    if (s->node_stream) {
        session_set_deadline(s, session_try_limit_ms(s, s->w->snapshot->config->timeouts.dial_ms));
        session_watch_node(s, fd);
        s->up.write_wait = EV_WRITE;
        return WAIT;
    }
    if (fd >= 0)
        return session_close(s, CLOSE_LOCAL_LIMIT, "out of memory");
    if (is_our_shortage(dial_errno))
        return session_close(s, CLOSE_LOCAL_LIMIT, strerrordesc_np(dial_errno));
    return try_failed(s, strerrordesc_np(dial_errno)) == MOVED ? MOVED : YIELD;
}

/* How long the session has to wait for its turn at a paced node; PLACEMENT_NO_TURN: too long. */
static uint64_t take_turn(const struct node *n, uint32_t queue_ms)
{
    _Atomic uint64_t *next = &n->live->next_turn_us;
    uint64_t seen_us = atomic_load_explicit(next, memory_order_relaxed);
    for (;;) {
        uint64_t next_us = seen_us;
        uint64_t wait_us =
            placement_take_turn(&next_us, clock_monotonic_us(), n->max_connects_per_s, queue_ms);
        if (wait_us == PLACEMENT_NO_TURN ||
            atomic_compare_exchange_weak_explicit(next, &seen_us, next_us, memory_order_relaxed,
                                                  memory_order_relaxed))
            return wait_us;
    }
}

/* The longest a session may wait for its turn at a paced node. */
static uint32_t queue_ms_of(const struct session *s)
{
    const uint32_t queue_ms = cluster_of(s)->conf->node_defaults.connect_queue_ms,
                   left_ms = time_left_ms(s);
    return left_ms < queue_ms ? left_ms : queue_ms;
}

/* What stood between a session and its last candidates. */
struct refusal {
    enum close_reason reason;
    const char *why;
};

/* Take the next candidate that is up, has room, and has a turn in time. False: there is none. */
static bool choose(struct session *s, uint64_t *wait_us, struct refusal *refusal)
{
    const uint32_t queue_ms = queue_ms_of(s);
    const bool is_short = queue_ms < cluster_of(s)->conf->node_defaults.connect_queue_ms;
    while (s->tries < s->arrival->placement.n) {
        s->tries++;
        const struct node *n = trying(s);
        if (!is_open(s, s->tries - 1u))
            continue;
        if (is_full(n)) {
            *refusal = (struct refusal){CLOSE_NODES_FULL, "max_connections"};
            note_missed_home(s, AWAY_OVERFLOW);
            continue;
        }
        *wait_us = n->max_connects_per_s ? take_turn(n, queue_ms) : 0;
        if (*wait_us != PLACEMENT_NO_TURN) {
            s->kind = kind_of(s);
            count_in(s, n->live);
            return true;
        }
        *refusal = (struct refusal){is_short ? CLOSE_PLACEMENT_TIMEOUT : CLOSE_NODES_FULL,
                                    "max_connects_per_s"};
        s->arrival->placement.overflow = true;
        note_missed_home(s, AWAY_OVERFLOW);
    }
    return false;
}

/* WAIT when a node is being dialled or waited for, MOVED when the session was closed. */
static enum step dial_next(struct session *s)
{
    enum step step = YIELD;
    while (step == YIELD) {
        uint64_t wait_us = 0;
        struct refusal refusal = {CLOSE_NO_NODE, "no node is up"};
        if (!has_time(s)) /* it may have been used up by the wait for a turn */
            return session_close(s, CLOSE_PLACEMENT_TIMEOUT, NULL);
        if (!choose(s, &wait_us, &refusal))
            return session_close(s, refusal.reason, refusal.why);
        if (wait_us > 0) {
            session_set_deadline(s, (double)wait_us / 1000.0);
            return WAIT;
        }
        step = dial(s);
    }
    return step;
}

static bool was_connected(const struct session *s, const char *why)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof(peer);
    return getpeername(s->node_io.fd, (struct sockaddr *)&peer, &n) == 0 ||
           strstr(why, strerrordesc_np(ECONNRESET));
}

/*
 * The dial has failed. When it was the TLS handshake, the node may have met, or missed, a PROXY
 * header in front of it: to the operator that is a CONNECT without an answer.
 */
static enum step retry(struct session *s, const char *why)
{
    if (s->arrival->cluster_view->tls && was_connected(s, why))
        node_live_note_unanswered(s->node);
    return try_failed(s, why) == MOVED ? MOVED : dial_next(s);
}

/* Has the node taken a part of the CONNECT? It may have failed for what that says. */
static bool has_bytes(const struct session *s)
{
    return s->arrival->first_sent > 0;
}

/*
 * The node failed before it had the whole CONNECT. A broker may have
 * closed on the beginning of a packet that is too large for it: that is no failed dial.
 */
static enum step failed_midway(struct session *s, enum close_reason reason, const char *why)
{
    node_live_note_unanswered(s->node);
    s->arrival->unanswered |= (uint8_t)(1u << (s->tries - 1));
    tried_note(s, tried_outcome(reason));
    if (!place_may_go_on(s))
        return session_close(s, reason, why);
    note_missed_home(s, AWAY_REFUSED);
    dial_abandon(s);
    s->arrival->replayed = true;
    return dial_next(s);
}

/*
 * Has the client left while we dialled? Its stream is not watched meanwhile, but the CONNECT of a
 * client that is gone must not reach a node, where it would take over the session that the device
 * may have made elsewhere by now. An end alone does not mean that it has gone when something
 * follows the CONNECT: CONNECT, PUBLISH, DISCONNECT and the end in one go is legal.
 *
 * The stream is read, not the socket: behind TLS the end is a close_notify, behind WebSocket a
 * close frame. Twice, since a stream may return its first WANT_READ without asking the kernel; and
 * only after a slow dial, since it costs system calls. False when memory is short.
 */
static bool look_for_end(struct session *s, bool *gone)
{
    *gone = false;
    if (!s->arrival->replayed && clock_monotonic_us() - s->entered_us < SLOW_DIAL_US)
        return true;
    for (int waits = 0; waits < 2 && pipelined_may_read(s);) {
        enum stream_result r;
        if (!pipelined_read(s, &r))
            return false;
        waits += r == STREAM_WANT_READ || r == STREAM_WANT_WRITE;
    }
    *gone = s->up.ended && s->up.bytes == s->arrival->connect.packet_n;
    return true;
}

/* Begin the try that was chosen, or choose one. */
static enum step begin(struct session *s)
{
    if (s->counted) /* it waits for its turn */
        return WAIT;
    put_proxy_header(s);
    return dial_next(s);
}

enum step stage_dial(struct session *s)
{
    if (!s->node_stream)
        return begin(s);
    if (!s->up.due)
        return WAIT;
    s->up.due = false;
    /* of plain TCP the first write tells as well, and costs no system call more */
    enum stream_result r = s->arrival->cluster_view->tls ? stream_open(s->node_stream) : STREAM_OK;
    bool gone = false;
    if (r == STREAM_OK && s->arrival->first_sent == 0 && !look_for_end(s, &gone))
        return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    if (gone)
        return session_close(s, CLOSE_CLIENT_ERROR, "left while a node was dialled");
    while (r == STREAM_OK && s->arrival->first_sent < buffer_len(&s->arrival->first)) {
        size_t put = 0;
        r = stream_write(s->node_stream, buffer_bytes(&s->arrival->first) + s->arrival->first_sent,
                         buffer_len(&s->arrival->first) - s->arrival->first_sent, &put);
        s->arrival->first_sent += (uint32_t)put;
    }
    if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
        s->up.write_wait = flow_wait_mask(r);
        return WAIT;
    }
    if (r != STREAM_OK)
        return has_bytes(s)
                   ? failed_midway(s, CLOSE_NODE_CLOSED_EARLY, stream_error(s->node_stream))
                   : retry(s, stream_error(s->node_stream));
    if (!s->arrival->replayed)
        admit_placed(s);
    session_goto(s, SESSION_CONNACK);
    s->up.due = true;
    s->down.due = s->arrival->cluster_view
                      ->tls; /* a record may hold the answer; else it cannot be here yet */
    s->down.read_wait = EV_READ;
    return MOVED;
}

/* The wait for a busy home is over; a paced one also has to have a turn. */
static enum step dial_home_again(struct session *s)
{
    const struct node *home = trying(s);
    const uint64_t wait_us = home->max_connects_per_s ? take_turn(home, queue_ms_of(s)) : 0;
    s->arrival->waits_for_busy_home = false; /* it may wait again, for its turn */
    if (wait_us == PLACEMENT_NO_TURN) {
        note_missed_home(s, AWAY_OVERFLOW);
        dial_abandon(s);
        return dial_next(s);
    }
    if (wait_us > 0) {
        session_set_deadline(s, (double)wait_us / 1000.0);
        return WAIT;
    }
    const enum step step = dial(s);
    return step == YIELD ? dial_next(s) : step;
}

enum step stage_dial_timed_out(struct session *s)
{
    /* the stage that runs next sees the new try, or the farewell */
    if (s->node_stream)
        return has_bytes(s) ? failed_midway(s, CLOSE_CONNACK_TIMEOUT, "took no CONNECT")
                            : retry(s, "timed out");
    if (!is_open(s, s->tries - 1u)) {
        dial_abandon(s);
        return dial_next(s);
    }
    if (s->arrival->waits_for_busy_home)
        return dial_home_again(s);
    enum step step = dial(s); /* its turn has come */
    return step == YIELD ? dial_next(s) : step;
}

/* ---- the way back from CONNACK ---- */

bool place_may_go_on(const struct session *s)
{
    return cluster_of(s)->conf->replay && !s->up.ended && has_candidate(s) && has_time(s);
}

/* Leave CONNACK for the next try. */
static void go_back_to_dial(struct session *s)
{
    buffer_release(&s->arrival->answer);
    session_goto(s, SESSION_DIAL);
    dial_abandon(s);
    s->up.read_wait = 0; /* its further bytes are not due while we dial */
    s->up.due = s->down.due = false;
    s->arrival->replayed = true;
}

enum step place_again(struct session *s, enum close_reason reason, const char *why)
{
    char node_and_why[160];
    tried_note(s, tried_outcome(reason));
    (void)snprintf(node_and_why, sizeof(node_and_why), "%s%s%s", s->node->name, why ? ": " : "",
                   why ? why : "");
    if (!place_may_go_on(s)) {
        if (reason == CLOSE_CONNACK_TIMEOUT && !s->up.ended && can_never_be_disproved(s))
            charge(s, trying(s));
        return session_close(s, reason, s->tries > 1 || why ? node_and_why : NULL);
    }
    note_missed_home(s, AWAY_REFUSED);
    go_back_to_dial(s);
    return MOVED;
}

/* Whether the node seems to refuse only this session, judged by its answers to others. */
static bool accepts_others(const struct session *s)
{
    const uint64_t accepted_us = NODE_LIVE_READ(s->node->accepted_us);
    return accepted_us > 0 && (NODE_LIVE_READ(s->node->refused) <= REFUSED_IN_A_ROW ||
                               clock_monotonic_us() < accepted_us + ACCEPTED_LATELY_US);
}

static bool is_busy_for_a_moment(const struct session *s)
{
    return s->arrival->connect.version == 5 ? s->connack.code == 0x89
                                            : s->connack.code == 3 && accepts_others(s);
}

void place_note_answer(struct session *s)
{
    struct node_live *live = s->node;
    if (s->connack.code == 0) {
        atomic_store_explicit(&live->accepted_us, s->entered_us, memory_order_relaxed);
        if (NODE_LIVE_READ(live->refused) > 0)
            atomic_store_explicit(&live->refused, 0, memory_order_relaxed);
    } else if (s->mqtt_version != 5 && s->connack.code == 3) {
        atomic_fetch_add_explicit(&live->refused, 1, memory_order_relaxed);
    }
}

bool place_again_at_home(struct session *s)
{
    struct arrival *a = s->arrival;
    const uint32_t wait_ms =
        HOME_WAIT_MIN_MS + arc4random_uniform(HOME_WAIT_MAX_MS - HOME_WAIT_MIN_MS + 1);
    if (a->tried_home_twice || !tries_home(s) || !is_busy_for_a_moment(s) ||
        node_live_status(s->node) != NODE_UP || time_left_ms(s) <= wait_ms)
        return false;
    struct node_live *home = candidate(s, s->tries - 1u)->live;
    tried_note(s, TRY_REFUSED);
    go_back_to_dial(s);
    count_in(s, home); /* it keeps its slot there, and is notified if the node goes down */
    a->tried_home_twice = a->waits_for_busy_home = true;
    session_set_deadline(s, wait_ms);
    return true;
}

void session_node_lost(struct session *s)
{
    assert(s->counted);
    if (s->arrival->answer.mem)
        return; /* it has begun to speak: let it end */
    if (s->state == SESSION_CONNACK)
        (void)place_again(s, CLOSE_NODE_CLOSED_EARLY, "down");
    else if (s->node_stream)
        (void)(has_bytes(s) ? failed_midway(s, CLOSE_NODE_CLOSED_EARLY, "down") : retry(s, "down"));
    else {
        dial_abandon(s);
        (void)dial_next(s);
    }
    session_run(s);
}

/* ---- relayed ---- */

/* Will the broker forget the session when its connection ends? */
static bool is_clean(const struct mqtt_connect *connect)
{
    return connect->version == 5 ? connect->session_expiry_s == 0 : connect->clean_start;
}

void place_settle(struct session *s)
{
    struct node_seat *seat = &s->node->seats[s->w->index];
    assert(s->state == SESSION_RELAY && s->counted);
    node_live_note_answer(s->node);
    s->seated_clean = is_clean(&s->arrival->connect);
    list_remove(&s->seat_link);
    list_append(s->seated_clean ? &seat->clean : &seat->kept, &s->seat_link);
    atomic_fetch_add_explicit(s->seated_clean ? &s->node->clean : &s->node->kept, 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&s->node->placed[s->kind], 1, memory_order_relaxed);
    away_note(s);
    const struct cluster_view *now = worker_cluster_view_of(s->w, s->node->cluster);
    if (now && now != s->arrival->cluster_view) /* the nodes have changed since it was placed */
        away_recount(s, now);
}
