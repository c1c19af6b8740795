/*
 * report.c - log what a reload has changed, and which changes need a restart.
 *
 * Only compares the two snapshots.
 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listening.h"
#include "model/placement.h"

/* ---- keys that need a restart ---- */

struct restart_report {
    struct log *log;
    char **messages; /* null = log only */
};

static void append_warning(char **messages, const char *listener, const char *key)
{
    char *longer;
    if (asprintf(&longer, "%swarning: %s%s%s%s: takes effect after a restart\n",
                 *messages ? *messages : "", listener ? "listener " : "", listener ? listener : "",
                 listener ? ": " : "", key) < 0)
        return; /* the warning is in the log */
    free(*messages);
    *messages = longer;
}

static void report_restart(const struct restart_report *to, const char *listener, const char *key)
{
    struct log_line line;
    log_begin(&line, to->log, LOG_WARN, "reload.restart_needed");
    log_text(&line, "listener", listener);
    log_text(&line, "key", key);
    log_emit(&line);
    if (to->messages)
        append_warning(to->messages, listener, key);
}

/* Compare the options of a socket that stays open. */
static void compare_socket_options(const struct restart_report *to, const struct listener_conf *a,
                                   const struct listener_conf *b)
{
    if (a->dual_stack != b->dual_stack)
        report_restart(to, b->name, "dual_stack");
    if (a->tcp_defer_accept != b->tcp_defer_accept)
        report_restart(to, b->name, "tcp_defer_accept");
    if (a->fast_open != b->fast_open)
        report_restart(to, b->name, "fast_open");
}

static bool differ(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") != 0;
}

/* Compare keys that need privileges, which cannot be regained. */
static void compare_privileges(const struct restart_report *to, const struct config *a,
                               const struct config *b)
{
    if (differ(a->user, b->user))
        report_restart(to, NULL, "user");
    if (differ(a->group, b->group))
        report_restart(to, NULL, "group");
    if (a->sandbox != b->sandbox)
        report_restart(to, NULL, "sandbox");
}

static void compare_admin(const struct restart_report *to, const struct admin_conf *a,
                          const struct admin_conf *b)
{
    if (!a != !b)
        report_restart(to, NULL, "admin");
    else if (a && differ(a->address, b->address))
        report_restart(to, NULL, "admin.address");
}

void reload_report_restart(struct log *log, char **messages, const struct snapshot *before,
                           const struct snapshot *after)
{
    const struct restart_report report = {.log = log, .messages = messages}, *to = &report;
    size_t old;
    if (before->config->workers != after->config->workers)
        report_restart(to, NULL, "workers");
    if (before->config->limits.relay_buffer_bytes != after->config->limits.relay_buffer_bytes)
        report_restart(to, NULL, "limits.relay_buffer_bytes");
    if (before->config->limits.per_source.table_size != after->config->limits.per_source.table_size)
        report_restart(to, NULL, "limits.per_source.table_size");
    if (before->config->limits.flapping.table_size != after->config->limits.flapping.table_size)
        report_restart(to, NULL, "limits.flapping.table_size");
    compare_privileges(to, before->config, after->config);
    compare_admin(to, before->config->admin, after->config->admin);
    for (size_t i = 0; i < after->n_bindings; i++)
        if (listening_find(before, &after->bindings[i], &old))
            compare_socket_options(to, before->bindings[old].conf, after->bindings[i].conf);
}

/* ---- changes ---- */

/* Count the nodes of a that are not in b. Nodes of the same name share a record. */
static size_t count_missing(const struct cluster *a, const struct cluster *b)
{
    size_t missing = 0;
    for (size_t i = 0; i < a->n; i++) {
        size_t k = 0;
        while (k < b->n && b->nodes[k].live != a->nodes[i].live)
            k++;
        missing += k == b->n;
    }
    return missing;
}

/* Return the homes of a cluster, with weight 0 for nodes whose configured state is not up. */
static struct rendezvous_node *homes_of(const struct cluster *cluster)
{
    struct rendezvous_node *homes = calloc(cluster->n + 1, sizeof(*homes));
    for (size_t i = 0; homes && i < cluster->n; i++) {
        homes[i] = cluster->homes[i];
        if (cluster->nodes[i].conf->state != NODE_STATE_UP)
            homes[i].weight = 0;
    }
    return homes;
}

static uint32_t moved_permille(const struct cluster *before, const struct cluster *after)
{
    struct rendezvous_node *a = homes_of(before), *b = homes_of(after);
    uint32_t moved = 0;
    if (a && b) {
        const struct placement_homes homes_a = {a, before->backup, before->n};
        const struct placement_homes homes_b = {b, after->backup, after->n};
        moved = placement_moved_permille(&homes_a, &homes_b);
    }
    free(a);
    free(b);
    return moved;
}

static struct reload_cluster compare_clusters(const struct cluster *before,
                                              const struct cluster *after)
{
    static const struct cluster none;
    return (struct reload_cluster){.nodes = after->n,
                                   .added = count_missing(after, before ? before : &none),
                                   .removed = before ? count_missing(before, after) : 0,
                                   .moved_permille = before ? moved_permille(before, after) : 0};
}

static void log_cluster(struct log *log, const char *name, const struct reload_cluster *cluster)
{
    struct log_line line;
    log_begin(&line, log, LOG_NOTICE, "reload.cluster");
    log_text(&line, "cluster", name);
    log_u64(&line, "nodes", cluster->nodes);
    log_u64(&line, "added", cluster->added);
    log_u64(&line, "removed", cluster->removed);
    log_u64(&line, "moved_permille", cluster->moved_permille);
    log_emit(&line);
}

static size_t count_new_bindings(const struct snapshot *a, const struct snapshot *b)
{
    size_t new = 0, found;
    for (size_t i = 0; i < a->n_bindings; i++)
        new += !listening_find(b, &a->bindings[i], &found);
    return new;
}

uint32_t reload_report(struct log *log, const struct snapshot *before, const struct snapshot *after,
                       struct reload_cluster *out)
{
    uint32_t most_moved = 0;
    for (size_t i = 0; i < after->config->n_clusters; i++) {
        const struct cluster *cluster = &after->clusters[i];
        const struct reload_cluster now =
            compare_clusters(snapshot_find_cluster(before, cluster->conf->name), cluster);
        log_cluster(log, cluster->conf->name, &now);
        most_moved = now.moved_permille > most_moved ? now.moved_permille : most_moved;
        if (out)
            out[i] = now;
    }
    struct log_line line;
    log_begin(&line, log, LOG_NOTICE, "reload.done");
    log_u64(&line, "addresses_added", count_new_bindings(after, before));
    log_u64(&line, "addresses_removed", count_new_bindings(before, after));
    log_u64(&line, "moved_permille", most_moved);
    log_emit(&line);
    return most_moved;
}
