/*
 * prober_probe.c - the probe of one node: schedule its checks, and update its status.
 *
 *    next (timer) --> check running --> verdict --> settle --> record, log, changed()
 *       ^                                    |
 *       +---- interval_ms, or fast_interval_ms while the verdict is changing, +-10 %,
 *             from the start of the check
 */
#include "prober_probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define JITTER 0.1
#define SOON_S 0.1

static const struct health_check_conf *rules(const struct probe *p)
{
    return p->cluster->cluster->conf->health_check;
}

/* Return a random number in [0, 1) (xorshift64, Marsaglia 2003). Each router has its own seed. */
static double random_share(struct prober_place *place)
{
    place->random ^= place->random << 13;
    place->random ^= place->random >> 7;
    place->random ^= place->random << 17;
    return (double)(place->random >> 11) / (double)(UINT64_C(1) << 53);
}

/* ---- status ---- */

static const char *set_by(const struct probe *p)
{
    return p->by_operator ? "by an operator" : "by configuration";
}

static bool is_admin_status(enum node_status status)
{
    return status == NODE_OFF || status == NODE_DRAINING;
}

/* Whether the node accepts sessions although its checks fail. */
static bool is_kept_up(const struct probe *p)
{
    return p->health.panic && health_is_suspected(&p->health);
}

const char *probe_why(const struct probe *p, char text[PROBE_WHY_MAX])
{
    switch (node_live_status(p->live)) {
    case NODE_OFF:
    case NODE_DRAINING:
        return set_by(p);
    case NODE_EJECTED:
        (void)snprintf(text, PROBE_WHY_MAX, "%" PRIu32 " sessions failed within %" PRIu32 " ms",
                       p->failures_logged, p->cluster->cluster->conf->passive.window_ms);
        return text;
    case NODE_UP:
        if (!is_kept_up(p) && NODE_LIVE_READ(p->live->unanswered) > 0 &&
            !NODE_LIVE_READ(p->live->answered))
            return "the node has not answered any CONNECT yet: is \"proxy_protocol\" the same on "
                   "both sides?";
        if (!is_kept_up(p))
            return p->why;
        (void)snprintf(text, PROBE_WHY_MAX, "suspected: %.140s", p->why);
        return text;
    default:
        return p->why;
    }
}

/* Return the reason for a change of the status. */
static const char *reason(const struct probe *p, enum node_status status, enum node_status was,
                          char text[PROBE_WHY_MAX])
{
    if (status != NODE_UP || is_kept_up(p))
        return probe_why(p, text);
    if (is_admin_status(was))
        return set_by(p);
    if (was == NODE_EJECTED)
        return "the ejection ended";
    return rules(p) ? p->why : "the health check was removed";
}

static void log_names(struct log_line *line, const struct probe *p)
{
    log_text(line, "cluster", p->live->cluster);
    log_text(line, "node", p->live->name);
}

static void log_status(const struct probe *p, enum node_status status, enum node_status was,
                       uint64_t now_ms)
{
    const bool fine = status == NODE_UP || is_admin_status(status); /* as intended */
    char text[PROBE_WHY_MAX];
    struct log_line line;
    log_begin(&line, p->place->log, fine ? LOG_NOTICE : LOG_WARN, "node.status");
    log_names(&line, p);
    log_text(&line, "status", node_status_name(status));
    log_text(&line, "was", node_status_name(was));
    log_text(&line, "why", reason(p, status, was, text));
    if (status == NODE_EJECTED)
        log_u64(&line, "for_ms", p->health.ejected_until_ms - now_ms);
    log_u64(&line, "sessions", NODE_LIVE_READ(p->live->sessions));
    log_emit(&line);
}

/*
 * Store whether the node is suspected: workers keep the sessions that a suspected node still
 * serves.
 */
static void note_suspicion(const struct probe *p)
{
    const bool suspected = p->health.verdict == CHECK_TIMEOUT;
    atomic_store_explicit(&p->live->suspected_since_us, suspected ? p->silent_since_us : 0,
                          memory_order_relaxed);
}

void probe_settle(struct probe *p)
{
    const uint64_t now_us = clock_monotonic_us();
    note_suspicion(p);
    enum node_status was = node_live_status(p->live);
    enum node_status status = health_status(&p->health, now_us / 1000u);
    if (status == was)
        return;
    /* Stored before the status, so that readers of the status see it. No slow start in panic mode.
     */
    if (status == NODE_UP && !is_kept_up(p))
        atomic_store_explicit(&p->live->up_since_us, now_us, memory_order_relaxed);
    node_live_set_status(p->place->registry, p->live, status);
    log_status(p, status, was, now_us / 1000u);
    p->place->callbacks.changed(p->place->callbacks.arg, p->live);
}

uint32_t probe_take_failures(struct probe *p)
{
    uint64_t all = NODE_LIVE_READ(p->live->failures);
    uint64_t n = all - p->failures_seen;
    p->failures_seen = all;
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

void probe_override(struct probe *p, enum node_state state)
{
    p->health.admin_state = state;
    p->by_operator = true;
}

/* ---- checks ---- */

static void check_after(struct probe *p, double after_s)
{
    ev_timer_stop(p->place->loop, &p->next);
    ev_timer_set(&p->next, after_s > 0 ? after_s : 0., 0.);
    ev_timer_start(p->place->loop, &p->next);
}

/* Schedule the next check, one interval after the start of the last one. */
static void check_in_time(struct probe *p)
{
    const struct health_check_conf *conf = rules(p);
    uint32_t ms = health_is_changing(&p->health) ? conf->fast_interval_ms : conf->interval_ms;
    double interval_s = ms / 1000. * (1. - JITTER + 2. * JITTER * random_share(p->place));
    uint64_t since_us = clock_monotonic_us() - p->check_begun_us;
    check_after(p, interval_s - (double)since_us / 1e6);
}

/* Release the check's resources. */
static void check_over(struct probe *p)
{
    prober_plan_unref(p->check_plan);
    p->check_plan = NULL;
    p->check = NULL;
}

static void cancel_check(struct probe *p)
{
    check_cancel(p->check);
    check_over(p);
}

static void log_result(const struct probe *p, enum check_result result)
{
    struct log_line line;
    log_begin(&line, p->place->log, LOG_DEBUG, "check.done");
    log_names(&line, p);
    log_text(&line, "result", check_result_name(result));
    log_text(&line, "why", p->why);
    log_emit(&line);
}

/*
 * Note how far the check got. If the node accepts connections, but has never answered a device, and
 * no check of the cluster was ever answered, PROXY protocol may be enabled on one side only.
 */
static void note_contact(struct probe *p, const struct check_report *report)
{
    static const char hint[] = "; is \"proxy_protocol\" the same on both sides?";
    struct prober_group *group = &p->cluster->group;
    p->contact = report->contact;
    if (report->contact == CHECK_ANSWERED || report->result == CHECK_GOOD)
        group->any_answer = true;
    p->unanswered = rules(p)->type != CHECK_TYPE_HTTP && report->contact == CHECK_CONNECTED &&
                    report->result >= CHECK_TIMEOUT && !group->any_answer &&
                    !NODE_LIVE_READ(p->live->answered) && !strstr(report->why, "certificate");
    (void)snprintf(p->why, sizeof(p->why), "%.100s%s", report->why, p->unanswered ? hint : "");
}

static void on_checked(void *arg, const struct check_report *report)
{
    struct probe *p = arg;
    const enum check_result result = report->result;
    check_over(p);
    note_contact(p, report);
    p->checked_us = clock_monotonic_us();
    p->checks[result]++;
    log_result(p, result);
    if (result == CHECK_TIMEOUT && p->health.latest != CHECK_TIMEOUT)
        p->silent_since_us = p->check_begun_us;
    const bool changed = health_check_done(&p->health, rules(p), result);
    check_in_time(p);
    if (changed)
        p->place->verdict_changed(p->place->arg, p);
    else
        probe_settle(p);
}

/* Return the next source address of the right family; null = none. */
static const struct address *next_source(struct probe *p)
{
    const struct cluster *cluster = p->cluster->cluster;
    for (size_t i = 0; i < cluster->n_sources; i++) {
        const struct address *source = &cluster->sources[p->turn++ % cluster->n_sources];
        if (source->sa.sa_family == p->check_endpoint.address.sa.sa_family)
            return source;
    }
    return NULL;
}

/* Handle a check that could not start because the router lacks a resource. */
static void not_started(struct probe *p)
{
    check_in_time(p);
    if (p->shortage_logged)
        return;
    p->shortage_logged = true;
    struct log_line line;
    log_begin(&line, p->place->log, LOG_WARN, "check.not_started");
    log_names(&line, p);
    log_text(&line, "why", "out of memory, file descriptors or local ports");
    log_emit(&line);
}

/* Whether the current snapshot contains the node only as a removed one. */
static bool is_removed(const struct probe *p)
{
    const struct cluster *cluster = p->cluster->cluster;
    return p->node >= cluster->nodes + cluster->n;
}

static void begin_check(struct probe *p)
{
    const struct cluster_conf *conf = p->cluster->cluster->conf;
    if (is_removed(p) && NODE_LIVE_READ(p->live->sessions) == 0) {
        /* no check is needed now, but a session placed with the old snapshot may still arrive */
        check_after(p, rules(p)->interval_ms / 1000.);
        return;
    }
    if (p->check || !prober_endpoint(conf, p->node, &p->check_endpoint))
        return;
    const struct check_target target = {.conf = conf,
                                        .endpoint = &p->check_endpoint,
                                        .source = next_source(p),
                                        .tls = p->cluster->tls,
                                        .client_id = p->client_id,
                                        .username = conf->health_check->username,
                                        .password = p->cluster->password.text};
    p->check_begun_us = clock_monotonic_us();
    p->check = check_start(p->place->loop, &target, on_checked, p);
    if (!p->check) {
        not_started(p);
        return;
    }
    p->check_plan = prober_plan_ref(p->plan);
    p->shortage_logged = false;
}

static void on_next(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    begin_check(CONTAINER_OF(timer, struct probe, next));
}

/* ---- plans ---- */

/* Write "mqtt-router-" and eleven digits: unique in this router, random among routers. */
static void name_client(char client_id[PROBE_CLIENT_ID_MAX], uint64_t number)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz", prefix[] = "mqtt-router-";
    memcpy(client_id, prefix, sizeof(prefix));
    for (size_t i = sizeof(prefix) - 1; i < PROBE_CLIENT_ID_MAX - 1; i++) {
        client_id[i] = digits[number % 36u];
        number /= 36u;
    }
    client_id[PROBE_CLIENT_ID_MAX - 1] = '\0';
}

struct probe *probe_new(struct prober_place *place, struct node_live *live)
{
    struct probe *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->place = place;
    p->live = live;
    name_client(p->client_id, place->client_numbers++);
    ev_timer_init(&p->next, on_next, 0., 0.);
    return p;
}

void probe_free(struct probe *p)
{
    if (!p)
        return;
    ev_timer_stop(p->place->loop, &p->next);
    cancel_check(p);
    prober_plan_unref(p->plan);
    free(p);
}

bool probe_joins(const struct probe *p, const struct node *node)
{
    return !p->plan || is_removed(p) || !endpoint_equal(&p->node->endpoint, &node->endpoint);
}

void probe_begin(struct probe *p, enum probe_begin how)
{
    uint64_t since_us = how == PROBE_FROM_START ? 0 : clock_monotonic_us();
    p->failures_seen = NODE_LIVE_READ(p->live->failures);
    atomic_store_explicit(&p->live->up_since_us, since_us, memory_order_relaxed);
    p->rejoins = p->plan;
    if (p->rejoins)
        health_renew(&p->health);
    else if (node_live_status(p->live) != NODE_UP) /* the status is from an earlier snapshot */
        node_live_set_status(p->place->registry, p->live, NODE_UP);
}

/* Stop the checks of a node that no longer has any. */
static void end_checks(struct probe *p)
{
    ev_timer_stop(p->place->loop, &p->next);
    cancel_check(p);
    health_forget_checks(&p->health); /* no later check could change the verdict */
}

/*
 * Check the node soon if it joins again or its check address has changed. A shorter interval takes
 * effect now. Both are spread in time, because a reload affects many nodes.
 */
static void go_on_checking(struct probe *p, const struct endpoint *before)
{
    struct endpoint now;
    double interval_s = rules(p)->interval_ms / 1000.;
    if (!prober_endpoint(p->cluster->cluster->conf, p->node, &now))
        return;
    if (!endpoint_equal(before, &now)) {
        cancel_check(p);
        check_after(p, random_share(p->place) * SOON_S);
    } else if (p->rejoins &&
               !p->check) { /* a check in progress gives the same result, and may take long */
        check_after(p, random_share(p->place) * SOON_S);
    } else if (!p->check &&
               ev_timer_remaining(p->place->loop, &p->next) > interval_s * (1. + JITTER)) {
        check_after(p, random_share(p->place) * interval_s);
    }
}

/*
 * Whether an operator's override is kept: until the file has another state for the node. It is also
 * kept while the node is missing in DNS, but not if it is missing in the file (overrides.h).
 */
static bool keeps_override(const struct probe *p, const struct cluster_conf *conf,
                           enum node_state configured)
{
    return p->plan && configured == p->configured &&
           (!p->rejoins || !is_removed(p) || conf->discovery);
}

static void take_configured_state(struct probe *p, enum node_state configured)
{
    p->configured = p->health.admin_state = configured;
    p->by_operator = false;
}

void probe_serve(struct probe *p, struct prober_plan *plan, struct prober_cluster *cluster,
                 const struct node *node, uint32_t within_ms)
{
    struct prober_plan *old = p->plan;
    struct endpoint before;
    bool checked =
        old && p->cluster->able && prober_endpoint(p->cluster->cluster->conf, p->node, &before);
    if (!keeps_override(p, cluster->cluster->conf, node->conf->state))
        take_configured_state(p, node->conf->state);
    p->plan = prober_plan_ref(plan);
    p->cluster = cluster;
    p->node = node;
    p->live = node->live;
    if (!cluster->able)
        end_checks(p);
    else if (checked)
        go_on_checking(p, &before);
    else {
        if (old && !p->rejoins) /* it had no checks before: one bad check must not be decisive */
            health_presume_good(&p->health);
        check_after(p, random_share(p->place) * within_ms / 1000.);
    }
    p->rejoins = false;
    prober_plan_unref(old);
}
