/*
 * metrics.c - GET /metrics, for Prometheus.
 *
 * Costs a few relaxed loads of each worker's counters, without locks or messages to workers. Labels
 * are names from the configuration or DNS, and strings from our own tables, but never text that a
 * device has sent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/admin/call.h"
#include "control/admin/context.h"
#include "control/admin/readiness.h"
#include "control/health/ports_watch.h"
#include "control/service/gauges.h"
#include "control/tls/keeper.h"
#include "metrics.h"
#include "proxy/admission/admission.h"
#include "text.h"

static void put_one(struct metrics_text *m, const char *name, enum metric_type type,
                    const char *help, double value)
{
    metrics_family(m, name, type, help);
    metrics_sample(m, value);
}

/* ---- the process ---- */

/* Returns 0 if it cannot be read. */
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

static void put_process(struct metrics_text *m, const struct admin_context *context)
{
    struct timespec cpu = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    metrics_family(m, "build_info", METRIC_GAUGE, "Version of the running router.");
    metrics_label(m, "version", MQTT_ROUTER_VERSION);
    metrics_sample(m, 1);
    put_one(m, "process_start_time_seconds", METRIC_GAUGE, "Start time, as a Unix timestamp.",
            (double)context->started_unix_ms / 1e3);
    put_one(m, "process_cpu_seconds_total", METRIC_COUNTER, "CPU time used, user and system.",
            (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    put_one(m, "process_resident_memory_bytes", METRIC_GAUGE, "Resident memory size.",
            resident_bytes());
}

static void put_life(struct metrics_text *m, const struct admin_context *context)
{
    const struct service *service = context->service;
    bool ready;
    json_decref(admin_readiness(context, ADMIN_ANY_LISTENER, 0, &ready));
    put_one(m, "ready", METRIC_GAUGE,
            "1 if this router is ready for devices, as reported by /readyz.", ready);
    put_one(m, "config_loaded_timestamp_seconds", METRIC_GAUGE,
            "Time of the last successful load of the configuration, as a Unix timestamp.",
            (double)service->loaded_unix_ms / 1e3);
    put_one(
        m, "config_last_reload_successful", METRIC_GAUGE,
        "0 if the last reload failed and the previous configuration is still in use, otherwise 1.",
        !service->reload_failed);
    put_one(m, "config_reload_failures_total", METRIC_COUNTER,
            "Failed reloads, which changed nothing.", (double)service->reloads_failed);
    put_one(m, "ports_low_total", METRIC_COUNTER,
            "Number of times that the local ports for connections to a node ran low.",
            (double)ports_watch_warnings(context->ports));
    put_one(m, "log_lines_dropped_total", METRIC_COUNTER,
            "Log lines lost because the log was not read fast enough.",
            (double)log_dropped(service->log));
    put_one(m, "log_lines_suppressed_total", METRIC_COUNTER,
            "Log lines not written because of log.max_lines_per_s.",
            (double)log_suppressed(service->log));
}

/* ---- listeners ---- */

static void put_listeners(struct metrics_text *m, const struct snapshot *snapshot)
{
    metrics_family(m, "connections", METRIC_GAUGE, "Open connections of each current listener.");
    for (size_t i = 0; i < snapshot->config->n_listeners; i++) {
        const struct listener_live *live = snapshot->listeners[i];
        metrics_label(m, "listener", live->name);
        metrics_sample(m, atomic_load_explicit(&live->connections, memory_order_relaxed));
    }
    metrics_family(m, "accepted_connections_total", METRIC_COUNTER,
                   "Connections accepted by each current listener.");
    for (size_t i = 0; i < snapshot->config->n_listeners; i++) {
        const struct listener_live *live = snapshot->listeners[i];
        metrics_label(m, "listener", live->name);
        metrics_sample(m, (double)atomic_load_explicit(&live->accepted, memory_order_relaxed));
    }
}

/* The calendar's entries of the kinds first..last, borrowed. */
struct certificates {
    const struct tls_calendar_entry **list; /* owned; null: out of memory */
    size_t n;
    enum tls_validity_kind first, last;
};

static void gather(void *arg, const struct tls_calendar_entry *entry)
{
    struct certificates *all = arg;
    if (entry->kind < all->first || entry->kind > all->last)
        return;
    const struct tls_calendar_entry **longer =
        realloc(all->list, (all->n + 1) * sizeof(const struct tls_calendar_entry *));
    if (!longer)
        return;
    all->list = longer;
    longer[all->n++] = entry;
}

static bool same_labels(const struct tls_calendar_entry *a, const struct tls_calendar_entry *b)
{
    return strcmp(a->file, b->file) == 0 && strcmp(a->name, b->name) == 0;
}

/* If several certificates in a file have the same name, export the one that expires first. */
static void put_expiry(struct metrics_text *m, const struct tls_keeper *tls,
                       struct certificates all, const char *name_label)
{
    tls_keeper_walk(tls, gather, &all);
    for (size_t i = 0; i < all.n; i++) {
        time_t first = all.list[i]->not_after;
        bool done = false;
        for (size_t k = 0; k < all.n; k++) {
            if (!same_labels(all.list[i], all.list[k]))
                continue;
            done = done || k < i;
            first = all.list[k]->not_after < first ? all.list[k]->not_after : first;
        }
        if (done)
            continue;
        metrics_label(m, "file", all.list[i]->file);
        metrics_label(m, name_label, all.list[i]->name);
        metrics_sample(m, (double)first);
    }
    free(all.list);
}

static void put_tls(struct metrics_text *m, const struct tls_keeper *tls)
{
    metrics_family(m, "certificate_expiry_timestamp_seconds", METRIC_GAUGE,
                   "Expiry time of a certificate in use, as a Unix timestamp.");
    put_expiry(
        m, tls,
        (struct certificates){.first = TLS_VALIDITY_CERTIFICATE, .last = TLS_VALIDITY_AUTHORITY},
        "subject");
    metrics_family(m, "crl_expires_timestamp_seconds", METRIC_GAUGE,
                   "Expiry time of a revocation list in use, as a Unix timestamp. From then on, "
                   "every device with a certificate of this issuer is rejected.");
    put_expiry(m, tls, (struct certificates){.first = TLS_VALIDITY_CRL, .last = TLS_VALIDITY_CRL},
               "issuer");
    metrics_family(m, "ocsp_response_expires_timestamp_seconds", METRIC_GAUGE,
                   "Expiry time of a stapled OCSP response, as a Unix timestamp. From then on, the "
                   "response is not stapled.");
    put_expiry(m, tls, (struct certificates){.first = TLS_VALIDITY_OCSP, .last = TLS_VALIDITY_OCSP},
               "subject");
    put_one(m, "tls_files_not_served", METRIC_GAUGE,
            "TLS files on disk that differ from those in use because loading them failed.",
            (double)tls_keeper_unserved(tls));
}

/* ---- sessions ---- */

static void put_sessions(struct metrics_text *m, const struct gauges *gauges)
{
    metrics_family(m, "sessions", METRIC_GAUGE, "Sessions by stage.");
    for (int state = 0; state < SESSION_CLOSED; state++) {
        metrics_label(m, "stage", session_state_name((enum session_state)state));
        metrics_sample(m, (double)gauges->in_state[state]);
    }
    metrics_family(m, "sessions_closed_total", METRIC_COUNTER, "Sessions closed, by reason.");
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        const struct close_reason_row *row = close_reason_row((enum close_reason)reason);
        metrics_label(m, "reason", row->name);
        metrics_label(m, "closed_by", closed_by_name(row->by));
        metrics_sample(m, (double)gauges->closed[reason]);
    }
    metrics_family(
        m, "relayed_bytes_total", METRIC_COUNTER,
        "Bytes relayed between devices and nodes, including the CONNECT of refused devices.");
    metrics_label(m, "direction", "to_node");
    metrics_sample(m, (double)gauges->bytes_up);
    metrics_label(m, "direction", "to_device");
    metrics_sample(m, (double)gauges->bytes_down);
}

static void put_counts(struct metrics_text *m, const struct admin_context *context,
                       const struct gauges *gauges)
{
    static const struct {
        const char *word, *help;
    } rows[] = {
#define X(field, word, help) {word, help},
        COUNTERS(X)
#undef X
    };
    const struct worker_shared *shared = context->service->shared;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const size_t n = strlen(rows[i].word);
        const bool total = n > 6 && strcmp(rows[i].word + n - 6, "_total") == 0;
        put_one(m, rows[i].word, total ? METRIC_COUNTER : METRIC_GAUGE, rows[i].help,
                (double)gauges->count[i]);
    }
    put_one(m, "open_connections", METRIC_GAUGE,
            "Open device connections, including those on removed listeners.",
            atomic_load_explicit(&shared->connections, memory_order_relaxed));
    put_one(m, "connections_limit", METRIC_GAUGE,
            "Effective limits.max_connections, which is lower if there are not enough file "
            "descriptors.",
            atomic_load_explicit(&shared->max_connections, memory_order_relaxed));
    put_one(m, "relay_memory_limit_bytes", METRIC_GAUGE,
            "Memory limit for waiting data (limits.relay_memory_bytes); 0 means no limit.",
            context->service->snapshot->config->limits.relay_memory_bytes);
}

static void put_admission(struct metrics_text *m, struct admission *admission)
{
    struct admission_gauges gauges;
    admission_gauges(admission, &gauges);
    put_one(m, "admission_sources", METRIC_GAUGE, "Source addresses in the admission table.",
            gauges.sources);
    put_one(m, "admission_client_ids", METRIC_GAUGE, "Client identifiers in the admission table.",
            gauges.clients);
    put_one(m, "admission_unlimited_total", METRIC_COUNTER,
            "Connections accepted without a limit per source because the source table was full.",
            (double)gauges.sources_unlimited);
    put_one(m, "admission_evictions_total", METRIC_COUNTER,
            "Entries removed from the two admission tables to make room.", (double)gauges.evicted);
}

void admin_metrics(struct admin_call *call)
{
    const struct admin_context *context = admin_call_context(call);
    const struct service *service = context->service;
    struct metrics_text *m = metrics_text_new();
    struct gauges gauges;
    size_t n = 0;
    char *text = NULL;
    if (m) {
        gauges_sum(&service->workers, &gauges);
        put_process(m, context);
        put_life(m, context);
        put_listeners(m, service->snapshot);
        put_tls(m, service->tls);
        put_sessions(m, &gauges);
        put_counts(m, context, &gauges);
        put_admission(m, service->shared->admission);
        metrics_workers(m, &service->workers, gauges.closed[CLOSE_TLS_TIMEOUT]);
        metrics_nodes(m, context);
        text = metrics_text_take(m, &n);
    }
    if (text)
        admin_reply_text(call, "text/plain; version=0.0.4; charset=utf-8", text, n);
    else
        admin_problem(call, 500, "out_of_memory", "out of memory");
}
