/*
 * prober.c - track the health of all nodes: one probe per node, decisions per cluster.
 *
 *    snapshot --> a probe for each node (prober_probe.c), which checks and settles it
 *    tick, 10 per second --> failures the workers counted --> may one more be ejected? --> settle
 *
 * While no session fails and no node is ejected, ticks are slow, so that an idle router sleeps.
 */
#include "prober.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "prober_plan.h"
#include "prober_probe.h"

#define TICK_S          0.1
#define CALM_TICK_S     2.0
#define CALM_AFTER      10u /* ticks without a failure */
#define FIRST_ROUND_MS  1000u
#define SOON_MS         100u
#define CLIENT_ID_SPACE UINT64_C(131621703842267136) /* 36^11 */

struct prober {
    struct prober_place place;
    struct tls_library *library; /* owned; null while no check needs TLS */
    struct prober_plan *plan;    /* a reference; null until the first snapshot */
    struct probe **probes;       /* owned; in the order of the plan's clusters and their nodes */
    size_t n;
    struct ev_timer tick;
    unsigned quiet_ticks;
    _Atomic bool failing; /* a session has failed since the last evaluation */
};

/* ---- failures of sessions ---- */

struct counts {
    size_t open; /* nodes that accept sessions: up, with a weight */
    size_t ejected;
};

static struct counts count_nodes_by_status(struct probe *const *probes, size_t n)
{
    struct counts counts = {0};
    for (size_t i = 0; i < n; i++) {
        enum node_status status = node_live_status(probes[i]->live);
        counts.open += status == NODE_UP && probes[i]->node->weight > 0;
        counts.ejected += status == NODE_EJECTED;
    }
    return counts;
}

/*
 * Evaluate the new failures of a node, and return their number. Failures count only if the node
 * accepts new sessions. The last open node of a cluster is never ejected.
 */
static uint32_t fold(struct probe *p, const struct passive_conf *conf, size_t n,
                     struct counts *counts, uint64_t now_ms)
{
    uint32_t failures = probe_take_failures(p);
    bool is_up = node_live_status(p->live) == NODE_UP;
    /* max_ejected_percent does not apply to suspected nodes */
    bool may_eject =
        is_up && counts->open > 1 &&
        (health_is_suspected(&p->health) || health_may_eject(conf, n, counts->ejected));
    if (health_sessions_failed(&p->health, conf, is_up ? failures : 0, now_ms, may_eject)) {
        /* the window contains at least this many failures */
        p->failures_logged = failures > conf->failures ? failures : conf->failures;
        counts->ejected++;
        counts->open -= p->node->weight > 0;
    }
    probe_settle(p);
    return failures;
}

static void set_tick(struct prober *prober, double seconds)
{
    if (prober->tick.repeat == seconds && ev_is_active(&prober->tick))
        return;
    prober->tick.repeat = seconds;
    ev_timer_again(prober->place.loop, &prober->tick);
}

static void tick_fast(struct prober *prober)
{
    prober->quiet_ticks = 0;
    set_tick(prober, TICK_S);
}

/* ---- panic ---- */

static void log_panic(const struct prober *prober, const struct prober_cluster *cluster,
                      const struct health_tally *tally, size_t suspected)
{
    const struct cluster_conf *conf = cluster->cluster->conf;
    struct log_line line;
    log_begin(&line, prober->place.log, LOG_WARN, "cluster.panic");
    log_text(&line, "cluster", conf->name);
    log_u64(&line, "nodes", tally->n[0] + tally->n[1]);
    log_u64(&line, "up", tally->up[0] + tally->up[1]);
    log_u64(&line, "suspected", suspected);
    log_u64(&line, "panic_percent", conf->health_check->panic_percent);
    log_text(&line, "why",
             "checks of too many nodes time out, so these nodes still accept sessions");
    log_emit(&line);
}

static void log_panic_ended(const struct prober *prober, const struct prober_cluster *cluster,
                            uint64_t now_us)
{
    struct log_line line;
    log_begin(&line, prober->place.log, LOG_NOTICE, "cluster.panic_ended");
    log_text(&line, "cluster", cluster->cluster->conf->name);
    log_u64(&line, "took_ms", (now_us - cluster->group.panic_us) / 1000u);
    log_emit(&line);
}

/*
 * Count the nodes of a cluster that are in use, and those that would be up without panic mode.
 * Returns the number of suspected nodes.
 */
static size_t count_up(struct probe *const *probes, size_t n, uint64_t now_ms,
                       struct health_tally *out)
{
    size_t suspected = 0;
    *out = (struct health_tally){{0}, {0}};
    for (size_t i = 0; i < n; i++) {
        struct probe *p = probes[i];
        if (p->health.admin_state != NODE_STATE_UP || p->node->weight == 0)
            continue;
        p->health.panic = false;
        out->n[p->node->conf->backup]++;
        out->up[p->node->conf->backup] += health_status(&p->health, now_ms) == NODE_UP;
        suspected += health_is_suspected(&p->health);
    }
    return suspected;
}

/* Whether enough nodes have been up for two intervals. One good check must not end panic mode. */
static bool is_calm(struct prober_cluster *cluster, uint64_t now_us)
{
    struct prober_group *group = &cluster->group;
    if (group->calm_since_us == 0)
        group->calm_since_us = now_us;
    return now_us - group->calm_since_us >=
           2u * UINT64_C(1000) * cluster->cluster->conf->health_check->interval_ms;
}

static void start_panic(struct prober_group *group, uint64_t now_us)
{
    if (!group->panic)
        group->panic_us = now_us;
    group->panic = true;
    group->calm_since_us = 0;
}

/* Start or end a cluster's panic mode. The caller settles its nodes. */
static void update_panic(const struct prober *prober, struct prober_cluster *cluster,
                         struct probe *const *probes)
{
    const uint64_t now_us = clock_monotonic_us();
    struct prober_group *group = &cluster->group;
    struct health_tally tally;
    const size_t suspected = count_up(probes, cluster->cluster->n, now_us / 1000u, &tally);
    const bool was = group->panic;
    if (!cluster->able || suspected == 0)
        group->panic = false;
    else if (health_panics(cluster->cluster->conf->health_check->panic_percent, &tally))
        start_panic(group, now_us);
    else if (was)
        group->panic = !is_calm(cluster, now_us);
    for (size_t i = 0; i < cluster->cluster->n_all; i++)
        probes[i]->health.panic = group->panic && i < cluster->cluster->n;
    if (group->panic && !was)
        log_panic(prober, cluster, &tally, suspected);
    if (was && !group->panic)
        log_panic_ended(prober, cluster, now_us);
}

/* ---- ticks ---- */

/*
 * Evaluate failures and settle all nodes. Returns true if no session failed, no node is ejected,
 * and there is no panic mode.
 */
static bool update(struct prober *prober)
{
    const uint64_t now_ms = clock_monotonic_us() / 1000u;
    struct probe **probes = prober->probes;
    bool quiet = true;
    /* acquire: pairs with prober_note_failing(), so that earlier counts are visible below */
    (void)atomic_exchange_explicit(&prober->failing, false, memory_order_acq_rel);
    for (size_t i = 0; i < prober->plan->snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = prober->plan->clusters[i].cluster;
        update_panic(prober, &prober->plan->clusters[i], probes);
        struct counts counts = count_nodes_by_status(probes, cluster->n);
        for (size_t k = 0; k < cluster->n; k++)
            if (fold(probes[k], &cluster->conf->passive, cluster->n, &counts, now_ms) > 0)
                quiet = false;
        for (size_t k = cluster->n; k < cluster->n_all; k++)
            probe_settle(probes[k]); /* removed nodes: only checks count */
        quiet = quiet && counts.ejected == 0 && !prober->plan->clusters[i].group.panic;
        probes += cluster->n_all;
    }
    return quiet;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct prober *prober = CONTAINER_OF(timer, struct prober, tick);
    if (!update(prober))
        tick_fast(prober);
    else if (++prober->quiet_ticks >= CALM_AFTER)
        set_tick(prober, CALM_TICK_S);
}

/* Handle a node's changed verdict, which can affect all nodes of its cluster. */
static void on_verdict_changed(void *arg, struct probe *p)
{
    struct prober *prober = arg;
    struct probe **probes = prober->probes;
    for (struct prober_cluster *c = prober->plan->clusters; c != p->cluster; c++)
        probes += c->cluster->n_all;
    update_panic(prober, p->cluster, probes);
    for (size_t i = 0; i < p->cluster->cluster->n_all; i++)
        probe_settle(probes[i]);
    tick_fast(prober);
}

bool prober_note_failing(struct prober *prober)
{
    return !atomic_exchange_explicit(&prober->failing, true, memory_order_acq_rel);
}

void prober_check_failures(struct prober *prober)
{
    if (prober->tick.repeat > TICK_S && prober->plan)
        on_tick(prober->place.loop, &prober->tick, 0);
}

/* ---- a new snapshot ---- */

/* Find a node's probe; *hint is its likely index, because successive snapshots are similar. */
static struct probe *find(const struct prober *prober, const struct node_live *live, size_t *hint)
{
    for (size_t i = 0; i < prober->n; i++) {
        size_t at = (*hint + i) % prober->n;
        if (prober->probes[at]->live == live) {
            *hint = at + 1;
            return prober->probes[at];
        }
    }
    return NULL;
}

static size_t count_nodes(const struct snapshot *snapshot)
{
    size_t n = 0;
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        n += snapshot->clusters[i].n_all;
    return n;
}

static void drop_new(struct probe **probes, size_t n)
{
    for (size_t i = 0; probes && i < n; i++)
        if (probes[i] && !probes[i]->plan)
            probe_free(probes[i]);
    free(probes);
}

/* Collect existing and new probes for the nodes of a snapshot. Returns null if out of memory. */
static struct probe **gather(struct prober *prober, const struct snapshot *snapshot, size_t n)
{
    struct probe **probes =
        calloc(n + 1, sizeof(struct probe *)); /* + 1: calloc(0) may return null */
    size_t at = 0, hint = 0;
    for (size_t i = 0; probes && i < snapshot->config->n_clusters; i++) {
        for (size_t k = 0; k < snapshot->clusters[i].n_all; k++, at++) {
            struct node_live *live = snapshot->clusters[i].nodes[k].live;
            probes[at] = find(prober, live, &hint);
            if (!probes[at])
                probes[at] = probe_new(&prober->place, live);
            if (!probes[at]) {
                drop_new(probes, at);
                return NULL;
            }
        }
    }
    return probes;
}

/* Use these probes, and free those of removed nodes. */
static void replace_probes(struct prober *prober, struct probe **probes, size_t n)
{
    for (size_t i = 0; i < prober->n; i++)
        prober->probes[i]->kept = false;
    for (size_t i = 0; i < n; i++)
        probes[i]->kept = true;
    for (size_t i = 0; i < prober->n; i++)
        if (!prober->probes[i]->kept)
            probe_free(prober->probes[i]);
    free(prober->probes);
    prober->probes = probes;
    prober->n = n;
}

static void serve_cluster(struct probe **probes, struct prober_plan *plan,
                          struct prober_cluster *cluster, bool first)
{
    const struct cluster *of = cluster->cluster;
    bool others = false; /* some nodes stay in the cluster */
    for (size_t i = 0; i < of->n; i++)
        others = others || !probe_joins(probes[i], &of->nodes[i]);
    for (size_t i = 0; i < of->n_all; i++) {
        const bool joins = i < of->n ? probe_joins(probes[i], &of->nodes[i]) : !probes[i]->plan;
        uint32_t within_ms = first ? FIRST_ROUND_MS : SOON_MS;
        if (cluster->able && of->conf->health_check->interval_ms < within_ms)
            within_ms = of->conf->health_check->interval_ms;
        if (joins)
            probe_begin(probes[i], others ? PROBE_LATER : PROBE_FROM_START);
        probe_serve(probes[i], plan, cluster, &of->nodes[i], within_ms);
    }
}

static void take_over_group(const struct prober_cluster *before, struct prober_cluster *now)
{
    now->group = before->group;
    if (!prober_same_way(before->cluster->conf, now->cluster->conf))
        now->group.any_answer = false;
}

/* Copy the state of each cluster, such as panic mode, to the cluster of the same name. */
static void take_over_groups(const struct prober_plan *before, struct prober_plan *plan)
{
    for (size_t i = 0; before && i < before->snapshot->config->n_clusters; i++)
        for (size_t k = 0; k < plan->snapshot->config->n_clusters; k++)
            if (strcmp(before->clusters[i].cluster->conf->name,
                       plan->clusters[k].cluster->conf->name) == 0)
                take_over_group(&before->clusters[i], &plan->clusters[k]);
}

bool prober_take(struct prober *prober, struct snapshot *snapshot, bool first)
{
    const size_t n = count_nodes(snapshot);
    struct prober_plan *plan = prober_plan_new(snapshot, &prober->library, prober->place.log);
    struct probe **probes = plan ? gather(prober, snapshot, n) : NULL;
    if (!probes) {
        prober_plan_unref(plan);
        return false;
    }
    ev_now_update(prober->place.loop); /* timers start from the loop's time */
    replace_probes(prober, probes, n);
    take_over_groups(prober->plan, plan);
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        serve_cluster(probes, plan, &plan->clusters[i], first);
        update_panic(prober, &plan->clusters[i], probes);
        probes += snapshot->clusters[i].n_all;
    }
    prober_plan_unref(prober->plan);
    prober->plan = plan;
    tick_fast(prober);
    for (size_t i = 0; i < n; i++)
        probe_settle(prober->probes[i]);
    return true;
}

bool prober_override(struct prober *prober, const char *cluster, const char *node,
                     enum node_state state)
{
    for (size_t i = 0; i < prober->n; i++) {
        struct probe *p = prober->probes[i];
        if (strcmp(p->live->name, node) != 0 || strcmp(p->live->cluster, cluster) != 0)
            continue;
        probe_override(p, state);
        on_verdict_changed(prober, p);
        return true;
    }
    return false;
}

bool prober_read(const struct prober *prober, const struct node_live *live,
                 struct prober_facts *out)
{
    size_t hint = 0;
    const struct probe *p = prober->n ? find(prober, live, &hint) : NULL;
    if (!p)
        return false;
    *out = (struct prober_facts){.admin_state = p->health.admin_state,
                                 .in_file = p->configured,
                                 .has_checks = p->cluster && p->cluster->able,
                                 .checked = p->health.checked,
                                 .latest = p->health.latest,
                                 .checked_us = p->checked_us,
                                 .suspected = p->health.panic && health_is_suspected(&p->health),
                                 .unanswered = p->unanswered,
                                 .unreachable = p->health.latest >= CHECK_TIMEOUT &&
                                                p->contact == CHECK_UNREACHED};
    char text[PROBE_WHY_MAX];
    (void)snprintf(out->why, sizeof(out->why), "%s", probe_why(p, text));
    memcpy(out->checks, p->checks, sizeof(out->checks));
    return true;
}

bool prober_panics(const struct prober *prober, size_t cluster)
{
    return prober->plan && cluster < prober->plan->snapshot->config->n_clusters &&
           prober->plan->clusters[cluster].group.panic;
}

/* ---- create and free ---- */

struct prober *prober_new(struct ev_loop *loop, struct node_registry *registry, struct log *log,
                          uint64_t boot_id, const struct prober_callbacks *callbacks)
{
    struct prober *prober = calloc(1, sizeof(*prober));
    if (!prober)
        return NULL;
    prober->place = (struct prober_place){.loop = loop,
                                          .registry = registry,
                                          .log = log,
                                          .callbacks = *callbacks,
                                          .verdict_changed = on_verdict_changed,
                                          .arg = prober,
                                          .client_numbers = boot_id % CLIENT_ID_SPACE,
                                          .random = boot_id | 1u};
    ev_timer_init(&prober->tick, on_tick, TICK_S, TICK_S);
    return prober;
}

void prober_free(struct prober *prober)
{
    if (!prober)
        return;
    ev_timer_stop(prober->place.loop, &prober->tick);
    for (size_t i = 0; i < prober->n; i++)
        probe_free(prober->probes[i]);
    free(prober->probes);
    prober_plan_unref(prober->plan);
    tls_library_free(prober->library);
    free(prober);
}
