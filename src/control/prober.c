/*
 * prober.c - the health of all nodes, on the main loop.
 *
 *    configuration, operator --decree--.
 *    timer -> check_start() -> result --+--> struct health --> status --> live record, log,
 *    tick  -> failures counted --------'     (the rules)                  changed()
 *
 * A check under way may outlive the snapshot it was begun by; what it borrows is held by its
 * ward, the part of a snapshot that checks need of a cluster.
 */
#include "prober.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "check.h"
#include "model/health.h"
#include "net/tls_client.h"

#define TICK_S            0.1
#define FIRST_ROUND_S     1.0 /* over which a router's first checks are spread, at most */
#define NEW_NODE_S        0.1 /* within which a later node is checked */
#define NO_DESCRIPTOR_S   1.0 /* until a check is tried again that could not begin */
#define WHY_MAX           160u
#define CLIENT_ID_PREFIX  "mqtt-router-"
#define CLIENT_ID_MAX     23u /* what every server has to take [MQTT-3.1.3-5] */
#define PASSWORD_LINE_MAX 1024u

/* What checks of a cluster's nodes need. */
struct ward {
    unsigned refs;
    struct snapshot *snapshot; /* a reference */
    const struct cluster *cluster;
    struct tls_client_context *tls; /* owned; null = plain */
    char *password;                 /* owned; null = none */
    size_t out;                     /* nodes that take no new sessions; counted each tick */
};

/* One node under watch. */
struct watched {
    struct prober *prober;
    struct ward *ward; /* a reference: as the present snapshot has it */
    const struct node *node;
    struct node_live *live; /* a reference */
    struct health health;
    enum node_status status;
    enum node_state configured; /* the decree of the configuration */
    uint64_t failures_seen;
    char client_id[CLIENT_ID_MAX + 1];
    struct ev_timer due;

    struct check *check;     /* under way; null = none */
    struct ward *check_ward; /* a reference: what it borrows */
    struct endpoint target;  /* the same */
};

struct prober {
    struct ev_loop *loop;
    struct node_registry *registry;
    struct log *log;
    uint64_t next_id; /* of a client identifier */
    void (*changed)(void *arg, struct node_live *live);
    void *arg;
    struct tls_library *library;
    struct ev_timer tick;
    struct snapshot *snapshot; /* a reference; null before the first */
    struct ward **wards;       /* one for each of its clusters, references */
    struct watched **nodes;    /* of all clusters, in order; owned */
    size_t n_nodes;
};

static uint64_t now_ms(void)
{
    return clock_monotonic_us() / 1000u;
}

/* 0 <= x < 1 */
static double chance(void)
{
    return arc4random() / 4294967296.0;
}

/* ---- wards ---- */

static void ward_unref(struct ward *ward)
{
    if (!ward || --ward->refs > 0)
        return;
    tls_client_context_free(ward->tls);
    if (ward->password)
        explicit_bzero(ward->password, strlen(ward->password));
    free(ward->password);
    snapshot_unref(ward->snapshot);
    free(ward);
}

static void say_trouble(struct log *log, const struct cluster *cluster, const char *error)
{
    struct log_line line;
    log_begin(&line, log, LOG_ERROR, "check.trouble");
    log_text(&line, "cluster", cluster->conf->name);
    log_text(&line, "error", error);
    log_emit(&line);
}

/* The first line of a file; null when there is none to be had. */
static char *read_password(const char *path)
{
    char text[PASSWORD_LINE_MAX];
    FILE *file = fopen(path, "re");
    char *password = NULL;
    if (file && fgets(text, sizeof(text), file)) {
        text[strcspn(text, "\r\n")] = '\0';
        password = strdup(text);
    }
    explicit_bzero(text, sizeof(text));
    if (file)
        (void)fclose(file);
    return password;
}

static void ward_load(struct prober *prober, struct ward *ward)
{
    const struct cluster_conf *conf = ward->cluster->conf;
    char error[TLS_ERROR_MAX];
    if (!conf->health_check)
        return;
    if (conf->tls && conf->health_check->type != CHECK_TYPE_HTTP) {
        ward->tls = tls_client_context_new(prober->library, conf->tls, error);
        if (!ward->tls)
            say_trouble(prober->log, ward->cluster, error);
    }
    if (conf->health_check->password_file) {
        ward->password = read_password(conf->health_check->password_file);
        if (!ward->password)
            say_trouble(prober->log, ward->cluster, "password_file cannot be read");
    }
}

static struct ward *ward_new(struct prober *prober, struct snapshot *snapshot, size_t cluster)
{
    struct ward *ward = calloc(1, sizeof(*ward));
    if (!ward)
        return NULL;
    ward->refs = 1;
    ward->snapshot = snapshot_ref(snapshot);
    ward->cluster = &snapshot->clusters[cluster];
    ward_load(prober, ward);
    return ward;
}

static void wards_free(struct ward **wards, size_t n)
{
    for (size_t i = 0; wards && i < n; i++)
        ward_unref(wards[i]);
    free(wards);
}

static struct ward **wards_new(struct prober *prober, struct snapshot *snapshot)
{
    const size_t n = snapshot->config->n_clusters;
    struct ward **wards = calloc(n, sizeof(*wards));
    for (size_t i = 0; wards && i < n; i++) {
        wards[i] = ward_new(prober, snapshot, i);
        if (wards[i])
            continue;
        wards_free(wards, n);
        return NULL;
    }
    return wards;
}

/* ---- statuses ---- */

static bool is_by_decree(enum node_status status)
{
    return status == NODE_DRAINING || status == NODE_OFF;
}

static void say_status(struct watched *n, enum node_status was, const char *why)
{
    const bool leaves = was == NODE_UP && !is_by_decree(n->status);
    struct log_line line;
    log_begin(&line, n->prober->log, leaves ? LOG_WARN : LOG_NOTICE, "node.status");
    log_text(&line, "cluster", n->live->cluster);
    log_text(&line, "node", n->live->name);
    log_text(&line, "status", node_status_word(n->status));
    log_text(&line, "was", node_status_word(was));
    log_text(&line, "why", why);
    if (n->status == NODE_EJECTED)
        log_u64(&line, "for_ms", n->health.ejected_until_ms - n->health.ejected_at_ms);
    log_u64(&line, "sessions", NODE_LIVE_READ(n->live->sessions));
    log_emit(&line);
}

/* Let everybody know what the rules say now, if it is news. */
static void judge(struct watched *n, const char *why)
{
    struct prober *prober = n->prober;
    enum node_status was = n->status;
    enum node_status status = health_status(&n->health, now_ms());
    if (status == was)
        return;
    n->status = status;
    if (status == NODE_UP)
        atomic_store_explicit(&n->live->up_since_us, clock_monotonic_us(), memory_order_relaxed);
    node_live_set_status(prober->registry, n->live, status);
    say_status(n, was, why);
    prober->changed(prober->arg, n->live);
}

/* ---- checks ---- */

static void schedule(struct watched *n, double after_s)
{
    struct ev_loop *loop = n->prober->loop;
    ev_timer_stop(loop, &n->due);
    if (!n->ward->cluster->conf->health_check)
        return;
    ev_timer_set(&n->due, after_s > 0 ? after_s : 0, 0);
    ev_timer_start(loop, &n->due);
}

/* With a tenth of jitter to both sides, so that checks of many routers do not come together. */
static void schedule_next(struct watched *n)
{
    const struct health_check_conf *conf = n->ward->cluster->conf->health_check;
    if (!conf)
        return;
    double ms = health_is_changing(&n->health) ? conf->fast_interval_ms : conf->interval_ms;
    schedule(n, ms / 1000.0 * (0.9 + 0.2 * chance()));
}

static void forget_check(struct watched *n)
{
    check_cancel(n->check);
    n->check = NULL;
    ward_unref(n->check_ward);
    n->check_ward = NULL;
}

static const char *result_word(enum check_result result)
{
    return result == CHECK_GOOD ? "good" : result == CHECK_NO_NEW ? "no_new" : "bad";
}

static void on_checked(void *arg, enum check_result result, const char *why)
{
    struct watched *n = arg;
    const struct health_check_conf *conf = n->ward->cluster->conf->health_check;
    char words[WHY_MAX];
    (void)snprintf(words, sizeof(words), "%s", why);
    n->check = NULL;
    ward_unref(n->check_ward);
    n->check_ward = NULL;

    struct log_line line;
    log_begin(&line, n->prober->log, LOG_DEBUG, "check.done");
    log_text(&line, "cluster", n->live->cluster);
    log_text(&line, "node", n->live->name);
    log_text(&line, "result", result_word(result));
    log_text(&line, "why", words);
    log_emit(&line);
    if (!conf)
        return; /* a reload took the checks away meanwhile */
    (void)health_check_done(&n->health, conf, result);
    judge(n, words);
    schedule_next(n);
}

/* The first source address of the target's family: ports are scarce where there are any. */
static const struct address *source_for(const struct cluster *cluster,
                                        const struct endpoint *target)
{
    for (size_t i = 0; i < cluster->n_sources; i++)
        if (cluster->sources[i].sa.sa_family == target->address.sa.sa_family)
            return &cluster->sources[i];
    return NULL;
}

static void on_due(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct watched *n = timer->data;
    const struct health_check_conf *conf = n->ward->cluster->conf->health_check;
    const struct cluster *cluster = n->ward->cluster;
    if (n->check || !conf)
        return;
    const struct check_target target = {
        .conf = cluster->conf,
        .endpoint = &n->target,
        .source = source_for(cluster, &n->target),
        .tls = n->ward->tls,
        .client_id = n->client_id,
        .username = conf->username,
        .password = n->ward->password,
    };
    n->check = check_start(loop, &target, on_checked, n);
    if (!n->check) {
        schedule(n, NO_DESCRIPTOR_S);
        return;
    }
    n->ward->refs++;
    n->check_ward = n->ward;
}

/* Where checks of a node go. */
static struct endpoint target_of(const struct cluster *cluster, const struct node *node)
{
    const struct health_check_conf *conf = cluster->conf->health_check;
    struct endpoint target = node->endpoint;
    if (!conf)
        return target;
    if (node->conf->check_address) {
        /* the configuration's check has read it */
        (void)!endpoint_parse(node->conf->check_address, false, &target);
        return target;
    }
    if (conf->type == CHECK_TYPE_HTTP && target.address.sa.sa_family == AF_INET6)
        target.address.in6.sin6_port = htons((uint16_t)conf->port);
    else if (conf->type == CHECK_TYPE_HTTP && target.address.sa.sa_family == AF_INET)
        target.address.in.sin_port = htons((uint16_t)conf->port);
    return target;
}

/* ---- ticks ---- */

/* Failures of real sessions since the last look. */
static uint32_t new_failures(struct watched *n)
{
    uint64_t total = NODE_LIVE_READ(n->live->failures);
    uint64_t fresh = total - n->failures_seen;
    n->failures_seen = total;
    return fresh > UINT32_MAX ? UINT32_MAX : (uint32_t)fresh;
}

static void count_out(struct prober *prober)
{
    for (size_t i = 0; i < prober->snapshot->config->n_clusters; i++)
        prober->wards[i]->out = 0;
    for (size_t i = 0; i < prober->n_nodes; i++)
        prober->nodes[i]->ward->out += prober->nodes[i]->status != NODE_UP;
}

static void look_at(struct watched *n)
{
    const struct passive_conf *conf = &n->ward->cluster->conf->passive;
    bool may_eject = health_may_eject(conf, n->ward->cluster->n, n->ward->out);
    if (!health_sessions_failed(&n->health, conf, new_failures(n), now_ms(), may_eject)) {
        judge(n, "its time out is over");
        return;
    }
    char why[WHY_MAX];
    (void)snprintf(why, sizeof(why), "%u sessions failed within %u ms", conf->failures,
                   conf->window_ms);
    judge(n, why);
    n->ward->out += n->status != NODE_UP;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct prober *prober = timer->data;
    if (!prober->snapshot)
        return;
    count_out(prober);
    for (size_t i = 0; i < prober->n_nodes; i++)
        look_at(prober->nodes[i]);
}

/* ---- which nodes ---- */

/* 11 characters of [0-9a-z] that no other router, and no other node of ours, has. */
static void make_client_id(struct prober *prober, char *out)
{
    uint64_t x = prober->next_id += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9); /* splitmix64: neighbours look unlike */
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    size_t at = strlen(CLIENT_ID_PREFIX);
    memcpy(out, CLIENT_ID_PREFIX, at);
    for (; at < CLIENT_ID_MAX; at++, x /= 36)
        out[at] = "0123456789abcdefghijklmnopqrstuvwxyz"[x % 36];
    out[at] = '\0';
}

static struct watched *watched_new(struct prober *prober, struct node_live *live)
{
    struct watched *n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    node_live_ref(live);
    n->prober = prober;
    n->live = live;
    n->failures_seen = NODE_LIVE_READ(live->failures);
    make_client_id(prober, n->client_id);
    ev_init(&n->due, on_due);
    n->due.data = n;
    return n;
}

static void watched_free(struct watched *n)
{
    ev_timer_stop(n->prober->loop, &n->due);
    forget_check(n);
    ward_unref(n->ward);
    node_live_unref(n->live);
    free(n);
}

static struct watched *find(const struct prober *prober, const struct node_live *live)
{
    for (size_t i = 0; i < prober->n_nodes; i++)
        if (prober->nodes[i]->live == live)
            return prober->nodes[i];
    return NULL;
}

static size_t count_nodes(const struct snapshot *snapshot)
{
    size_t n = 0;
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        n += snapshot->clusters[i].n;
    return n;
}

/* A list for the snapshot: known nodes, and new ones, which have no ward yet. */
static struct watched **list_nodes(struct prober *prober, const struct snapshot *snapshot)
{
    size_t at = 0;
    struct watched **list = calloc(count_nodes(snapshot) + 1, sizeof(*list));
    for (size_t i = 0; list && i < snapshot->config->n_clusters; i++) {
        for (size_t k = 0; k < snapshot->clusters[i].n; k++) {
            struct node_live *live = snapshot->clusters[i].nodes[k].live;
            list[at] = find(prober, live);
            if (!list[at])
                list[at] = watched_new(prober, live);
            if (list[at++])
                continue;
            for (size_t j = 0; j + 1 < at; j++)
                if (!list[j]->ward)
                    watched_free(list[j]);
            free(list);
            return NULL;
        }
    }
    return list;
}

static void begin_watch(struct watched *n, bool first)
{
    const struct health_check_conf *conf = n->ward->cluster->conf->health_check;
    double within_s = NEW_NODE_S;
    if (first && conf)
        within_s =
            conf->interval_ms / 1000.0 < FIRST_ROUND_S ? conf->interval_ms / 1000.0 : FIRST_ROUND_S;
    if (!first)
        atomic_store_explicit(&n->live->up_since_us, clock_monotonic_us(), memory_order_relaxed);
    node_live_set_status(n->prober->registry, n->live, n->status); /* a record may be older */
    schedule(n, within_s * chance());
}

/* The node as the snapshot has it. */
static void update(struct watched *n, struct ward *ward, const struct node *node, bool first)
{
    struct ward *old = n->ward;
    struct endpoint target = target_of(ward->cluster, node);
    bool moved = old && !endpoint_equal(&target, &n->target);
    ward->refs++;
    n->ward = ward;
    n->node = node;
    if (moved)
        forget_check(n);
    n->target = target; /* the same while a check is under way */
    if (!old || n->configured != node->conf->state)
        n->health.decree = n->configured = node->conf->state;
    if (!ward->cluster->conf->health_check) {
        forget_check(n);
        health_forget_checks(&n->health);
    }
    if (!old)
        begin_watch(n, first);
    else if (moved || (!n->check && !ev_is_active(&n->due)))
        schedule(n, NEW_NODE_S * chance());
    ward_unref(old);
    judge(n, "by configuration");
}

static void drop_missing(struct prober *prober, struct watched *const *list, size_t n)
{
    for (size_t i = 0; i < prober->n_nodes; i++) {
        size_t k = 0;
        while (k < n && list[k] != prober->nodes[i])
            k++;
        if (k == n)
            watched_free(prober->nodes[i]);
    }
    free(prober->nodes);
}

bool prober_take(struct prober *prober, struct snapshot *snapshot, bool first)
{
    struct ward **wards = wards_new(prober, snapshot);
    struct watched **list = wards ? list_nodes(prober, snapshot) : NULL;
    if (!list) {
        wards_free(wards, snapshot->config->n_clusters);
        return false;
    }
    struct snapshot *old = prober->snapshot;
    struct ward **old_wards = prober->wards;
    size_t n_nodes = count_nodes(snapshot), at = 0;
    drop_missing(prober, list, n_nodes);
    prober->nodes = list;
    prober->n_nodes = n_nodes;
    prober->wards = wards;
    prober->snapshot = snapshot_ref(snapshot);
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        for (size_t k = 0; k < snapshot->clusters[i].n; k++)
            update(list[at++], wards[i], &snapshot->clusters[i].nodes[k], first);
    if (old)
        wards_free(old_wards, old->config->n_clusters);
    snapshot_unref(old);
    return true;
}

/* ---- life ---- */

struct prober *prober_new(struct ev_loop *loop, struct node_registry *registry, struct log *log,
                          uint64_t boot_id, const struct prober_news *news)
{
    struct prober *prober = calloc(1, sizeof(*prober));
    if (!prober)
        return NULL;
    *prober = (struct prober){.loop = loop,
                              .registry = registry,
                              .log = log,
                              .next_id = boot_id,
                              .changed = news->changed,
                              .arg = news->arg,
                              .library = tls_library_new()};
    if (!prober->library) {
        free(prober);
        return NULL;
    }
    ev_timer_init(&prober->tick, on_tick, TICK_S, TICK_S);
    prober->tick.data = prober;
    ev_timer_start(loop, &prober->tick);
    return prober;
}

void prober_free(struct prober *prober)
{
    if (!prober)
        return;
    ev_timer_stop(prober->loop, &prober->tick);
    for (size_t i = 0; i < prober->n_nodes; i++)
        watched_free(prober->nodes[i]);
    free(prober->nodes);
    if (prober->snapshot)
        wards_free(prober->wards, prober->snapshot->config->n_clusters);
    snapshot_unref(prober->snapshot);
    tls_library_free(prober->library);
    free(prober);
}

bool prober_decree(struct prober *prober, const char *cluster, const char *node,
                   enum node_state state)
{
    for (size_t i = 0; i < prober->n_nodes; i++) {
        struct watched *n = prober->nodes[i];
        if (strcmp(n->live->cluster, cluster) != 0 || strcmp(n->live->name, node) != 0)
            continue;
        n->health.decree = state;
        judge(n, "by an operator");
        return true;
    }
    return false;
}
