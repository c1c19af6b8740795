/*
 * prepare.h - the steps of a start and of a reload that can fail, before anything changes.
 *
 * A start, `--check` and a reload all use them, so none accepts a configuration that another
 * rejects.
 */
#ifndef CONTROL_RELOAD_PREPARE_H
#define CONTROL_RELOAD_PREPARE_H

#include <stdio.h>

#include "base/log.h"
#include "base/util.h"
#include "control/host/privileges.h"
#include "model/config/file.h"
#include "proxy/worker/workers.h"

/*
 * Read the configuration and check everything that it names on this host: certificates, keys and
 * lists of TLS, secrets, source addresses; at a start also user, group and log. Reports all errors,
 * one line each: "error: FILE:LINE: KEY: TEXT". Creates and truncates no file.
 *
 *   to   if `use` is CONFIG_FILE_START: set to the user to run as. Null for a reload, which cannot
 *        change the user
 *
 * Null if there is an error.
 */
MUST_USE struct config *prepare_config(const char *path, enum config_file_use use,
                                       struct privileges *to, FILE *out);

/* Open the configured output of the log. Null on failure, which is reported on `out`. */
MUST_USE struct log_output *prepare_log(const struct log_conf *conf, FILE *out);

/* One plan per worker. */
struct publication {
    const struct workers *workers; /* borrowed */
    struct worker_update **plans;  /* owned */
};

/*
 * Make a plan for every worker, to use the snapshot.
 *
 *   sockets   as listening_open() filled them; taken, on failure too. Null = listeners and
 *             configuration stay the same, and only the nodes of clusters change
 *   keys      the ticket keys of each binding; null if `sockets` is null
 *   error     on failure, one line with the reason; *out is then empty
 */
MUST_USE bool publication_prepare(struct publication *out, const struct workers *workers,
                                  struct snapshot *snapshot, struct worker_socket *sockets,
                                  struct tls_ticket_keys *const *keys,
                                  char error[WORKER_TLS_ERROR_MAX]);

/* Send the plans to the workers, or drop them. The publication is empty afterwards. */
void publication_commit(struct publication *publication);
void publication_drop(struct publication *publication);

#endif
