/*
 * evictor.c - close sessions at a limited rate: drains, failed nodes, homecoming.
 *
 * A job closes the sessions of one node. At each tick, a job gets the credit that its rate allows,
 * and stores it in the node's record. Credit that the workers did not use is withdrawn first, so
 * that it cannot accumulate into a burst.
 */
#include "evictor.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "evictor_target.h"

#define TICK_S      0.05
#define TICK_JITTER 0.2 /* fraction of a tick, plus or minus */
#define IDLE_TICK_S 1.0 /* tick if no session has to be closed now */

/* Log events, indexed by enum job. */
static const struct {
    const char *begun, *ended;
} event_names[] = {
    [JOB_DRAIN] = {"node.draining", "node.drained"},
    [JOB_DOWN] = {"node.closing", "node.closed"},
    [JOB_HOME] = {"node.homecoming", "node.home"},
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

/* ---- which job ---- */

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
    if (passed_s > EVICTOR_TICK_MAX_S)
        passed_s =
            EVICTOR_TICK_MAX_S; /* the loop was blocked or idle: do not catch up with a burst */
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
