/*
 * evictor.c - close sessions at a limited rate: drains, failed nodes, homecoming.
 *
 * A job closes the sessions of one node. At each tick, a job gets the credit that its rate allows,
 * and stores it in the node's record. Credit that the workers did not use is withdrawn first, so
 * that it cannot accumulate to a burst.
 */
#include "evictor.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define TICK_S      0.05
#define TICK_JITTER 0.2  /* fraction of a tick, plus or minus */
#define TICK_MAX_S  0.06 /* longest tick; elapsed time beyond it is ignored */
#define IDLE_TICK_S 1.0  /* tick if no session has to be closed now */

/* What the evictor does with a node's sessions. */
enum job { JOB_NONE, JOB_DRAIN, JOB_DOWN, JOB_HOME };

/* Log events, indexed by enum job. */
static const struct {
    const char *begun, *ended;
} event_names[] = {
    [JOB_DRAIN] = {"node.draining", "node.drained"},
    [JOB_DOWN] = {"node.closing", "node.closed"},
    [JOB_HOME] = {"node.homecoming", "node.home"},
};

/* A node and its job. */
struct target {
    const struct cluster *cluster; /* in the evictor's snapshot */
    const struct node *node;       /* in that cluster */
    struct node_live *live;        /* a reference */
    enum job job;
    enum node_status status; /* at the last tick */
    uint64_t up_at_us;       /* start of the current time without a failure; 0 = not up */
    uint64_t failures;       /* at the last tick */
    uint64_t begun_us;       /* start of the job */
    uint32_t begun_with;     /* sessions to close when the job started */
    double due;              /* fraction of a session, left from earlier ticks */
    bool ended;              /* the job has no session left, and its end was logged */
    bool held;               /* the job waits until a node accepts its sessions */
    uint32_t drain_rate_per_s, drain_deadline_ms; /* set by an operator; 0 = as configured */
    uint32_t home_rate_per_s;                     /* rate of an operator's homecoming; 0 = none */
    bool home_recounts;   /* home_left is not final, because workers are still counting */
    uint32_t home_left;   /* sessions that an operator's homecoming may still close */
    uint32_t home_credit; /* credit that the last tick handed out for homecoming */
};

struct evictor {
    const struct node_registry *registry;
    struct ev_loop *loop;
    struct log *log;
    void (*wake)(void *arg);
    void *arg;
    struct ev_timer tick;
    bool idle; /* the tick is IDLE_TICK_S */
    uint64_t ticked_us;
    struct snapshot *snapshot; /* a reference; null before the first evictor_take() */
    struct target *targets;
    size_t n;
};

static uint32_t target_sessions(const struct target *target)
{
    return NODE_LIVE_READ(target->live->clean) + NODE_LIVE_READ(target->live->kept);
}

/*
 * Whether a homecoming may close sessions that are off-home for this cause. An operator's
 * homecoming closes all of them; a configured one closes only those that are likely to stay at
 * their home.
 */
static bool may_come_home(const struct target *target, enum off_home_cause cause)
{
    const struct homecoming_conf *conf = target->cluster->conf->homecoming;
    return target->home_rate_per_s > 0 ||
           (conf && (cause == OFF_HOME_DOWN || (cause == OFF_HOME_MOVED && conf->after_scale_out)));
}

/* Number of sessions that the homecoming still has to close. */
static uint32_t target_off_home(const struct target *target)
{
    uint32_t n = 0;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
        if (may_come_home(target, (enum off_home_cause)cause))
            n += NODE_LIVE_READ(target->live->off_home[cause]);
    return target->home_rate_per_s && n > target->home_left ? target->home_left : n;
}

/* Number of sessions that the job still has to close. */
static uint32_t target_sessions_left(const struct target *target)
{
    return target->job == JOB_HOME ? target_off_home(target) : target_sessions(target);
}

/*
 * Whether the job has closed all its sessions. Sessions that wait for the CONNACK of a draining
 * node are still relayed to it.
 */
static bool target_is_empty(const struct target *target)
{
    return target_sessions_left(target) == 0 &&
           (target->job != JOB_DRAIN || NODE_LIVE_READ(target->live->sessions) == 0);
}

static uint32_t target_rate_per_s(const struct target *target)
{
    const struct cluster_conf *conf = target->cluster->conf;
    if (target->job == JOB_DRAIN)
        return target->drain_rate_per_s ? target->drain_rate_per_s : conf->drain_rate_per_s;
    if (target->job == JOB_DOWN)
        return conf->close_rate_per_s;
    return target->home_rate_per_s ? target->home_rate_per_s : conf->homecoming->rate_per_s;
}

/*
 * Credit per second, limited so that no second has more than rate * 1.1 closings. Workers may use
 * the credit of a tick at the end of the tick, so one second can have the closings of two more
 * ticks. For rates below 10, the extra tenth is rounded down to 0.
 */
static double pace_of(const struct target *target)
{
    uint32_t rate = target_rate_per_s(target);
    double most = (double)(rate + rate / 10u) / (1. + 2 * TICK_MAX_S);
    return most < rate ? most : rate;
}

/* ---- which job ---- */

/* Whether the node is a member of the cluster, and is not only kept for its sessions. */
static bool is_member(const struct target *target)
{
    return target->node < target->cluster->nodes + target->cluster->n;
}

/* Whether the node accepts new sessions. */
static bool target_accepts_sessions(const struct target *target)
{
    return is_member(target) && target->node->weight > 0 &&
           node_live_status(target->live) == NODE_UP &&
           (target->node->max_connections == 0 ||
            NODE_LIVE_READ(target->live->sessions) < target->node->max_connections);
}

/*
 * Whether a node would accept the sessions that the job closes: another node of the cluster or, for
 * a homecoming, the node itself.
 */
static bool has_takers(const struct evictor *evictor, const struct target *target, enum job job)
{
    if (job == JOB_HOME)
        return target_accepts_sessions(target);
    for (size_t i = 0; i < evictor->n; i++)
        if (&evictor->targets[i] != target && evictor->targets[i].cluster == target->cluster &&
            target_accepts_sessions(&evictor->targets[i]))
            return true;
    return false;
}

/* Whether a homecoming may start. During slow start, the node would not get its sessions yet. */
static bool target_may_bring_home(const struct target *target, uint64_t now_us)
{
    const struct homecoming_conf *conf = target->cluster->conf->homecoming;
    if (target->home_rate_per_s)
        return true;
    if (!conf || !target->up_at_us)
        return false;
    uint32_t slow_start_ms = target->cluster->conf->node_defaults.slow_start_ms;
    uint32_t ms = conf->after_ms > slow_start_ms ? conf->after_ms : slow_start_ms;
    return now_us - target->up_at_us >= ms * UINT64_C(1000);
}

static enum job job_for(const struct evictor *evictor, const struct target *target, uint64_t now_us)
{
    switch (target->status) {
    case NODE_DRAINING:
        return JOB_DRAIN;
    case NODE_DOWN:
    case NODE_OFF:
        return target->cluster->conf->on_node_down == ON_NODE_DOWN_CLOSE &&
                       target_sessions(target) > 0 &&
                       (target->job == JOB_DOWN || has_takers(evictor, target, JOB_DOWN))
                   ? JOB_DOWN
                   : JOB_NONE;
    case NODE_UP:
        return target_off_home(target) > 0 && target_may_bring_home(target, now_us) &&
                       (target->job == JOB_HOME || has_takers(evictor, target, JOB_HOME))
                   ? JOB_HOME
                   : JOB_NONE;
    default:
        return JOB_NONE;
    }
}

static void log_job(const struct evictor *evictor, const struct target *target, bool begun)
{
    struct log_line line;
    log_begin(&line, evictor->log, LOG_NOTICE,
              begun ? event_names[target->job].begun : event_names[target->job].ended);
    log_text(&line, "cluster", target->live->cluster);
    log_text(&line, "node", target->live->name);
    if (begun) {
        log_u64(&line, "sessions", target_sessions_left(target));
        log_u64(&line, "rate_per_s", target_rate_per_s(target));
    } else {
        log_u64(&line, "took_ms", (clock_monotonic_us() - target->begun_us) / 1000u);
    }
    log_emit(&line);
}

/* Withdraw all unused credit. */
static void target_withdraw_credit(struct target *target)
{
    for (int i = 0; i < EVICTION_COUNT; i++)
        atomic_store_explicit(&target->live->evictions[i], 0, memory_order_relaxed);
}

static void end_job(struct evictor *evictor, struct target *target)
{
    target_withdraw_credit(target);
    if (target->job != JOB_NONE && !target->ended)
        log_job(evictor, target, false);
    target->ended = true;
    if (target->job == JOB_HOME && !target->home_recounts) /* an operator's homecoming runs once */
        target->home_rate_per_s = 0;
}

static void begin_job(struct evictor *evictor, struct target *target, enum job job, uint64_t now_us)
{
    if (target_is_empty(target)) /* otherwise, a status change has interrupted the job */
        end_job(evictor, target);
    target_withdraw_credit(target);
    target->job = job;
    target->ended = target->held = false;
    target->begun_us = now_us;
    target->begun_with = target_sessions_left(target);
    target->due = 0;
    if (job != JOB_NONE)
        log_job(evictor, target, true);
}

/* ---- ticks ---- */

static void target_note_status(struct target *target, uint64_t now_us)
{
    enum node_status status = node_live_status(target->live);
    uint64_t failures = NODE_LIVE_READ(target->live->failures);
    if (status != target->status || failures != target->failures)
        target->up_at_us = status == NODE_UP ? now_us : 0;
    target->failures = failures;
    if (status == target->status)
        return;
    target->home_rate_per_s = 0;
    if (target->status == NODE_DRAINING) /* an operator's rate applies to one drain only */
        target->drain_rate_per_s = target->drain_deadline_ms = 0;
    target->status = status;
}

static bool target_is_past_deadline(const struct target *target, uint64_t now_us)
{
    uint32_t ms = target->drain_rate_per_s ? target->drain_deadline_ms
                                           : target->cluster->conf->drain_deadline_ms;
    return target->job == JOB_DRAIN && ms > 0 && now_us - target->begun_us >= ms * UINT64_C(1000);
}

static enum eviction eviction_of(const struct target *target)
{
    if (target->job == JOB_DOWN)
        return EVICT_DOWN;
    return NODE_LIVE_READ(target->live->clean) > 0 ? EVICT_DRAIN_CLEAN : EVICT_DRAIN;
}

/* Count the sessions closed with the last credit, and withdraw unused credit. */
static void target_note_closings(struct target *target)
{
    uint32_t kept = 0;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
        kept += atomic_exchange_explicit(&target->live->evictions[EVICT_OFF_HOME + cause], 0,
                                         memory_order_relaxed);
    const uint32_t closed = target->home_credit > kept ? target->home_credit - kept : 0;
    target->home_left -= closed < target->home_left ? closed : target->home_left;
    target->home_credit = 0;
}

/* Distribute credit among the off-home sessions, by cause. */
static void give_home_credit(struct target *target, uint32_t credit)
{
    target->home_credit = credit;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++) {
        const uint32_t off_home = NODE_LIVE_READ(target->live->off_home[cause]);
        const uint32_t n = off_home < credit ? off_home : credit;
        if (!may_come_home(target, (enum off_home_cause)cause))
            continue;
        atomic_store_explicit(&target->live->evictions[EVICT_OFF_HOME + cause], n,
                              memory_order_relaxed);
        credit -= n;
    }
    target->home_credit -= credit; /* some sessions have ended meanwhile */
}

/* Hand out the credit for `passed_s` seconds. Returns true if there are sessions to close. */
static bool target_give_credit(struct target *target, double passed_s, uint64_t now_us)
{
    target_withdraw_credit(target);
    uint32_t left = target_sessions_left(target);
    if (target_is_past_deadline(target, now_us)) {
        atomic_store_explicit(&target->live->evictions[EVICT_DRAIN], left, memory_order_relaxed);
        return left > 0;
    }
    target->due += pace_of(target) * passed_s;
    uint32_t whole = (uint32_t)target->due;
    target->due -= whole;
    uint32_t credit = whole < left ? whole : left;
    if (target->job == JOB_HOME) {
        give_home_credit(target, credit);
        return whole > 0;
    }
    enum eviction why = eviction_of(target);
    if (why == EVICT_DRAIN_CLEAN) {
        uint32_t clean = NODE_LIVE_READ(target->live->clean);
        if (clean < credit) { /* the last clean sessions, then others */
            atomic_store_explicit(&target->live->evictions[EVICT_DRAIN], credit - clean,
                                  memory_order_relaxed);
            credit = clean;
        }
    }
    atomic_store_explicit(&target->live->evictions[why], credit, memory_order_relaxed);
    return whole > 0;
}

static void log_held(const struct evictor *evictor, const struct target *target)
{
    struct log_line line;
    log_begin(&line, evictor->log, LOG_WARN, "node.held");
    log_text(&line, "cluster", target->live->cluster);
    log_text(&line, "node", target->live->name);
    log_u64(&line, "sessions", target_sessions_left(target));
    log_text(&line, "why",
             target->job == JOB_HOME ? "the node accepts no sessions"
                                     : "no other node accepts sessions");
    log_emit(&line);
}

/*
 * Whether the job must wait because no node would accept its sessions. A drain waits only until its
 * deadline, when the node must be empty.
 */
static bool must_hold(struct evictor *evictor, struct target *target, uint64_t now_us)
{
    const bool before = target->held;
    target->held = target_sessions_left(target) > 0 && !has_takers(evictor, target, target->job) &&
                   !target_is_past_deadline(target, now_us);
    if (target->held)
        target_withdraw_credit(target);
    if (target->held && !before)
        log_held(evictor, target);
    return target->held;
}

/*
 * Whether workers are still counting off-home sessions. acquire: pairs with the release of the last
 * worker.
 */
static bool is_recounting(const struct evictor *evictor)
{
    return atomic_load_explicit(&evictor->registry->recounts, memory_order_acquire) > 0;
}

/*
 * An operator's homecoming applies to the sessions that are off-home when it starts. If the nodes
 * have just changed, the workers are still counting them.
 */
static void note_recount(const struct evictor *evictor, struct target *target)
{
    if (target->home_rate_per_s && target->home_recounts) {
        target->home_recounts = is_recounting(evictor);
        target->home_left = node_live_off_home(target->live);
    }
    if (target->home_left == 0 && !target->home_recounts)
        target->home_rate_per_s = 0;
}

/* Update one node's job. Returns true if the job needs more ticks. */
static bool update(struct evictor *evictor, struct target *target, double passed_s, bool *wake)
{
    uint64_t now_us = clock_monotonic_us();
    target_note_closings(target);
    target_note_status(target, now_us);
    note_recount(evictor, target);
    enum job job = job_for(evictor, target, now_us);
    if (job != target->job)
        begin_job(evictor, target, job, now_us);
    /* A replay may still choose a node that was up when the session was placed. */
    if (target->ended && target_sessions_left(target) > 0)
        target->ended = false;
    if (target->job == JOB_NONE || target->ended)
        return false;
    if (target_is_empty(target)) {
        end_job(evictor, target);
        return false;
    }
    if (must_hold(evictor, target, now_us))
        return false;
    *wake |= target_give_credit(target, passed_s, now_us);
    return true;
}

/* Whether a job can start or resume without a status change. */
static bool target_needs_polling(const struct target *target)
{
    const struct cluster_conf *conf = target->cluster->conf;
    const bool is_lost = target->status == NODE_DOWN || target->status == NODE_OFF;
    return target->held ||
           (target->status == NODE_UP && (conf->homecoming || target->home_rate_per_s)) ||
           (is_lost && conf->on_node_down == ON_NODE_DOWN_CLOSE && target_sessions(target) > 0);
}

static void set_tick(struct evictor *evictor, bool idle)
{
    double jitter = (arc4random() / 4294967296.0 * 2 - 1) * TICK_JITTER;
    evictor->idle = idle;
    ev_timer_stop(evictor->loop, &evictor->tick);
    ev_timer_set(&evictor->tick, (idle ? IDLE_TICK_S : TICK_S) * (1 + jitter), 0);
    ev_timer_start(evictor->loop, &evictor->tick);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct evictor *evictor = timer->data;
    uint64_t now_us = clock_monotonic_us();
    double passed_s = (double)(now_us - evictor->ticked_us) / 1e6;
    bool busy = false, later = false, wake = false;
    evictor->ticked_us = now_us;
    if (passed_s > TICK_MAX_S)
        passed_s = TICK_MAX_S; /* the loop was blocked or idle: do not catch up with a burst */
    for (size_t i = 0; i < evictor->n; i++) {
        busy |= update(evictor, &evictor->targets[i], passed_s, &wake);
        later |= target_needs_polling(&evictor->targets[i]);
    }
    if (wake)
        evictor->wake(evictor->arg);
    if (busy || later)
        set_tick(evictor, !busy);
}

void evictor_check(struct evictor *evictor)
{
    if (!evictor->snapshot || (ev_is_active(&evictor->tick) && !evictor->idle))
        return;
    evictor->ticked_us = clock_monotonic_us();
    set_tick(evictor, false);
}

/* ---- which nodes ---- */

static struct target *find(const struct evictor *evictor, const struct node_live *live)
{
    for (size_t i = 0; i < evictor->n; i++)
        if (evictor->targets[i].live == live)
            return &evictor->targets[i];
    return NULL;
}

static void targets_free(struct target *targets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        node_live_unref(targets[i].live);
    free(targets);
}

static size_t count_nodes(const struct snapshot *snapshot)
{
    size_t n = 0;
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        n += snapshot->clusters[i].n_all;
    return n;
}

/* Withdraw the credit of all nodes, including removed ones. */
static void withdraw_all(const struct evictor *evictor)
{
    for (size_t i = 0; i < evictor->n; i++)
        target_withdraw_credit(&evictor->targets[i]);
}

bool evictor_take(struct evictor *evictor, struct snapshot *snapshot)
{
    const size_t n = count_nodes(snapshot);
    size_t at = 0;
    struct target *targets = calloc(n + 1, sizeof(*targets));
    if (!targets)
        return false;
    for (size_t i = 0; i < evictor->n; i++)
        target_note_closings(&evictor->targets[i]);
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = &snapshot->clusters[i];
        for (size_t k = 0; k < cluster->n_all; k++, at++) {
            struct node_live *live = cluster->nodes[k].live;
            const struct target *known = find(evictor, live);
            if (known)
                targets[at] = *known;
            else
                targets[at].status = NODE_STATUS_COUNT; /* any status counts as a change */
            node_live_ref(live);
            targets[at].live = live;
            targets[at].cluster = cluster;
            targets[at].node = &cluster->nodes[k];
        }
    }
    withdraw_all(evictor);
    targets_free(evictor->targets, evictor->n);
    evictor->targets = targets;
    evictor->n = n;
    snapshot_unref(evictor->snapshot);
    evictor->snapshot = snapshot_ref(snapshot);
    evictor_check(evictor);
    return true;
}

void evictor_set_drain(struct evictor *evictor, struct node_live *live, uint32_t rate_per_s,
                       uint32_t deadline_ms)
{
    struct target *target = find(evictor, live);
    if (!target)
        return;
    target_note_status(target,
                       clock_monotonic_us()); /* otherwise, a status change would reset the rate */
    target->drain_rate_per_s = rate_per_s;
    target->drain_deadline_ms = deadline_ms;
    evictor_check(evictor);
}

bool evictor_read_drain(const struct evictor *evictor, const struct node_live *live,
                        struct evictor_drain *out)
{
    const struct target *target = find(evictor, live);
    if (!target || target->job != JOB_DRAIN)
        return false;
    const bool own = target->drain_rate_per_s > 0; /* an operator sets both rate and deadline */
    *out = (struct evictor_drain){.rate_per_s = target_rate_per_s(target),
                                  .deadline_ms = own ? target->drain_deadline_ms
                                                     : target->cluster->conf->drain_deadline_ms,
                                  .sessions_at_start = target->begun_with,
                                  .held = target->held,
                                  .begun_us = target->begun_us};
    return true;
}

void evictor_bring_home(struct evictor *evictor, struct node_live *live, uint32_t rate_per_s)
{
    struct target *target = find(evictor, live);
    if (!target)
        return;
    target_note_closings(target);
    target_note_status(target, clock_monotonic_us());
    target->home_rate_per_s = rate_per_s;
    target->home_left = node_live_off_home(live);
    target->home_recounts = is_recounting(evictor);
    evictor_check(evictor);
}

/* ---- create and free ---- */

struct evictor *evictor_new(struct ev_loop *loop, struct log *log,
                            const struct node_registry *registry, void (*wake)(void *arg),
                            void *arg)
{
    struct evictor *evictor = calloc(1, sizeof(*evictor));
    if (!evictor)
        return NULL;
    *evictor =
        (struct evictor){.registry = registry, .loop = loop, .log = log, .wake = wake, .arg = arg};
    ev_init(&evictor->tick, on_tick);
    evictor->tick.data = evictor;
    return evictor;
}

void evictor_free(struct evictor *evictor)
{
    if (!evictor)
        return;
    ev_timer_stop(evictor->loop, &evictor->tick);
    targets_free(evictor->targets, evictor->n);
    snapshot_unref(evictor->snapshot);
    free(evictor);
}
