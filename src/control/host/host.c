/*
 * host.c - open files, accept queue and local ports, before they run out.
 */
#include "host.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>

/* For certificates read anew, an accept that is refused, and what libraries open in passing. */
#define SPARE_DESCRIPTORS 16u

/* Whoever can carry no more than this has forgotten to raise the limit. */
#define FEW_CONNECTIONS 1000u

void host_limits_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* what we have is counted either way */
}

/* Descriptors open now; 0 when the system does not say. */
static uint64_t count_open(void)
{
    uint64_t n = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        n++;
    if (directory)
        closedir(directory);
    return n;
}

uint32_t host_limits_connections(uint32_t others)
{
    struct rlimit limit;
    uint64_t own = count_open() + SPARE_DESCRIPTORS + others;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur / 2 > UINT32_MAX)
        return UINT32_MAX;
    return limit.rlim_cur > own + 2 ? (uint32_t)((limit.rlim_cur - own) / 2) : 1;
}

static void warn(struct log *log, const char *what, uint64_t have, uint64_t want, const char *cure)
{
    struct log_line line;
    log_begin(&line, log, LOG_WARN, "host.limit");
    log_text(&line, "limit", what);
    log_u64(&line, "have", have);
    log_u64(&line, "want", want);
    log_text(&line, "cure", cure);
    log_emit(&line);
}

/* One or two numbers from a file of /proc/sys. How many were there. */
static int read_sysctl(const char *path, uint64_t *a, uint64_t *b)
{
    unsigned long long x = 0, y = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int n = fscanf(file, "%llu %llu", &x, &y);
    (void)fclose(file);
    *a = x;
    *b = y;
    return n;
}

/* The most connections any one node of a cluster could get: those of the router, if it is alone. */
static uint64_t most_for_one_node(const struct config *config, uint64_t connections)
{
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < config->n_clusters; i++)
        fewest = size_min(fewest, config->clusters[i].n_nodes);
    /* with one node lost, the others carry its share */
    return connections / (fewest > 1 ? fewest - 1 : 1);
}

static uint64_t largest_backlog(const struct config *config)
{
    uint64_t backlog = 0;
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].backlog > backlog)
            backlog = config->listeners[i].backlog;
    return backlog;
}

void host_limits_warn(struct log *log, const struct config *config, uint32_t carried)
{
    uint32_t wanted = config->limits.max_connections;
    uint64_t first = 0, last = 0, ignored = 0, somaxconn = 0;
    if (carried < FEW_CONNECTIONS && !wanted)
        warn(log, "RLIMIT_NOFILE, as connections", carried, FEW_CONNECTIONS,
             "raise the limit of open files: two a connection");
    if (wanted > carried)
        warn(log, "RLIMIT_NOFILE, as connections", carried, wanted,
             "raise the limit of open files: two a connection");
    uint64_t backlog = largest_backlog(config);
    if (read_sysctl("/proc/sys/net/core/somaxconn", &somaxconn, &ignored) >= 1 &&
        somaxconn < backlog)
        warn(log, "net.core.somaxconn", somaxconn, backlog,
             "raise it, or a reconnect storm overflows the accept queue");
    uint64_t per_node = most_for_one_node(config, wanted ? wanted : carried);
    if (read_sysctl("/proc/sys/net/ipv4/ip_local_port_range", &first, &last) == 2 &&
        last - first + 1 < per_node)
        warn(log, "net.ipv4.ip_local_port_range", last - first + 1, per_node,
             "widen it: each connection to a node takes a local port");
}
