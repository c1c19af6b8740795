/*
 * workers.c - GET /metrics: CONNACKs, TLS handshakes, TLS connections and durations, summed over
 * the workers.
 *
 * Every series exists from the start, except for CONNACK codes that MQTT does not define: their
 * series are added when a node sends them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "metrics.h"
#include "proxy/worker/workers.h"
#include "text.h"

static const uint32_t bounds_us[] = {
#define X(us) us,
    HISTOGRAM_BOUNDS(X)
#undef X
};

/* Return the sum of a counter over all workers. offset is its offset in struct counters. */
static uint64_t sum(const struct workers *workers, size_t offset)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < workers->n; i++)
        n += counter_read(
            (const counter *)((const char *)worker_counters(workers->list[i]) + offset));
    return n;
}

/* Add the label "code" to the next sample. */
static void label_code(struct metrics_text *m, char text[static 4], unsigned code)
{
    (void)snprintf(text, 4, "%u", code & 0xffu);
    metrics_label(m, "code", text);
}

/* Return whether MQTT defines this CONNACK code: MQTT 3.1.1 table 3.1, MQTT 5.0 section 3.2.2.2. */
static bool is_connack_code(unsigned code)
{
    static const uint8_t codes_5[] = {0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86,
                                      0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95,
                                      0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f};
    return code <= 5 || memchr(codes_5, (int)code, sizeof(codes_5));
}

/* Defined codes are always exported, so that rate() includes the first CONNACK. */
static void put_connacks(struct metrics_text *m, const struct workers *workers)
{
    char text[4];
    metrics_family(m, "connacks_total", METRIC_COUNTER,
                   "CONNACKs that nodes sent to devices, by code.");
    for (unsigned code = 0; code < 256; code++) {
        const size_t at =
            offsetof(struct counters, connacks) + code * sizeof(struct connack_counters);
        const uint64_t absent = sum(workers, at + offsetof(struct connack_counters, absent));
        const uint64_t present = sum(workers, at + offsetof(struct connack_counters, present));
        if (code == 0 || present > 0) {
            label_code(m, text, code);
            metrics_label(m, "session_present", "true");
            metrics_sample(m, (double)present);
        }
        if (is_connack_code(code) || absent > 0) {
            label_code(m, text, code);
            metrics_label(m, "session_present", "false");
            metrics_sample(m, (double)absent);
        }
    }
}

static void put_refusals(struct metrics_text *m, const struct workers *workers)
{
    bool ours[256] = {false};
    char text[4];
#define X(suffix, rc3, rc5) ours[rc3] = ours[rc5] = true;
    MQTT_REFUSALS(X)
#undef X
    metrics_family(m, "refusal_connacks_total", METRIC_COUNTER,
                   "CONNACKs that the router itself sent to refuse a device, by code.");
    for (unsigned code = 1; code < ARRAY_LEN(ours); code++) {
        if (!ours[code])
            continue; /* in MQTT_REFUSALS, 0 means that no CONNACK is sent */
        label_code(m, text, code);
        metrics_sample(
            m, (double)sum(workers, offsetof(struct counters, refused) + code * sizeof(counter)));
    }
}

static void put_handshakes(struct metrics_text *m, const struct workers *workers, uint64_t too_long)
{
    metrics_family(m, "tls_handshakes_total", METRIC_COUNTER, "TLS handshakes that succeeded.");
    metrics_label(m, "resumed", "false");
    metrics_sample(m, (double)sum(workers, offsetof(struct counters, tls_full)));
    metrics_label(m, "resumed", "true");
    metrics_sample(m, (double)sum(workers, offsetof(struct counters, tls_resumed)));
    metrics_family(
        m, "tls_handshake_failures_total", METRIC_COUNTER,
        "Failed TLS handshakes, by alert; \"timeout\" means that the handshake took too long.");
    for (int failure = 0; failure < TLS_FAILURE_COUNT; failure++) {
        const size_t at = offsetof(struct counters, tls_failed) + (size_t)failure * sizeof(counter);
        metrics_label(m, "alert", tls_failure_name((enum tls_failure)failure));
        metrics_sample(m, (double)sum(workers, at));
    }
    metrics_label(m, "alert", "timeout");
    metrics_sample(m, (double)too_long);
}

static void put_tls_sessions(struct metrics_text *m, const struct workers *workers)
{
    metrics_family(m, "tls_sessions", METRIC_GAUGE,
                   "TLS connections of relayed sessions, by side and by whether they are detached "
                   "from OpenSSL.");
    for (enum tls_side side = 0; side < TLS_SIDE_COUNT; side++) {
        for (enum tls_hold hold = 0; hold < TLS_HOLD_COUNT; hold++) {
            const size_t at = offsetof(struct counters, tls_holds) +
                              ((size_t)side * TLS_HOLD_COUNT + hold) * sizeof(counter);
            metrics_label(m, "side", tls_side_name(side));
            metrics_label(m, "state", tls_hold_name(hold));
            metrics_sample(m, (double)sum(workers, at));
        }
    }
}

static void put_histogram(struct metrics_text *m, const struct workers *workers, size_t offset)
{
    uint64_t buckets[HISTOGRAM_BOUND_COUNT + 1];
    for (size_t i = 0; i <= HISTOGRAM_BOUND_COUNT; i++)
        buckets[i] =
            sum(workers, offset + offsetof(struct histogram, buckets) + i * sizeof(counter));
    metrics_histogram(m, bounds_us, buckets, HISTOGRAM_BOUND_COUNT,
                      sum(workers, offset + offsetof(struct histogram, sum_us)));
}

static void put_durations(struct metrics_text *m, const struct workers *workers)
{
    metrics_family(m, "tls_handshake_duration_seconds", METRIC_HISTOGRAM,
                   "Time from accept to the end of a successful TLS handshake.");
    put_histogram(m, workers, offsetof(struct counters, tls_us));
    metrics_family(m, "connect_duration_seconds", METRIC_HISTOGRAM,
                   "Time from the complete CONNECT until the node's CONNACK was relayed.");
    put_histogram(m, workers, offsetof(struct counters, connack_us));
    metrics_family(
        m, "loop_turn_seconds", METRIC_HISTOGRAM,
        "Duration of one turn of a worker's event loop; a long turn delays all its sessions.");
    for (unsigned i = 0; i < workers->n; i++) {
        const struct workers one = {.list = &workers->list[i], .n = 1};
        char number[12];
        (void)snprintf(number, sizeof(number), "%u", i);
        metrics_label(m, "worker", number);
        put_histogram(m, &one, offsetof(struct counters, turn_us));
    }
}

void metrics_workers(struct metrics_text *m, const struct workers *workers, uint64_t too_long)
{
    put_connacks(m, workers);
    put_refusals(m, workers);
    put_handshakes(m, workers, too_long);
    put_tls_sessions(m, workers);
    put_durations(m, workers);
}
