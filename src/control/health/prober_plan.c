/*
 * prober_plan.c - read what checks need: password files, certificates, addresses.
 *
 * Files are read once per configuration, so that a check never waits for a file.
 */
#include "prober_plan.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* ---- passwords ---- */

static void log_no_password(struct log *log, const struct cluster_conf *conf, const char *error)
{
    struct log_line line;
    log_begin(&line, log, LOG_ERROR, "check.no_password");
    log_text(&line, "cluster", conf->name);
    log_text(&line, "file", conf->health_check->password_file);
    log_text(&line, "error", error);
    log_emit(&line);
}

/*
 * Read the password file of a cluster. If it can no longer be read, logs an event; checks then run
 * without a password. Returns false if out of memory.
 */
static bool load_password(struct prober_cluster *cluster, struct log *log)
{
    const struct cluster_conf *conf = cluster->cluster->conf;
    char error[SMALL_FILE_ERROR_MAX];
    if (small_file_read_line(conf->health_check->password_file, SMALL_FILE_REGULAR, UINT16_MAX,
                             &cluster->password, error))
        return true;
    if (strcmp(error, SMALL_FILE_NO_MEMORY) == 0)
        return false;
    log_no_password(log, conf, error);
    return true;
}

/* ---- TLS ---- */

static bool wants_tls(const struct cluster_conf *conf)
{
    return conf->tls && conf->health_check && conf->health_check->type != CHECK_TYPE_HTTP;
}

/* Returns false if out of memory. */
static bool load_tls(struct prober_cluster *cluster, struct tls_library **library, struct log *log)
{
    const struct cluster_conf *conf = cluster->cluster->conf;
    char error[TLS_ERROR_MAX];
    if (!*library)
        *library = tls_library_new();
    if (!*library)
        return false;
    cluster->tls = tls_client_context_new(*library, conf->tls, error);
    cluster->able = cluster->tls;
    if (cluster->able)
        return true;
    struct log_line line;
    log_begin(&line, log, LOG_ERROR, "check.no_tls");
    log_text(&line, "cluster", conf->name);
    log_text(&line, "error", error);
    log_emit(&line);
    return true;
}

/* ---- the plan ---- */

static bool cluster_init(struct prober_cluster *cluster, const struct cluster *of,
                         struct tls_library **library, struct log *log)
{
    cluster->cluster = of;
    cluster->able = of->conf->health_check;
    if (!of->conf->health_check)
        return true;
    if (of->conf->health_check->password_file && !load_password(cluster, log))
        return false;
    return !wants_tls(of->conf) || load_tls(cluster, library, log);
}

struct prober_plan *prober_plan_new(struct snapshot *snapshot, struct tls_library **library,
                                    struct log *log)
{
    struct prober_plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return NULL;
    plan->refs = 1;
    plan->snapshot = snapshot_ref(snapshot);
    plan->clusters = calloc(snapshot->config->n_clusters, sizeof(*plan->clusters));
    bool ready = plan->clusters;
    for (size_t i = 0; ready && i < snapshot->config->n_clusters; i++)
        ready = cluster_init(&plan->clusters[i], &snapshot->clusters[i], library, log);
    if (ready)
        return plan;
    prober_plan_unref(plan);
    return NULL;
}

struct prober_plan *prober_plan_ref(struct prober_plan *plan)
{
    plan->refs++;
    return plan;
}

void prober_plan_unref(struct prober_plan *plan)
{
    if (!plan || --plan->refs > 0)
        return;
    for (size_t i = 0; plan->clusters && i < plan->snapshot->config->n_clusters; i++) {
        struct prober_cluster *cluster = &plan->clusters[i];
        tls_client_context_free(cluster->tls);
        small_file_free(&cluster->password);
    }
    free(plan->clusters);
    snapshot_unref(plan->snapshot);
    free(plan);
}

/* ---- addresses ---- */

bool prober_endpoint(const struct cluster_conf *conf, const struct node *node, struct endpoint *out)
{
    if (node->conf->check_address)
        return endpoint_parse(node->conf->check_address, false, out);
    if (conf->health_check->type != CHECK_TYPE_HTTP) {
        *out = node->endpoint;
        return true;
    }
    if (endpoint_is_unix(&node->endpoint))
        return false;
    *out = node->endpoint;
    in_port_t port_be = htons((uint16_t)conf->health_check->port);
    if (out->address.sa.sa_family == AF_INET6)
        out->address.in6.sin6_port = port_be;
    else
        out->address.in.sin_port = port_be;
    return true;
}

bool prober_same_way(const struct cluster_conf *a, const struct cluster_conf *b)
{
    return a->proxy_protocol == b->proxy_protocol && !a->tls == !b->tls;
}
