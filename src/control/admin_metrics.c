/*
 * admin_metrics.c - GET /metrics, for Prometheus.
 *
 * A few relaxed loads of each worker's counters, no lock, no question to them. Labels are names of
 * the configuration or of DNS, and words of our own tables: nothing a device says is among them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin_health.h"
#include "admin_house.h"
#include "admin_routes.h"
#include "base/clock.h"
#include "gauges.h"
#include "key_shares.h"
#include "metrics_text.h"
#include "net/tls_context.h"
#include "ports_watch.h"
#include "proxy/admission.h"

static const uint32_t bounds_us[] = {
#define X(us) us,
    HISTOGRAM_BOUNDS(X)
#undef X
};

static void put_one(struct metrics_text *m, const char *name, enum metric_type type,
                    const char *help, double value)
{
    metrics_family(m, name, type, help);
    metrics_sample(m, value);
}

/* ---- the process ---- */

static double unix_s(uint64_t monotonic_us)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
           (double)(clock_monotonic_us() - monotonic_us) / 1e6;
}

/* 0 when the system does not say. */
static double resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void put_process(struct metrics_text *m, const struct admin_house *house)
{
    struct timespec cpu = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    metrics_family(m, "build_info", METRIC_GAUGE, "What is running.");
    metrics_label(m, "version", MQTT_ROUTER_VERSION);
    metrics_sample(m, 1);
    put_one(m, "process_start_time_seconds", METRIC_GAUGE, "When it was started, since 1970.",
            unix_s(house->started_us));
    put_one(m, "process_cpu_seconds_total", METRIC_COUNTER, "Processor time used.",
            (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    put_one(m, "process_resident_memory_bytes", METRIC_GAUGE, "Memory held, as the system counts.",
            resident_bytes());
}

static void put_life(struct metrics_text *m, const struct admin_house *house)
{
    const struct service *service = house->service;
    bool ready;
    json_decref(admin_readiness(house, &ready));
    put_one(m, "ready", METRIC_GAUGE, "1 while devices should be sent here: as /readyz.", ready);
    put_one(m, "config_loaded_timestamp_seconds", METRIC_GAUGE,
            "When the configuration was last taken up, since 1970.", unix_s(service->loaded_us));
    put_one(m, "config_last_reload_successful", METRIC_GAUGE,
            "0 when the file has faults, and is not what is served by.", !service->reload_failed);
    put_one(m, "config_reload_failures_total", METRIC_COUNTER, "Reloads that changed nothing.",
            (double)service->reloads_failed);
    put_one(m, "ports_low_total", METRIC_COUNTER, "Times local ports to a node ran low.",
            (double)ports_watch_warnings(house->ports));
    put_one(m, "log_lines_dropped_total", METRIC_COUNTER, "Lines lost because nobody read them.",
            (double)log_dropped(service->log));
    put_one(m, "log_lines_suppressed_total", METRIC_COUNTER,
            "Lines not written: log.max_lines_per_s.", (double)log_suppressed(service->log));
}

/* ---- doors ---- */

static void put_listeners(struct metrics_text *m, const struct snapshot *snapshot)
{
    metrics_family(m, "connections", METRIC_GAUGE, "Open connections of devices.");
    for (size_t i = 0; i < snapshot->config->n_listeners; i++) {
        const struct listener_live *live = snapshot->listeners[i];
        metrics_label(m, "listener", live->name);
        metrics_sample(m, atomic_load_explicit(&live->connections, memory_order_relaxed));
    }
    metrics_family(m, "accepted_connections_total", METRIC_COUNTER, "Connections accepted.");
    for (size_t i = 0; i < snapshot->config->n_listeners; i++) {
        const struct listener_live *live = snapshot->listeners[i];
        metrics_label(m, "listener", live->name);
        metrics_sample(m, (double)atomic_load_explicit(&live->accepted, memory_order_relaxed));
    }
}

static void put_certificate(void *arg, const struct tls_calendar_entry *entry)
{
    metrics_label(arg, "file", entry->file);
    metrics_label(arg, "subject", entry->name);
    metrics_sample(arg, (double)entry->not_after);
}

/* ---- sessions ---- */

static void put_sessions(struct metrics_text *m, const struct gauges *gauges)
{
    metrics_family(m, "sessions", METRIC_GAUGE, "Sessions by the stage they are in.");
    for (int state = 0; state < SESSION_CLOSED; state++) {
        metrics_label(m, "stage", session_state_word((enum session_state)state));
        metrics_sample(m, (double)gauges->in_state[state]);
    }
    metrics_family(m, "sessions_closed_total", METRIC_COUNTER, "Sessions ended, by reason.");
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        const struct close_reason_row *row = close_reason_row((enum close_reason)reason);
        metrics_label(m, "reason", row->word);
        metrics_label(m, "closed_by", closed_by_word(row->by));
        metrics_sample(m, (double)gauges->closed[reason]);
    }
    metrics_family(m, "relayed_bytes_total", METRIC_COUNTER, "Bytes between devices and nodes.");
    metrics_label(m, "direction", "to_node");
    metrics_sample(m, (double)gauges->bytes_up);
    metrics_label(m, "direction", "to_device");
    metrics_sample(m, (double)gauges->bytes_down);
}

static void put_counts(struct metrics_text *m, const struct admin_house *house,
                       const struct gauges *gauges)
{
    static const struct {
        const char *word, *help;
    } rows[] = {
#define X(field, word, help) {word, help},
        COUNTERS(X)
#undef X
    };
    const struct worker_shared *shared = house->service->shared;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const size_t n = strlen(rows[i].word);
        const bool total = n > 6 && strcmp(rows[i].word + n - 6, "_total") == 0;
        put_one(m, rows[i].word, total ? METRIC_COUNTER : METRIC_GAUGE, rows[i].help,
                (double)gauges->count[i]);
    }
    put_one(m, "connections_limit", METRIC_GAUGE, "limits.max_connections, as it can be kept.",
            atomic_load_explicit(&shared->max_connections, memory_order_relaxed));
    put_one(m, "relay_memory_limit_bytes", METRIC_GAUGE, "limits.relay_memory_bytes; 0: none.",
            house->service->snapshot->config->limits.relay_memory_bytes);
}

static void put_admission(struct metrics_text *m, struct admission *admission)
{
    struct admission_gauges gauges;
    admission_gauges(admission, &gauges);
    put_one(m, "admission_sources", METRIC_GAUGE, "Sources remembered.", gauges.sources);
    put_one(m, "admission_client_ids", METRIC_GAUGE, "Client identifiers remembered.",
            gauges.clients);
    put_one(m, "admission_unlimited_total", METRIC_COUNTER,
            "Connections let in because the table of sources was full.",
            (double)gauges.sources_unlimited);
    put_one(m, "admission_evictions_total", METRIC_COUNTER,
            "Entries of both tables that made room.", (double)gauges.evicted);
}

/* ---- what only the workers know ---- */

/* One counter of all workers, by its place in the struct. */
static uint64_t sum(const struct crew *crew, size_t offset)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < crew->n; i++)
        n += counter_read(
            (const counter *)((const char *)worker_counters(crew->workers[i]) + offset));
    return n;
}

static void put_connacks(struct metrics_text *m, const struct crew *crew)
{
    metrics_family(m, "connacks_total", METRIC_COUNTER,
                   "CONNACKs of nodes, passed on to devices, by code.");
    for (unsigned code = 0; code < 256; code++) {
        const size_t at =
            offsetof(struct counters, connacks) + code * sizeof(struct connack_counters);
        const uint64_t absent = sum(crew, at + offsetof(struct connack_counters, absent));
        const uint64_t present = sum(crew, at + offsetof(struct connack_counters, present));
        char text[8];
        (void)snprintf(text, sizeof(text), "%u", code);
        if (code == 0 || present > 0) {
            metrics_label(m, "code", text);
            metrics_label(m, "session_present", "true");
            metrics_sample(m, (double)present);
        }
        if (code == 0 || absent > 0) {
            metrics_label(m, "code", text);
            metrics_label(m, "session_present", "false");
            metrics_sample(m, (double)absent);
        }
    }
}

static void put_handshakes(struct metrics_text *m, const struct crew *crew)
{
    metrics_family(m, "tls_handshakes_total", METRIC_COUNTER, "TLS handshakes that succeeded.");
    metrics_label(m, "resumed", "false");
    metrics_sample(m, (double)sum(crew, offsetof(struct counters, tls_full)));
    metrics_label(m, "resumed", "true");
    metrics_sample(m, (double)sum(crew, offsetof(struct counters, tls_resumed)));
    metrics_family(m, "tls_handshake_failures_total", METRIC_COUNTER,
                   "TLS handshakes that failed, by the alert.");
    for (unsigned code = 0; code <= TLS_ALERTS; code++) {
        const uint64_t n =
            sum(crew, offsetof(struct counters, tls_failed) + code * sizeof(counter));
        if (n == 0 && code != TLS_ALERTS)
            continue;
        char number[8];
        (void)snprintf(number, sizeof(number), "%u", code);
        metrics_label(m, "alert", code == TLS_ALERTS ? "none" : tls_alert_word((uint8_t)code));
        metrics_label(m, "code", code == TLS_ALERTS ? "" : number);
        metrics_sample(m, (double)n);
    }
}

static void put_histogram(struct metrics_text *m, const struct crew *crew, size_t offset)
{
    uint64_t buckets[HISTOGRAM_BOUND_COUNT + 1];
    for (size_t i = 0; i <= HISTOGRAM_BOUND_COUNT; i++)
        buckets[i] = sum(crew, offset + offsetof(struct histogram, buckets) + i * sizeof(counter));
    metrics_histogram(m, bounds_us, buckets, HISTOGRAM_BOUND_COUNT,
                      sum(crew, offset + offsetof(struct histogram, sum_us)));
}

static void put_durations(struct metrics_text *m, const struct crew *crew)
{
    metrics_family(m, "tls_handshake_duration_seconds", METRIC_HISTOGRAM,
                   "From accept to the end of a TLS handshake that succeeded.");
    put_histogram(m, crew, offsetof(struct counters, tls_us));
    metrics_family(m, "connect_duration_seconds", METRIC_HISTOGRAM,
                   "From a whole CONNECT to the node's answer, passed on.");
    put_histogram(m, crew, offsetof(struct counters, connack_us));
    metrics_family(m, "loop_turn_seconds", METRIC_HISTOGRAM,
                   "How long others had to wait for a worker's loop.");
    for (unsigned i = 0; i < crew->n; i++) {
        const struct crew one = {.workers = &crew->workers[i], .n = 1};
        char number[12];
        (void)snprintf(number, sizeof(number), "%u", i);
        metrics_label(m, "worker", number);
        put_histogram(m, &one, offsetof(struct counters, turn_us));
    }
}

/* ---- nodes ---- */

/* One node, with what is known of it. */
struct view {
    struct metrics_text *m;
    const struct admin_house *house;
    const struct cluster *cluster;
    const struct node *node;
    const struct node_live *live;
    struct prober_facts facts;
    double key_share;
};

static void label_node(const struct view *v)
{
    metrics_label(v->m, "cluster", v->cluster->conf->name);
    metrics_label(v->m, "node", v->node->conf->name);
}

static void put_of(const struct view *v, double value)
{
    label_node(v);
    metrics_sample(v->m, value);
}

static void put_status(const struct view *v)
{
    for (int status = 0; status < NODE_STATUS_COUNT; status++) {
        label_node(v);
        metrics_label(v->m, "status", node_status_word((enum node_status)status));
        metrics_sample(v->m, node_live_status(v->live) == (enum node_status)status);
    }
}

static void put_placements(const struct view *v)
{
    for (int kind = 0; kind < PLACEMENT_KIND_COUNT; kind++) {
        label_node(v);
        metrics_label(v->m, "placement", placement_kind_word((enum placement_kind)kind));
        metrics_sample(v->m, (double)NODE_LIVE_READ(v->live->placed[kind]));
    }
}

static void put_checks(const struct view *v)
{
    static const char *const words[] = {
        [CHECK_GOOD] = "good", [CHECK_NO_NEW] = "no_new", [CHECK_BAD] = "bad"};
    for (size_t i = 0; v->facts.has_checks && i < ARRAY_LEN(words); i++) {
        label_node(v);
        metrics_label(v->m, "result", words[i]);
        metrics_sample(v->m, (double)v->facts.checks[i]);
    }
}

static void put_ports(const struct view *v)
{
    const uint64_t ports = ports_watch_ports(v->house->ports, v->cluster, v->node);
    if (ports > 0)
        put_of(v, (double)ports);
}

static void put_node_sessions(const struct view *v)
{
    put_of(v, NODE_LIVE_READ(v->live->sessions));
}

static void put_clean(const struct view *v)
{
    put_of(v, NODE_LIVE_READ(v->live->clean));
}

static void put_away(const struct view *v)
{
    put_of(v, NODE_LIVE_READ(v->live->away));
}

static void put_failures(const struct view *v)
{
    put_of(v, (double)NODE_LIVE_READ(v->live->failures));
}

static void put_weight(const struct view *v)
{
    put_of(v, v->node->weight);
}

static void put_limit(const struct view *v)
{
    put_of(v, v->node->max_connections);
}

static void put_key_share(const struct view *v)
{
    put_of(v, v->key_share);
}

static void put_overridden(const struct view *v)
{
    put_of(v, v->facts.decree != v->facts.in_file || v->node->weight != v->node->conf->weight);
}

static const struct {
    const char *name;
    enum metric_type type;
    const char *help;
    void (*put)(const struct view *v);
} node_families[] = {
    {"node_status", METRIC_GAUGE, "1 for the status a node has, 0 for the others.", put_status},
    {"node_sessions", METRIC_GAUGE, "Sessions on a node, those being placed included.",
     put_node_sessions},
    {"node_sessions_clean", METRIC_GAUGE, "Of these, relayed ones that the broker does not keep.",
     put_clean},
    {"node_sessions_away", METRIC_GAUGE, "Sessions elsewhere whose home it is.", put_away},
    {"node_sessions_limit", METRIC_GAUGE, "Its max_connections; 0: none.", put_limit},
    {"node_placements_total", METRIC_COUNTER, "Sessions placed on a node, and why there.",
     put_placements},
    {"node_failures_total", METRIC_COUNTER, "Failures of sessions that count against a node.",
     put_failures},
    {"node_checks_total", METRIC_COUNTER, "Health checks of a node, by result.", put_checks},
    {"node_weight", METRIC_GAUGE, "What a node weighs now.", put_weight},
    {"node_key_share_ratio", METRIC_GAUGE, "Share of all keys whose home it is now.",
     put_key_share},
    {"node_overridden", METRIC_GAUGE, "1 when an operator has changed its state or weight.",
     put_overridden},
    {"node_local_ports", METRIC_GAUGE, "Local ports there are for its sessions.", put_ports},
};

/* A view of every node. Null: memory is short. */
static struct view *look_at_nodes(struct metrics_text *m, const struct admin_house *house,
                                  size_t *n)
{
    struct service *service = house->service;
    const struct snapshot *snapshot = service->snapshot;
    const uint32_t *shares = key_shares_look(house->shares, service->snapshot, service->registry);
    *n = 0;
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        *n += snapshot->clusters[i].n_all;
    struct view *views = calloc(*n + 1, sizeof(*views));
    size_t at = 0;
    for (size_t i = 0; views && i < snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = &snapshot->clusters[i];
        for (size_t k = 0; k < cluster->n_all; k++) {
            const struct node *node = &cluster->nodes[k];
            struct view *v = &views[at++];
            *v = (struct view){
                .m = m, .house = house, .cluster = cluster, .node = node, .live = node->live};
            if (!prober_look(service->prober, node->live, &v->facts))
                v->facts = (struct prober_facts){0};
            v->key_share = shares && k < cluster->n ? *shares++ / 1000.0 : 0;
        }
    }
    return views;
}

static void put_nodes(struct metrics_text *m, const struct admin_house *house)
{
    size_t n;
    struct view *views = look_at_nodes(m, house, &n);
    for (size_t i = 0; views && i < ARRAY_LEN(node_families); i++) {
        metrics_family(m, node_families[i].name, node_families[i].type, node_families[i].help);
        for (size_t k = 0; k < n; k++)
            node_families[i].put(&views[k]);
    }
    free(views);
}

void admin_metrics(struct admin_call *call)
{
    const struct admin_house *house = admin_call_house(call);
    const struct service *service = house->service;
    struct metrics_text *m = metrics_text_new();
    struct gauges gauges;
    size_t n = 0;
    char *text = NULL;
    if (m) {
        gauges_sum(&service->crew, &gauges);
        put_process(m, house);
        put_life(m, house);
        put_listeners(m, service->snapshot);
        metrics_family(m, "certificate_expiry_timestamp_seconds", METRIC_GAUGE,
                       "When a certificate in use expires, since 1970.");
        tls_keeper_walk(service->tls, put_certificate, m);
        put_sessions(m, &gauges);
        put_counts(m, house, &gauges);
        put_admission(m, service->shared->admission);
        put_connacks(m, &service->crew);
        put_handshakes(m, &service->crew);
        put_durations(m, &service->crew);
        put_nodes(m, house);
        text = metrics_text_take(m, &n);
    }
    if (text)
        admin_reply_text(call, "text/plain; version=0.0.4; charset=utf-8", text, n);
    else
        admin_problem(call, 500, "out_of_memory", "memory is short");
}
