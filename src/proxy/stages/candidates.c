/*
 * candidates.c - choose the next node to try, and judge nodes by their answers.
 *
 * A node that accepts a CONNECT and then closes, or does not answer, is not necessarily at fault: a
 * device must not be able to eject nodes by sending packets that brokers fail on, and a healthy
 * EMQX node delays a CONNECT while it waits for a cluster-wide lock. So such a failure is charged
 * to the node only if another node answers the same CONNECT as a healthy node would
 * (candidates_prove()). A missing answer is also charged if the configuration allows no second try.
 */
#include "candidates.h"

#include <assert.h>

#include "base/clock.h"
#include "proxy/cluster_view.h"
#include "proxy/session/seat.h"
#include "proxy/session/session.h"
#include "proxy/session/worker_core.h"

/*
 * If a node has accepted no CONNECT for this long, and refused more than this many, it refuses all.
 */
#define ACCEPTED_LATELY_US 5000000u
#define REFUSED_IN_A_ROW   4u

/* ---- the candidates of a session ---- */

static const struct cluster *cluster_of(const struct session *s)
{
    return s->arrival->cluster_view->cluster;
}

static const struct node *candidate(const struct session *s, unsigned i)
{
    return &cluster_of(s)->nodes[s->arrival->placement.candidates[i]];
}

const struct node *candidate_tried(const struct session *s)
{
    assert(s->tries > 0);
    return candidate(s, s->tries - 1u);
}

bool candidate_is_home(const struct session *s)
{
    return s->arrival->placement.has_home &&
           s->arrival->placement.candidates[s->tries - 1] == s->arrival->placement.home;
}

void candidate_note_missed_home(struct session *s, enum off_home_cause cause)
{
    if (candidate_is_home(s))
        s->arrival->off_home_cause =
            (uint8_t)(node_live_status(candidate_tried(s)->live) == NODE_UP ? cause
                                                                            : OFF_HOME_DOWN);
}

static enum placement_kind kind_of(const struct session *s)
{
    if (s->arrival->replayed)
        return PLACEMENT_REPLAY;
    if (!s->arrival->placement.has_home)
        return PLACEMENT_SPREAD;
    if (candidate_is_home(s))
        return PLACEMENT_HOME;
    return s->arrival->placement.overflow ? PLACEMENT_OVERFLOW : PLACEMENT_FALLBACK;
}

/*
 * Return true if candidate i still accepts sessions. A paused node must have been chosen as paused.
 */
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

bool candidates_left(const struct session *s)
{
    for (uint8_t i = s->tries; i < s->arrival->placement.n; i++)
        if (is_open(s, i) && !is_full(candidate(s, i)))
            return true;
    return false;
}

uint32_t candidates_time_left_ms(const struct session *s)
{
    const uint32_t limit_ms = s->w->snapshot->config->timeouts.placement_ms;
    const uint64_t used_ms = session_placing_ms(s);
    return used_ms < limit_ms ? limit_ms - (uint32_t)used_ms : 0;
}

bool candidates_have_time(const struct session *s)
{
    return candidates_time_left_ms(s) > 0;
}

static void charge(const struct session *s, const struct node *n)
{
    const struct worker_shared *shared = s->w->shared;
    atomic_fetch_add_explicit(&n->live->failures, 1, memory_order_relaxed);
    shared->failing(shared->arg);
}

void candidate_charge(const struct session *s)
{
    charge(s, candidate_tried(s));
}

bool candidate_is_open(const struct session *s)
{
    return is_open(s, s->tries - 1u);
}

void candidates_prove(struct session *s)
{
    const unsigned unanswered = s->arrival->unanswered;
    for (unsigned i = 0; unanswered >> i; i++)
        if (unanswered >> i & 1u)
            charge(s, candidate(s, i));
    s->arrival->unanswered = 0;
}

bool candidate_is_only_try(const struct session *s)
{
    const struct timeouts_conf *timeouts = &s->w->snapshot->config->timeouts;
    return !cluster_of(s)->conf->replay || timeouts->connack_ms >= timeouts->placement_ms;
}

/* ---- the next candidate ---- */

/* Return the wait for a turn at a paced node, in microseconds; PLACEMENT_NO_TURN = too long. */
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

/* Return how long the session may wait for its turn at a paced node, in milliseconds. */
static uint32_t queue_ms_of(const struct session *s)
{
    const uint32_t queue_ms = cluster_of(s)->conf->node_defaults.connect_queue_ms,
                   left_ms = candidates_time_left_ms(s);
    return left_ms < queue_ms ? left_ms : queue_ms;
}

bool candidates_choose(struct session *s, uint64_t *wait_us, struct refusal *refusal)
{
    const uint32_t queue_ms = queue_ms_of(s);
    const bool is_short = queue_ms < cluster_of(s)->conf->node_defaults.connect_queue_ms;
    while (s->tries < s->arrival->placement.n) {
        s->tries++;
        const struct node *n = candidate_tried(s);
        if (!is_open(s, s->tries - 1u))
            continue;
        if (is_full(n)) {
            *refusal = (struct refusal){CLOSE_NODES_FULL, "max_connections"};
            candidate_note_missed_home(s, OFF_HOME_OVERFLOW);
            continue;
        }
        *wait_us = n->max_connects_per_s ? take_turn(n, queue_ms) : 0;
        if (*wait_us != PLACEMENT_NO_TURN) {
            s->kind = kind_of(s);
            seat_take(s, n->live);
            return true;
        }
        *refusal = (struct refusal){is_short ? CLOSE_PLACEMENT_TIMEOUT : CLOSE_NODES_FULL,
                                    "max_connects_per_s"};
        s->arrival->placement.overflow = true;
        candidate_note_missed_home(s, OFF_HOME_OVERFLOW);
    }
    return false;
}

uint64_t candidate_take_turn(const struct session *s)
{
    const struct node *n = candidate_tried(s);
    return n->max_connects_per_s ? take_turn(n, queue_ms_of(s)) : 0;
}

/* ---- answers ---- */

/* Return true if the node's answers to other sessions show that it refuses only this one. */
static bool accepts_others(const struct session *s)
{
    const uint64_t accepted_us = NODE_LIVE_READ(s->node->accepted_us);
    return accepted_us > 0 && (NODE_LIVE_READ(s->node->refused) <= REFUSED_IN_A_ROW ||
                               clock_monotonic_us() < accepted_us + ACCEPTED_LATELY_US);
}

bool candidate_is_busy_briefly(const struct session *s)
{
    return s->arrival->connect.version == 5 ? s->connack.code == 0x89
                                            : s->connack.code == 3 && accepts_others(s);
}

void candidate_note_answer(struct session *s)
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

bool candidates_may_replay(const struct session *s)
{
    return cluster_of(s)->conf->replay && !s->up.ended && candidates_left(s) &&
           candidates_have_time(s);
}
