/*
 * evictor.c - close sessions paced: drains, nodes that are down, homecoming.
 *
 * A job is one node's sessions of one kind that have to go. A tick gives each job the share of
 * its rate that is due as credit on the node's record; what the workers did not use of the last
 * tick's is taken back first, so that it cannot pile up and leave in a burst.
 */
#include "evictor.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define TICK_S      0.05
#define TICK_JITTER 0.2  /* of a tick, to both sides */
#define TICK_MAX_S  0.06 /* the longest of them: no more time than this counts */
#define IDLE_TICK_S 1.0  /* while all there is to do is to see who has stayed away */

/* What is done about a node at the moment. */
enum job { JOB_NONE, JOB_DRAIN, JOB_DOWN, JOB_HOME };

/* Events, in the order of enum job. */
static const struct {
    const char *begun, *ended;
} words[] = {
    [JOB_DRAIN] = {"node.draining", "node.drained"},
    [JOB_DOWN] = {"node.closing", "node.closed"},
    [JOB_HOME] = {"node.homecoming", "node.home"},
};

/* One node. */
struct patient {
    const struct cluster *cluster; /* of the evictor's snapshot */
    const struct node *node;       /* of that cluster */
    struct node_live *live;        /* a reference */
    enum job job;
    enum node_status status; /* when last looked at */
    uint64_t up_at_us;       /* since when it is up and has failed nobody; 0 = it is not up */
    uint64_t failures;       /* when last looked at */
    uint64_t begun_us;       /* the job */
    uint32_t begun_with;     /* sessions it had to close then */
    double due;              /* closings of which less than one */
    bool ended;              /* the job's last session has gone, and the log knows */
    bool held;               /* the job waits until some node can take its sessions */
    uint32_t drain_rate_per_s, drain_deadline_ms; /* an operator's; 0 = the configuration's */
    uint32_t home_rate_per_s;                     /* an operator's homecoming; 0 = none */
    bool home_recounts;   /* the number of sessions to close is not known yet */
    uint32_t home_left;   /* sessions that an ordered homecoming may still close */
    uint32_t home_credit; /* handed out for homecomings by the last tick */
};

struct evictor {
    const struct node_registry *registry;
    struct ev_loop *loop;
    struct log *log;
    void (*wake)(void *arg);
    void *arg;
    struct ev_timer tick;
    bool idle; /* the tick is a long one */
    uint64_t ticked_us;
    struct snapshot *snapshot; /* a reference; null before the first */
    struct patient *patients;
    size_t n;
};

static uint32_t sessions_on(const struct patient *p)
{
    return NODE_LIVE_READ(p->live->clean) + NODE_LIVE_READ(p->live->kept);
}

/*
 * Whether a homecoming may close sessions that are away for this cause. One that an operator
 * ordered closes all of them. A configured one closes only those that are not sent away again.
 */
static bool may_come_home(const struct patient *p, enum off_home_cause cause)
{
    const struct homecoming_conf *conf = p->cluster->conf->homecoming;
    return p->home_rate_per_s > 0 ||
           (conf && (cause == OFF_HOME_DOWN || (cause == OFF_HOME_MOVED && conf->after_scale_out)));
}

/* Number of sessions that the homecoming has to close. */
static uint32_t left_away(const struct patient *p)
{
    uint32_t n = 0;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
        if (may_come_home(p, (enum off_home_cause)cause))
            n += NODE_LIVE_READ(p->live->off_home[cause]);
    return p->home_rate_per_s && n > p->home_left ? p->home_left : n;
}

/* How many sessions the job still has to close. */
static uint32_t left_of(const struct patient *p)
{
    return p->job == JOB_HOME ? left_away(p) : sessions_on(p);
}

/* Sessions that wait for the CONNACK of a node that drains will be relayed there all the same. */
static bool expects_more(const struct patient *p)
{
    return p->job == JOB_DRAIN && NODE_LIVE_READ(p->live->sessions) > 0;
}

static uint32_t rate_of(const struct patient *p)
{
    const struct cluster_conf *conf = p->cluster->conf;
    if (p->job == JOB_DRAIN)
        return p->drain_rate_per_s ? p->drain_rate_per_s : conf->drain_rate_per_s;
    if (p->job == JOB_DOWN)
        return conf->close_rate_per_s;
    return p->home_rate_per_s ? p->home_rate_per_s : conf->homecoming->rate_per_s;
}

/*
 * Credits a second so that no second ever sees more than rate * 1.1: workers may take what the
 * last tick handed out at the very end of it, so a second sees the closings of two ticks more;
 * and of a tenth of a low rate there is no whole one.
 */
static double pace_of(const struct patient *p)
{
    uint32_t rate = rate_of(p);
    double most = (double)(rate + rate / 10u) / (1. + 2 * TICK_MAX_S);
    return most < rate ? most : rate;
}

/* ---- which job ---- */

/* Whether the node is still in the configuration, rather than kept only for its sessions. */
static bool is_member(const struct patient *p)
{
    return p->node < p->cluster->nodes + p->cluster->n;
}

/* Whether the node would take a session that is closed now. */
static bool takes_sessions(const struct patient *p)
{
    return is_member(p) && p->node->weight > 0 && node_live_status(p->live) == NODE_UP &&
           (p->node->max_connections == 0 ||
            NODE_LIVE_READ(p->live->sessions) < p->node->max_connections);
}

/*
 * Whether sessions may be closed so that they reconnect to another node. Only if a node would take
 * them: another node of the cluster or, for a homecoming, the node itself.
 */
static bool has_takers(const struct evictor *evictor, const struct patient *p, enum job job)
{
    if (job == JOB_HOME)
        return takes_sessions(p);
    for (size_t i = 0; i < evictor->n; i++)
        if (&evictor->patients[i] != p && evictor->patients[i].cluster == p->cluster &&
            takes_sessions(&evictor->patients[i]))
            return true;
    return false;
}

/* As long as it starts slowly it would not have them yet. */
static bool is_long_enough_up(const struct patient *p, uint64_t now_us)
{
    const struct homecoming_conf *conf = p->cluster->conf->homecoming;
    if (p->home_rate_per_s)
        return true;
    if (!conf || !p->up_at_us)
        return false;
    uint32_t slow_start_ms = p->cluster->conf->node_defaults.slow_start_ms;
    uint32_t ms = conf->after_ms > slow_start_ms ? conf->after_ms : slow_start_ms;
    return now_us - p->up_at_us >= ms * UINT64_C(1000);
}

static enum job job_for(const struct evictor *evictor, const struct patient *p, uint64_t now_us)
{
    switch (p->status) {
    case NODE_DRAINING:
        return JOB_DRAIN;
    case NODE_DOWN:
    case NODE_OFF:
        return p->cluster->conf->on_node_down == ON_NODE_DOWN_CLOSE && sessions_on(p) > 0 &&
                       (p->job == JOB_DOWN || has_takers(evictor, p, JOB_DOWN))
                   ? JOB_DOWN
                   : JOB_NONE;
    case NODE_UP:
        return left_away(p) > 0 && is_long_enough_up(p, now_us) &&
                       (p->job == JOB_HOME || has_takers(evictor, p, JOB_HOME))
                   ? JOB_HOME
                   : JOB_NONE;
    default:
        return JOB_NONE;
    }
}

static void say(const struct evictor *evictor, const struct patient *p, bool begun)
{
    struct log_line line;
    log_begin(&line, evictor->log, LOG_NOTICE, begun ? words[p->job].begun : words[p->job].ended);
    log_text(&line, "cluster", p->live->cluster);
    log_text(&line, "node", p->live->name);
    if (begun) {
        log_u64(&line, "sessions", left_of(p));
        log_u64(&line, "rate_per_s", rate_of(p));
    } else {
        log_u64(&line, "took_ms", (clock_monotonic_us() - p->begun_us) / 1000u);
    }
    log_emit(&line);
}

/* Nothing is to be closed on the strength of what was handed out before. */
static void withdraw(struct patient *p)
{
    for (int i = 0; i < EVICTION_COUNT; i++)
        atomic_store_explicit(&p->live->evictions[i], 0, memory_order_relaxed);
}

static void end_job(struct evictor *evictor, struct patient *p)
{
    withdraw(p);
    if (p->job != JOB_NONE && !p->ended)
        say(evictor, p, false);
    p->ended = true;
    if (p->job == JOB_HOME && !p->home_recounts) /* an operator's order is carried out once */
        p->home_rate_per_s = 0;
}

static void begin_job(struct evictor *evictor, struct patient *p, enum job job, uint64_t now_us)
{
    if (left_of(p) == 0 && !expects_more(p)) /* else it ends unfinished: the status has changed */
        end_job(evictor, p);
    withdraw(p);
    p->job = job;
    p->ended = p->held = false;
    p->begun_us = now_us;
    p->begun_with = left_of(p);
    p->due = 0;
    if (job != JOB_NONE)
        say(evictor, p, true);
}

/* ---- ticks ---- */

static void note_status(struct patient *p, uint64_t now_us)
{
    enum node_status status = node_live_status(p->live);
    uint64_t failures = NODE_LIVE_READ(p->live->failures);
    if (status != p->status || failures != p->failures)
        p->up_at_us = status == NODE_UP ? now_us : 0;
    p->failures = failures;
    if (status == p->status)
        return;
    p->home_rate_per_s = 0;
    if (p->status == NODE_DRAINING) /* an operator's pace is for one drain */
        p->drain_rate_per_s = p->drain_deadline_ms = 0;
    p->status = status;
}

static bool is_past_deadline(const struct patient *p, uint64_t now_us)
{
    uint32_t ms = p->drain_rate_per_s ? p->drain_deadline_ms : p->cluster->conf->drain_deadline_ms;
    return p->job == JOB_DRAIN && ms > 0 && now_us - p->begun_us >= ms * UINT64_C(1000);
}

static enum eviction eviction_of(const struct patient *p)
{
    if (p->job == JOB_DOWN)
        return EVICT_DOWN;
    return NODE_LIVE_READ(p->live->clean) > 0 ? EVICT_DRAIN_CLEAN : EVICT_DRAIN;
}

/* Part of the credit finds no session, because some left meanwhile: it is dropped. */
static void note_home_closings(struct patient *p)
{
    uint32_t kept = 0;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
        kept += atomic_exchange_explicit(&p->live->evictions[EVICT_OFF_HOME + cause], 0,
                                         memory_order_relaxed);
    const uint32_t closed = p->home_credit > kept ? p->home_credit - kept : 0;
    p->home_left -= closed < p->home_left ? closed : p->home_left;
    p->home_credit = 0;
}

/* Divide credit among the sessions that are away, by cause. */
static void hand_out_home(struct patient *p, uint32_t credit)
{
    p->home_credit = credit;
    for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++) {
        const uint32_t off_home = NODE_LIVE_READ(p->live->off_home[cause]);
        const uint32_t n = off_home < credit ? off_home : credit;
        if (!may_come_home(p, (enum off_home_cause)cause))
            continue;
        atomic_store_explicit(&p->live->evictions[EVICT_OFF_HOME + cause], n, memory_order_relaxed);
        credit -= n;
    }
    p->home_credit -= credit; /* some have left meanwhile */
}

/* Hand out what is due after `passed_s`. True when there is something to close. */
static bool hand_out(struct patient *p, double passed_s, uint64_t now_us)
{
    withdraw(p);
    uint32_t left = left_of(p);
    if (is_past_deadline(p, now_us)) {
        atomic_store_explicit(&p->live->evictions[EVICT_DRAIN], left, memory_order_relaxed);
        return left > 0;
    }
    p->due += pace_of(p) * passed_s;
    uint32_t whole = (uint32_t)p->due;
    p->due -= whole;
    uint32_t credit = whole < left ? whole : left;
    if (p->job == JOB_HOME) {
        hand_out_home(p, credit);
        return whole > 0;
    }
    enum eviction why = eviction_of(p);
    if (why == EVICT_DRAIN_CLEAN) {
        uint32_t clean = NODE_LIVE_READ(p->live->clean);
        if (clean < credit) { /* the last of them, and then others */
            atomic_store_explicit(&p->live->evictions[EVICT_DRAIN], credit - clean,
                                  memory_order_relaxed);
            credit = clean;
        }
    }
    atomic_store_explicit(&p->live->evictions[why], credit, memory_order_relaxed);
    return whole > 0;
}

static void say_held(const struct evictor *evictor, const struct patient *p)
{
    struct log_line line;
    log_begin(&line, evictor->log, LOG_WARN, "node.held");
    log_text(&line, "cluster", p->live->cluster);
    log_text(&line, "node", p->live->name);
    log_u64(&line, "sessions", left_of(p));
    log_text(&line, "why",
             p->job == JOB_HOME ? "the node takes no sessions" : "no other node takes sessions");
    log_emit(&line);
}

/*
 * Whether the job would close sessions that then find no node. If so it waits; only a drain's
 * deadline overrides this, because the node must be empty by then.
 */
static bool must_hold(struct evictor *evictor, struct patient *p, uint64_t now_us)
{
    const bool before = p->held;
    p->held = left_of(p) > 0 && !has_takers(evictor, p, p->job) && !is_past_deadline(p, now_us);
    if (p->held)
        withdraw(p);
    if (p->held && !before)
        say_held(evictor, p);
    return p->held;
}

/* Whether workers are still counting sessions away. acquire: pairs with the last one's release */
static bool is_recounting(const struct evictor *evictor)
{
    return atomic_load_explicit(&evictor->registry->recounts, memory_order_acquire) > 0;
}

/*
 * An ordered homecoming applies to the sessions that are away at that time. If the nodes have just
 * changed, their number is known only later.
 */
static void note_recount(const struct evictor *evictor, struct patient *p)
{
    if (p->home_rate_per_s && p->home_recounts) {
        p->home_recounts = is_recounting(evictor);
        p->home_left = node_live_off_home(p->live);
    }
    if (p->home_left == 0 && !p->home_recounts)
        p->home_rate_per_s = 0;
}

/* One node's turn. True while it has a job that needs more ticks. */
static bool treat(struct evictor *evictor, struct patient *p, double passed_s, bool *wake)
{
    uint64_t now_us = clock_monotonic_us();
    note_home_closings(p);
    note_status(p, now_us);
    note_recount(evictor, p);
    enum job job = job_for(evictor, p, now_us);
    if (job != p->job)
        begin_job(evictor, p, job, now_us);
    if (p->ended && left_of(p) > 0) /* a replay goes by nodes that were up when it was placed */
        p->ended = false;
    if (p->job == JOB_NONE || p->ended)
        return false;
    if (left_of(p) == 0 && !expects_more(p)) {
        end_job(evictor, p);
        return false;
    }
    if (must_hold(evictor, p, now_us))
        return false;
    *wake |= hand_out(p, passed_s, now_us);
    return true;
}

/* Whether it may start or resume a job without a status change that wakes the evictor. */
static bool needs_looks(const struct patient *p)
{
    const struct cluster_conf *conf = p->cluster->conf;
    const bool is_lost = p->status == NODE_DOWN || p->status == NODE_OFF;
    return p->held || (p->status == NODE_UP && (conf->homecoming || p->home_rate_per_s)) ||
           (is_lost && conf->on_node_down == ON_NODE_DOWN_CLOSE && sessions_on(p) > 0);
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
        passed_s = TICK_MAX_S; /* the loop was held up, or idle: no burst to make up for it */
    for (size_t i = 0; i < evictor->n; i++) {
        busy |= treat(evictor, &evictor->patients[i], passed_s, &wake);
        later |= needs_looks(&evictor->patients[i]);
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

static struct patient *find(const struct evictor *evictor, const struct node_live *live)
{
    for (size_t i = 0; i < evictor->n; i++)
        if (evictor->patients[i].live == live)
            return &evictor->patients[i];
    return NULL;
}

static void patients_free(struct patient *patients, size_t n)
{
    for (size_t i = 0; i < n; i++)
        node_live_unref(patients[i].live);
    free(patients);
}

static size_t count_nodes(const struct snapshot *snapshot)
{
    size_t n = 0;
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        n += snapshot->clusters[i].n_all;
    return n;
}

/* Nodes that are not there any more: what was handed out for them is void. */
static void withdraw_all(const struct evictor *evictor)
{
    for (size_t i = 0; i < evictor->n; i++)
        withdraw(&evictor->patients[i]);
}

bool evictor_take(struct evictor *evictor, struct snapshot *snapshot)
{
    const size_t n = count_nodes(snapshot);
    size_t at = 0;
    struct patient *patients = calloc(n + 1, sizeof(*patients));
    if (!patients)
        return false;
    for (size_t i = 0; i < evictor->n; i++)
        note_home_closings(&evictor->patients[i]);
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = &snapshot->clusters[i];
        for (size_t k = 0; k < cluster->n_all; k++, at++) {
            struct node_live *live = cluster->nodes[k].live;
            const struct patient *known = find(evictor, live);
            if (known)
                patients[at] = *known;
            else
                patients[at].status = NODE_STATUS_COUNT; /* whatever it is, it is news */
            node_live_ref(live);
            patients[at].live = live;
            patients[at].cluster = cluster;
            patients[at].node = &cluster->nodes[k];
        }
    }
    withdraw_all(evictor);
    patients_free(evictor->patients, evictor->n);
    evictor->patients = patients;
    evictor->n = n;
    snapshot_unref(evictor->snapshot);
    evictor->snapshot = snapshot_ref(snapshot);
    evictor_check(evictor);
    return true;
}

void evictor_set_drain(struct evictor *evictor, struct node_live *live, uint32_t rate_per_s,
                       uint32_t deadline_ms)
{
    struct patient *p = find(evictor, live);
    if (!p)
        return;
    note_status(p, clock_monotonic_us()); /* else the change of status would forget it again */
    p->drain_rate_per_s = rate_per_s;
    p->drain_deadline_ms = deadline_ms;
    evictor_check(evictor);
}

bool evictor_read_drain(const struct evictor *evictor, const struct node_live *live,
                        struct evictor_drain *out)
{
    const struct patient *p = find(evictor, live);
    if (!p || p->job != JOB_DRAIN)
        return false;
    const bool own = p->drain_rate_per_s > 0; /* an operator's pace comes with its deadline */
    *out = (struct evictor_drain){.rate_per_s = rate_of(p),
                                  .deadline_ms = own ? p->drain_deadline_ms
                                                     : p->cluster->conf->drain_deadline_ms,
                                  .sessions_at_start = p->begun_with,
                                  .held = p->held,
                                  .begun_us = p->begun_us};
    return true;
}

void evictor_bring_home(struct evictor *evictor, struct node_live *live, uint32_t rate_per_s)
{
    struct patient *p = find(evictor, live);
    if (!p)
        return;
    note_home_closings(p);
    note_status(p, clock_monotonic_us());
    p->home_rate_per_s = rate_per_s;
    p->home_left = node_live_off_home(live);
    p->home_recounts = is_recounting(evictor);
    evictor_check(evictor);
}

/* ---- life ---- */

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
    patients_free(evictor->patients, evictor->n);
    snapshot_unref(evictor->snapshot);
    free(evictor);
}
