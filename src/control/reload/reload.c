/*
 * reload.c - reload the configuration file while serving, in two phases.
 *
 *    prepare()   read, check --> snapshot --> certificates --> new sockets --> a plan per worker
 *                      any failure: report it, undo, keep serving                     |
 *    commit()    send the plans; replace snapshot, TLS keeper, log output ... <-------+
 *
 * Established sessions are not affected.
 */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/discovery/discovery.h"
#include "control/health/connect_watch.h"
#include "control/health/evictor.h"
#include "control/health/prober.h"
#include "control/service/overrides.h"
#include "control/tls/keeper.h"
#include "listening.h"
#include "prepare.h"
#include "report.h"

/* What prepare() has created so far. */
struct ready {
    struct snapshot *snapshot;
    struct tls_keeper *tls;
    struct publication publication;
    struct log_output *log;        /* null = unchanged */
    struct worker_socket *sockets; /* descriptors owned by the publication; null = none */
};

/* ---- log the messages of checks ---- */

static void log_line(struct log *log, const char *text)
{
    static const char error[] = "error: ", warning[] = "warning: ";
    if (strncmp(text, error, strlen(error)) == 0)
        log_event(log, LOG_ERROR, "reload.fault", "error", text + strlen(error));
    else if (strncmp(text, warning, strlen(warning)) == 0)
        log_event(log, LOG_WARN, "reload.warning", "warning", text + strlen(warning));
}

static void log_lines(struct log *log, char *text)
{
    char *rest = NULL;
    for (char *l = strtok_r(text, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest))
        log_line(log, l);
}

/* ---- first phase ---- */

static struct snapshot *read_snapshot(const struct service *service, FILE *out)
{
    struct config *config = prepare_config(service->config_path, CONFIG_FILE_RELOAD, NULL, out);
    if (!config)
        return NULL;
    struct snapshot *snapshot =
        snapshot_new(config, service->registry, &service->members, service->snapshot);
    if (!snapshot)
        (void)fprintf(out, "error: out of memory\n");
    return snapshot;
}

static bool prepare_plans(const struct service *service, struct ready *ready, FILE *out)
{
    const struct listening_place place = {
        .workers = service->workers.n, .log = service->log, .out = out};
    char error[WORKER_TLS_ERROR_MAX] = "out of memory";
    struct worker_socket *sockets =
        calloc(service->workers.n * ready->snapshot->n_bindings, sizeof(*sockets));
    bool open = sockets && listening_open(ready->snapshot, service->snapshot, sockets, &place);
    bool prepared =
        open && publication_prepare(&ready->publication, &service->workers, ready->snapshot,
                                    sockets, tls_keeper_keys(ready->tls), error);
    if (!sockets || (open && !prepared))
        (void)fprintf(out, "error: %s\n", error);
    if (open)
        ready->sockets = sockets;
    else
        free(sockets);
    return prepared;
}

/*
 * Switch evictor and prober to a snapshot. Called before anything else changes, so that the old
 * snapshot stays in use if memory runs out.
 */
static bool watchers_take(const struct service *service, struct snapshot *snapshot)
{
    return evictor_take(service->evictor, snapshot) &&
           prober_take(service->prober, snapshot, false);
}

static bool has_other_output(const struct log_conf *a, const struct log_conf *b)
{
    return a->target != b->target || strcmp(a->file ? a->file : "", b->file ? b->file : "") != 0 ||
           a->syslog_facility != b->syslog_facility;
}

static bool prepare_log_output(const struct service *service, struct ready *ready, FILE *out)
{
    const struct log_conf *conf = &ready->snapshot->config->log;
    if (!has_other_output(&service->snapshot->config->log, conf))
        return true;
    ready->log = prepare_log(conf, out);
    return ready->log;
}

/* Return the nodes of a discovered cluster in the new snapshot, from the file or from DNS. */
static const struct members *nodes_now(const void *arg, const char *name)
{
    const struct cluster *cluster = snapshot_find_cluster(arg, name);
    return cluster && cluster->found.n > 0 ? &cluster->found : NULL;
}

static bool change_rights(const struct service *service, const struct snapshot *to,
                          const struct snapshot *from, FILE *out)
{
    const struct reload_participant *other = service->participant;
    return listening_change_all_rights(to, from, out) &&
           (!other || other->change_rights(other->arg, to->config, from->config, out));
}

static bool prepare(const struct service *service, struct ready *ready, FILE *out)
{
    const struct reload_participant *other = service->participant;
    ready->snapshot = read_snapshot(service, out);
    if (!ready->snapshot || (other && !other->prepare(other->arg, ready->snapshot->config, out)))
        return false;
    ready->tls = tls_keeper_new(ready->snapshot, service->tls, service->log, out);
    if (!ready->tls || !prepare_log_output(service, ready, out) ||
        !prepare_plans(service, ready, out))
        return false;
    const struct members_source kept = {.of = nodes_now, .arg = ready->snapshot};
    if (!change_rights(service, ready->snapshot, service->snapshot, out)) {
        (void)!change_rights(service, service->snapshot, ready->snapshot, NULL);
        publication_drop(&ready->publication);
        return false;
    }
    if (watchers_take(service, ready->snapshot) &&
        discovery_take(service->discovery, ready->snapshot->config, &kept))
        return true;
    (void)fprintf(out, "error: out of memory\n");
    (void)!change_rights(service, service->snapshot, ready->snapshot, NULL);
    (void)watchers_take(service, service->snapshot); /* undo */
    publication_drop(&ready->publication);
    return false;
}

/* ---- second phase ---- */

/* Health checks use the same files. They keep the old ones if out of memory. */
static void on_tls_reloaded(void *arg)
{
    struct service *service = arg;
    (void)!prober_take(service->prober, service->snapshot, false);
}

void reload_start_tls(struct service *service)
{
    tls_keeper_on_reload(service->tls, on_tls_reloaded, service);
    tls_keeper_start(service->tls, service->loop, service->workers.list, service->workers.n);
}

static void report(const struct service *service, const struct snapshot *before,
                   struct reload_outcome *outcome)
{
    const struct snapshot *after = service->snapshot;
    struct reload_cluster *clusters =
        outcome ? calloc(after->config->n_clusters, sizeof(*clusters)) : NULL;
    const uint32_t moved_permille = reload_report(service->log, before, after, clusters);
    if (!outcome)
        return;
    outcome->clusters = clusters;
    outcome->moved_permille = moved_permille;
}

/* outcome: null is allowed */
static void commit(struct service *service, struct ready *ready, struct reload_outcome *outcome)
{
    const struct config *config = ready->snapshot->config;
    struct snapshot *before = service->snapshot;
    const struct listening_place place = {.workers = service->workers.n, .log = service->log};
    connect_watch_reload(service->connects, before, ready->snapshot);
    overrides_settle(service->overrides, ready->snapshot);
    overrides_apply(service->overrides, ready->snapshot, service->prober);
    listening_announce(ready->snapshot, ready->sockets, &place); /* workers take the sockets next */
    free(ready->sockets);
    publication_commit(&ready->publication);
    service->snapshot = ready->snapshot;
    tls_keeper_free(service->tls);
    service->tls = ready->tls;
    reload_start_tls(service);
    atomic_store_explicit(&service->shared->max_connections, service_max_connections(service),
                          memory_order_relaxed);
    if (service->participant)
        service->participant->commit(service->participant->arg);
    if (ready->log)
        log_direct(service->log, ready->log);
    log_set(service->log, config->log.level, config->log.format);
    log_limit(service->log, config->log.max_lines_per_s);
    listening_ended(before, service->snapshot, service->log);
    reload_report_restart(service->log, outcome ? &outcome->messages : NULL, before,
                          service->snapshot);
    report(service, before, outcome);
    evictor_check(service->evictor);
    snapshot_unref(before);
    node_registry_sweep(service->registry);
    service->loaded_unix_ms = clock_unix_ms();
    service->reload_failed = false;
}

/* Log and free the messages; give a copy to the caller. */
static void log_messages(const struct service *service, char *messages,
                         struct reload_outcome *outcome)
{
    char *copy = messages && outcome ? strdup(messages) : NULL; /* log_lines() modifies the text */
    if (messages)
        log_lines(service->log, messages);
    free(messages);
    if (outcome)
        *outcome = (struct reload_outcome){.messages = copy};
}

bool reload(struct service *service, struct reload_outcome *outcome)
{
    struct ready ready = {0};
    char *messages = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&messages, &n);
    bool prepared = out && prepare(service, &ready, out);
    if (out)
        (void)fclose(out);
    log_messages(service, messages, outcome);
    if (prepared) {
        commit(service, &ready, outcome);
        return true;
    }
    if (ready.sockets)
        listening_undo(ready.snapshot, service->snapshot);
    free(ready.sockets);
    log_output_free(ready.log);
    tls_keeper_free(ready.tls);
    snapshot_unref(ready.snapshot);
    node_registry_sweep(service->registry);
    service->reloads_failed++;
    service->reload_failed = true;
    log_event(service->log, LOG_ERROR, "reload.failed", "cure",
              "nothing was changed: correct the file and reload again");
    return false;
}

bool reload_members(struct service *service)
{
    struct publication publication;
    char error[WORKER_TLS_ERROR_MAX] = "out of memory";
    struct snapshot *snapshot =
        snapshot_renew(service->snapshot, service->registry, &service->members);
    bool prepared = snapshot && publication_prepare(&publication, &service->workers, snapshot, NULL,
                                                    NULL, error);
    if (prepared && !watchers_take(service, snapshot)) {
        (void)watchers_take(service, service->snapshot);
        publication_drop(&publication);
        prepared = false;
    }
    if (!prepared) {
        log_event(service->log, LOG_ERROR, "discovery.not_taken", "error", error);
        snapshot_unref(snapshot);
        return false;
    }
    overrides_apply(service->overrides, snapshot, service->prober);
    publication_commit(&publication);
    snapshot_unref(service->snapshot);
    service->snapshot = snapshot;
    evictor_check(service->evictor);
    node_registry_sweep(service->registry);
    return true;
}
