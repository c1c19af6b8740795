/*
 * prepare.c - the steps of startup and reload that can fail, done before anything changes.
 *
 *    prepare_config() --> snapshot --> listening_open() --> publication_prepare()
 *                                                               |
 *                      every step succeeded: publication_commit()     a step failed: drop all
 *
 * Committing only sends pointers to the workers, so it cannot fail.
 */
#include "prepare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/host/host.h"
#include "control/tls/check.h"
#include "listening.h"
#include "model/config/fault.h"

/* ---- the configuration ---- */

static struct log_output_conf output_conf(const struct log_conf *conf)
{
    return (struct log_output_conf){
        .target = conf->target, .path = conf->file, .facility = conf->syslog_facility};
}

/* Check that the log can be opened. Startup opens the file later, and creates it if necessary. */
static bool check_log(const struct faults *faults)
{
    const struct log_conf *conf = &faults->config->log;
    const struct log_output_conf output = output_conf(conf);
    if (log_output_try(&output))
        return true;
    const char *why = strerrordesc_np(errno);
    if (conf->target == LOG_TARGET_FILE)
        fault_error(faults, "log.file", "%s: %s", conf->file, why);
    else
        fault_error(faults, "log.target", "/dev/log: %s", why);
    return false;
}

struct config *prepare_config(const char *path, enum config_file_use use, struct privileges *to,
                              FILE *out)
{
    struct config *config = config_file_load(path, use, out);
    if (!config)
        return NULL;
    const struct faults faults = {.config = config, .file_name = path, .out = out};
    bool good = tls_check(config, path, out);
    good = host_check(&faults) && good;
    if (use == CONFIG_FILE_START) {
        good = privileges_find(&faults, to) && good;
        good = check_log(&faults) && good;
    }
    if (good)
        return config;
    config_free(config);
    return NULL;
}

struct log_output *prepare_log(const struct log_conf *conf, FILE *out)
{
    const struct log_output_conf where = output_conf(conf);
    struct log_output *output = log_output_open(&where);
    const bool is_file = conf->target == LOG_TARGET_FILE;
    if (!output)
        (void)fprintf(out, "error: log.%s: %s: %s\n", is_file ? "file" : "target",
                      is_file ? conf->file : "/dev/log", strerrordesc_np(errno));
    return output;
}

/* ---- plans for the workers ---- */

bool publication_prepare(struct publication *out, const struct workers *workers,
                         struct snapshot *snapshot, struct worker_socket *sockets,
                         struct tls_ticket_keys *const *keys, char error[WORKER_TLS_ERROR_MAX])
{
    const size_t each = snapshot->n_bindings;
    *out = (struct publication){.workers = workers,
                                .plans = calloc(workers->n, sizeof(struct worker_update *))};
    (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
    for (unsigned i = 0; i < workers->n; i++) {
        struct worker_socket *mine = sockets ? sockets + i * each : NULL;
        if (out->plans)
            out->plans[i] = worker_update_new(workers->list[i], snapshot, mine, keys, error);
        else if (mine)
            listening_close(mine, each);
        if (out->plans && out->plans[i])
            continue;
        if (sockets)
            listening_close(sockets + (i + 1) * each, (workers->n - i - 1) * each);
        publication_drop(out);
        return false;
    }
    return true;
}

void publication_commit(struct publication *publication)
{
    for (unsigned i = 0; i < publication->workers->n; i++)
        worker_send_update(publication->workers->list[i], publication->plans[i]);
    free(publication->plans);
    publication->plans = NULL;
}

void publication_drop(struct publication *publication)
{
    for (unsigned i = 0; publication->plans && i < publication->workers->n; i++)
        worker_update_free(publication->plans[i]);
    free(publication->plans);
    publication->plans = NULL;
}
