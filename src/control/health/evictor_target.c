/*
 * evictor_target.c - the job of one node: sessions to close, rate, and credit.
 *
 * Credit is the number of sessions that workers may close. It is stored in the node's record, by
 * cause.
 */
#include "evictor_target.h"

uint32_t target_sessions(const struct target *target)
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

uint32_t target_off_home(const struct target *target)
{
    uint32_t n = 0;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
        if (may_come_home(target, (enum off_home_cause)cause))
            n += NODE_LIVE_READ(target->live->off_home[cause]);
    return target->home_rate_per_s && n > target->home_left ? target->home_left : n;
}

uint32_t target_sessions_left(const struct target *target)
{
    return target->job == JOB_HOME ? target_off_home(target) : target_sessions(target);
}

bool target_is_empty(const struct target *target)
{
    return target_sessions_left(target) == 0 &&
           (target->job != JOB_DRAIN || NODE_LIVE_READ(target->live->sessions) == 0);
}

uint32_t target_rate_per_s(const struct target *target)
{
    const struct cluster_conf *conf = target->cluster->conf;
    if (target->job == JOB_DRAIN)
        return target->drain_rate_per_s ? target->drain_rate_per_s : conf->drain_rate_per_s;
    if (target->job == JOB_DOWN)
        return conf->close_rate_per_s;
    return target->home_rate_per_s ? target->home_rate_per_s : conf->homecoming->rate_per_s;
}

bool target_is_past_deadline(const struct target *target, uint64_t now_us)
{
    uint32_t ms = target->drain_rate_per_s ? target->drain_deadline_ms
                                           : target->cluster->conf->drain_deadline_ms;
    return target->job == JOB_DRAIN && ms > 0 && now_us - target->begun_us >= ms * UINT64_C(1000);
}

/* Whether the node is a member of the cluster, and is not only kept for its sessions. */
static bool is_member(const struct target *target)
{
    return target->node < target->cluster->nodes + target->cluster->n;
}

bool target_accepts_sessions(const struct target *target)
{
    return is_member(target) && target->node->weight > 0 &&
           node_live_status(target->live) == NODE_UP &&
           (target->node->max_connections == 0 ||
            NODE_LIVE_READ(target->live->sessions) < target->node->max_connections);
}

bool target_may_bring_home(const struct target *target, uint64_t now_us)
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

bool target_needs_polling(const struct target *target)
{
    const struct cluster_conf *conf = target->cluster->conf;
    const bool is_lost = target->status == NODE_DOWN || target->status == NODE_OFF;
    return target->held ||
           (target->status == NODE_UP && (conf->homecoming || target->home_rate_per_s)) ||
           (is_lost && conf->on_node_down == ON_NODE_DOWN_CLOSE && target_sessions(target) > 0);
}

void target_note_status(struct target *target, uint64_t now_us)
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

/* ---- credit ---- */

/*
 * Credit per second, limited so that no second has more than rate * 1.1 closings. Workers may use a
 * tick's credit as late as its end, so one second can include the closings of two extra ticks. For
 * rates below 10, the extra tenth is rounded down to 0.
 */
static double pace_of(const struct target *target)
{
    uint32_t rate = target_rate_per_s(target);
    const uint32_t tenth = rate / 10u;
    double most = (double)(rate + tenth) / (1. + 2 * EVICTOR_TICK_MAX_S);
    return most < rate ? most : rate;
}

void target_withdraw_credit(struct target *target)
{
    for (int i = 0; i < EVICTION_COUNT; i++)
        atomic_store_explicit(&target->live->evictions[i], 0, memory_order_relaxed);
}

void target_note_closings(struct target *target)
{
    uint32_t kept = 0;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
        kept += atomic_exchange_explicit(&target->live->evictions[EVICT_OFF_HOME + cause], 0,
                                         memory_order_relaxed);
    const uint32_t closed = target->home_credit > kept ? target->home_credit - kept : 0;
    target->home_left -= closed < target->home_left ? closed : target->home_left;
    target->home_credit = 0;
}

static enum eviction eviction_of(const struct target *target)
{
    if (target->job == JOB_DOWN)
        return EVICT_DOWN;
    return NODE_LIVE_READ(target->live->clean) > 0 ? EVICT_DRAIN_CLEAN : EVICT_DRAIN;
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

bool target_give_credit(struct target *target, double passed_s, uint64_t now_us)
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
        if (clean < credit) { /* close the last clean sessions, then others */
            atomic_store_explicit(&target->live->evictions[EVICT_DRAIN], credit - clean,
                                  memory_order_relaxed);
            credit = clean;
        }
    }
    atomic_store_explicit(&target->live->evictions[why], credit, memory_order_relaxed);
    return whole > 0;
}
