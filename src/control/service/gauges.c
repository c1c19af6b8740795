/*
 * gauges.c - add up the counters of all workers, and log them.
 *
 * Workers keep counting meanwhile, so the sums are not a consistent snapshot.
 */
#include "gauges.h"

#include <stdatomic.h>
#include <stdio.h>

#include "proxy/admission/admission.h"

static void log_node(struct log *log, const struct node_live *live, bool removed)
{
    struct log_line line;
    log_begin(&line, log, LOG_NOTICE, "node.gauges");
    log_text(&line, "cluster", live->cluster);
    log_text(&line, "node", live->name);
    log_text(&line, "status", node_status_name(node_live_status(live)));
    if (removed)
        log_bool(&line, "departed", true);
    log_u64(&line, "sessions", NODE_LIVE_READ(live->sessions));
    log_u64(&line, "sessions_clean", NODE_LIVE_READ(live->clean));
    log_u64(&line, "sessions_away", node_live_off_home(live));
    log_u64(&line, "failures_total", NODE_LIVE_READ(live->failures));
    for (int kind = 0; kind < PLACEMENT_KIND_COUNT; kind++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "placed_%s_total",
                       placement_kind_name((enum placement_kind)kind));
        log_u64(&line, key, NODE_LIVE_READ(live->placed[kind]));
    }
    log_emit(&line);
}

static void log_nodes(struct log *log, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = &snapshot->clusters[i];
        for (size_t k = 0; k < cluster->n_all; k++) {
            log_node(log, cluster->nodes[k].live, k >= cluster->n);
        }
    }
}

static const char *const count_words[] = {
#define X(field, word, help) word,
    COUNTERS(X)
#undef X
};

static void add(const struct counters *c, struct gauges *out)
{
    for (int state = 0; state < SESSION_STATE_COUNT; state++)
        out->in_state[state] += counter_read(&c->in_state[state]);
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
        out->closed[reason] += counter_read(&c->closed[reason]);
#define X(field, word, help) out->count[COUNT_##field] += counter_read(&c->field);
    COUNTERS(X)
#undef X
    out->bytes_up += counter_read(&c->bytes_up);
    out->bytes_down += counter_read(&c->bytes_down);
    for (int side = 0; side < TLS_SIDE_COUNT; side++)
        for (int hold = 0; hold < TLS_HOLD_COUNT; hold++)
            out->tls_holds[side][hold] += counter_read(&c->tls_holds[side][hold]);
}

void gauges_sum(const struct workers *workers, struct gauges *out)
{
    *out = (struct gauges){0};
    for (unsigned i = 0; i < workers->n; i++)
        add(worker_counters(workers->list[i]), out);
    for (int state = 0; state < SESSION_STATE_COUNT; state++)
        out->sessions += out->in_state[state];
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
        out->closed_total += out->closed[reason];
}

static void log_tls(struct log_line *line, const struct gauges *gauges)
{
    for (enum tls_side side = 0; side < TLS_SIDE_COUNT; side++) {
        for (enum tls_hold hold = 0; hold < TLS_HOLD_COUNT; hold++) {
            char key[32];
            (void)snprintf(key, sizeof(key), "tls_%s_%s", tls_side_name(side), tls_hold_name(hold));
            log_u64(line, key, gauges->tls_holds[side][hold]);
        }
    }
}

void gauges_log(struct log *log, const struct worker_shared *shared,
                const struct snapshot *snapshot, const struct workers *workers, uint64_t ports_low)
{
    struct gauges gauges;
    struct log_line line;
    gauges_sum(workers, &gauges);
    log_begin(&line, log, LOG_NOTICE, "router.gauges");
    for (int state = 0; state < SESSION_STATE_COUNT; state++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "sessions_%s",
                       session_state_name((enum session_state)state));
        log_u64(&line, key, gauges.in_state[state]);
    }
    log_u64(&line, "sessions", gauges.sessions);
    log_tls(&line, &gauges);
    log_u64(&line, "connections", atomic_load_explicit(&shared->connections, memory_order_relaxed));
    log_u64(&line, "closed_total", gauges.closed_total);
    for (int i = 0; i < COUNTS; i++)
        log_u64(&line, count_words[i], gauges.count[i]);
    struct admission_gauges admission;
    admission_gauges(shared->admission, &admission);
    log_u64(&line, "admission_sources", admission.sources);
    log_u64(&line, "admission_client_ids", admission.clients);
    log_u64(&line, "sources_unlimited_total", admission.sources_unlimited);
    log_u64(&line, "ports_low_total", ports_low);
    log_u64(&line, "log_dropped_total", log_dropped(log));
    log_u64(&line, "log_suppressed_total", log_suppressed(log));
    log_emit(&line);
    log_nodes(log, snapshot);
}
