/*
 * history.c - a ring of samples of the last 15 minutes, for the dashboard.
 *
 * The workers' counters only grow. A rate is the difference of two readings, divided by the actual
 * time between them, because readings can be late.
 */
#include "history.h"

#include <stdlib.h>

#include "base/clock.h"
#include "control/service/gauges.h"

enum refusal_kind { REFUSAL_NONE, REFUSAL_PEER, REFUSAL_LIMIT, REFUSAL_NO_NODE, REFUSAL_KINDS };

/* All other reasons are not refusals, or close sessions that already have a node. */
static const enum refusal_kind kinds[CLOSE_REASON_COUNT] = {
    [CLOSE_PROXY_UNTRUSTED] = REFUSAL_PEER,      [CLOSE_PROXY_REFUSED] = REFUSAL_PEER,
    [CLOSE_PROXY_TIMEOUT] = REFUSAL_PEER,        [CLOSE_TLS_FAILED] = REFUSAL_PEER,
    [CLOSE_TLS_TIMEOUT] = REFUSAL_PEER,          [CLOSE_WEBSOCKET_REFUSED] = REFUSAL_PEER,
    [CLOSE_WEBSOCKET_TIMEOUT] = REFUSAL_PEER,    [CLOSE_CONNECT_REFUSED] = REFUSAL_PEER,
    [CLOSE_CONNECT_TIMEOUT] = REFUSAL_PEER,      [CLOSE_IDENTITY_REFUSED] = REFUSAL_PEER,
    [CLOSE_CLIENT_ID_REFUSED] = REFUSAL_PEER,    [CLOSE_LOCAL_LIMIT] = REFUSAL_LIMIT,
    [CLOSE_MAX_CONNECTIONS] = REFUSAL_LIMIT,     [CLOSE_LISTENER_FULL] = REFUSAL_LIMIT,
    [CLOSE_SOURCE_DENIED] = REFUSAL_LIMIT,       [CLOSE_SOURCE_CONNECTIONS] = REFUSAL_LIMIT,
    [CLOSE_SOURCE_RATE] = REFUSAL_LIMIT,         [CLOSE_FLAPPING] = REFUSAL_LIMIT,
    [CLOSE_RELAY_MEMORY] = REFUSAL_LIMIT,        [CLOSE_OUT_OF_MEMORY] = REFUSAL_LIMIT,
    [CLOSE_NODE_CLOSED_EARLY] = REFUSAL_NO_NODE, [CLOSE_NO_NODE] = REFUSAL_NO_NODE,
    [CLOSE_NODES_FULL] = REFUSAL_NO_NODE,        [CLOSE_PLACEMENT_TIMEOUT] = REFUSAL_NO_NODE,
    [CLOSE_CONNACK_TIMEOUT] = REFUSAL_NO_NODE,
};

/* Counts since the start. */
struct totals {
    uint64_t sessions; /* now */
    uint64_t accepts, connects;
    uint64_t refusals[REFUSAL_KINDS];
    uint64_t at_us;
};

struct history {
    struct history_sample samples[HISTORY_SAMPLES];
    unsigned next, n;
    struct totals before;
};

struct history *history_new(void)
{
    return calloc(1, sizeof(struct history));
}

void history_free(struct history *history)
{
    free(history);
}

static uint64_t placed(const struct node_registry *registry)
{
    uint64_t sum = 0;
    for (const struct list *l = registry->records.next; l != &registry->records; l = l->next) {
        const struct node_live *live = CONTAINER_OF(l, struct node_live, link);
        for (int kind = 0; kind < PLACEMENT_KIND_COUNT; kind++)
            sum += NODE_LIVE_READ(live->placed[kind]);
    }
    return sum;
}

static void read_totals(const struct service *service, struct totals *out)
{
    struct gauges gauges;
    gauges_sum(&service->workers, &gauges);
    *out = (struct totals){.sessions = gauges.sessions,
                           .accepts = gauges.count[COUNT_accepted],
                           .connects = placed(service->registry),
                           .at_us = clock_monotonic_us()};
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
        out->refusals[kinds[reason]] += gauges.closed[reason];
}

/* The sum can shrink, because the counts of a removed node are lost. The rate is then 0. */
static double rate(uint64_t before, uint64_t now, double s)
{
    return now > before ? (double)(now - before) / s : 0;
}

static void add_sample(struct history *history, const struct totals *now)
{
    const struct totals *before = &history->before;
    const double s = (double)(now->at_us - before->at_us) / 1e6;
    double refused[REFUSAL_KINDS];
    for (int kind = 0; kind < REFUSAL_KINDS; kind++)
        refused[kind] = rate(before->refusals[kind], now->refusals[kind], s);
    history->samples[history->next] = (struct history_sample){
        .sessions = (double)now->sessions,
        .accepts_per_s = rate(before->accepts, now->accepts, s),
        .connects_per_s = rate(before->connects, now->connects, s),
        .refusals_per_s = refused[REFUSAL_PEER] + refused[REFUSAL_LIMIT] + refused[REFUSAL_NO_NODE],
        .refused_peer_per_s = refused[REFUSAL_PEER],
        .refused_limit_per_s = refused[REFUSAL_LIMIT],
        .refused_no_node_per_s = refused[REFUSAL_NO_NODE],
    };
    history->next = (history->next + 1) % HISTORY_SAMPLES;
    history->n += history->n < HISTORY_SAMPLES;
}

void history_update(struct history *history, const struct service *service)
{
    const uint64_t due_us = history->before.at_us + HISTORY_EVERY_S * 1000000ull;
    struct totals now;
    /* the timer can fire early */
    if (history->before.at_us && clock_monotonic_us() + 500000 < due_us)
        return;
    read_totals(service, &now);
    if (history->before.at_us)
        add_sample(history, &now);
    history->before = now;
}

const struct history_sample *history_sample(const struct history *history, unsigned i)
{
    if (i >= history->n)
        return NULL;
    return &history->samples[(history->next + HISTORY_SAMPLES - history->n + i) % HISTORY_SAMPLES];
}

uint64_t history_end_us(const struct history *history)
{
    return history->n ? history->before.at_us : 0;
}
