/*
 * ports_watch.c - warn before the local ports for connections to a node run out.
 *
 * Once per second, the number of sessions of each node is compared with the number of local ports
 * of its source addresses.
 */
#include "ports_watch.h"

#include <stdio.h>
#include <stdlib.h>

#define LOW_PERCENT     80u
#define GOOD_PERCENT    70u
#define CHECKS_PER_READ 10u /* the kernel's range seldom changes, and reading it opens a file */

struct ports_watch {
    const struct node_live **warned; /* only compared, never dereferenced */
    size_t n, room;
    uint64_t warnings;
    uint64_t each; /* local ports per source address, as last read; 0 = cannot be read */
    unsigned checks;
};

void ports_watch_free(struct ports_watch *watch)
{
    if (!watch)
        return;
    free(watch->warned);
    free(watch);
}

uint64_t ports_watch_warnings(const struct ports_watch *watch)
{
    return watch->warnings;
}

/* Size of the kernel's local port range; 0 = it cannot be read. */
static uint64_t ports_of_a_source(void)
{
    unsigned first = 0, last = 0;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    int n = file ? fscanf(file, "%u %u", &first, &last) : 0;
    if (file)
        (void)fclose(file);
    return n == 2 && last >= first ? last - first + 1u : 0;
}

struct ports_watch *ports_watch_new(void)
{
    struct ports_watch *watch = calloc(1, sizeof(*watch));
    if (watch)
        watch->each = ports_of_a_source();
    return watch;
}

/*
 * Read the range again, unless it could not be read at startup; keep the last value on failure.
 * The metric therefore neither appears late nor disappears.
 */
static void read_range_again(struct ports_watch *watch)
{
    const uint64_t each = watch->each > 0 ? ports_of_a_source() : 0;
    if (each > 0)
        watch->each = each;
}

static uint64_t sources_for(const struct cluster *cluster, const struct endpoint *to)
{
    uint64_t n = 0;
    for (size_t i = 0; i < cluster->n_sources; i++)
        n += cluster->sources[i].sa.sa_family == to->address.sa.sa_family;
    return n > 0 ? n : 1;
}

uint64_t ports_watch_ports(const struct ports_watch *watch, const struct cluster *cluster,
                           const struct node *node)
{
    return endpoint_is_unix(&node->endpoint) ? 0
                                             : watch->each * sources_for(cluster, &node->endpoint);
}

static size_t find(const struct ports_watch *watch, const struct node_live *live)
{
    size_t i = 0;
    while (i < watch->n && watch->warned[i] != live)
        i++;
    return i;
}

/* Remember that the warning was logged. If out of memory, it will be logged again. */
static void remember(struct ports_watch *watch, const struct node_live *live)
{
    if (watch->n == watch->room) {
        size_t room = watch->room ? watch->room * 2 : 8;
        const struct node_live **more = realloc(watch->warned, room * sizeof(*more));
        if (!more)
            return;
        watch->warned = more;
        watch->room = room;
    }
    watch->warned[watch->n++] = live;
}

static void check_node(struct ports_watch *watch, const struct node_live *live, uint64_t ports,
                       struct log *log)
{
    uint64_t sessions = NODE_LIVE_READ(live->sessions);
    size_t at = find(watch, live);
    if (at < watch->n && sessions * 100 < ports * GOOD_PERCENT)
        watch->warned[at] = watch->warned[--watch->n];
    if (at < watch->n || sessions * 100 < ports * LOW_PERCENT)
        return;
    remember(watch, live);
    watch->warnings++;
    struct log_line line;
    log_begin(&line, log, LOG_WARN, "ports.low");
    log_text(&line, "cluster", live->cluster);
    log_text(&line, "node", live->name);
    log_u64(&line, "sessions", sessions);
    log_u64(&line, "ports", ports);
    log_text(&line, "cure", "widen net.ipv4.ip_local_port_range, or add source_addresses");
    log_emit(&line);
}

static bool has(const struct snapshot *snapshot, const struct node_live *live)
{
    for (size_t i = 0; i < snapshot->config->n_clusters; i++)
        for (size_t k = 0; k < snapshot->clusters[i].n; k++)
            if (snapshot->clusters[i].nodes[k].live == live)
                return true;
    return false;
}

/* Forget removed nodes: a new record may get the same memory address. */
static void forget_gone(struct ports_watch *watch, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < watch->n;)
        if (has(snapshot, watch->warned[i]))
            i++;
        else
            watch->warned[i] = watch->warned[--watch->n];
}

void ports_watch_check(struct ports_watch *watch, const struct snapshot *snapshot, struct log *log)
{
    if (++watch->checks % CHECKS_PER_READ == 0)
        read_range_again(watch);
    const uint64_t each = watch->each;
    forget_gone(watch, snapshot);
    for (size_t i = 0; each > 0 && i < snapshot->config->n_clusters; i++) {
        const struct cluster *cluster = &snapshot->clusters[i];
        for (size_t k = 0; k < cluster->n; k++) {
            const struct node *n = &cluster->nodes[k];
            if (!endpoint_is_unix(&n->endpoint))
                check_node(watch, n->live, each * sources_for(cluster, &n->endpoint), log);
        }
    }
}
