/*
 * prepare.h - the steps of startup and reload that can fail, done before anything changes.
 *
 * Startup, `--check` and reload share these steps, so they accept the same configurations.
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
 * Read the configuration, and check everything that it refers to on this host: TLS certificates,
 * keys and revocation lists, secrets, source addresses; at startup, also the user, group and log.
 * Reports all errors, one per line: "error: FILE:LINE: KEY: TEXT". Does not create or truncate
 * files.
 *
 *   to   set to the user to run as, if `use` is CONFIG_FILE_START; null for a reload, which cannot
 *        change the user
 *
 * Returns null if there is an error.
 */
MUST_USE struct config *prepare_config(const char *path, enum config_file_use use,
                                       struct privileges *to, FILE *out);

/* Open the configured log output. Returns null on failure, which is reported on `out`. */
MUST_USE struct log_output *prepare_log(const struct log_conf *conf, FILE *out);

/* One plan per worker. */
struct publication {
    const struct workers *workers; /* borrowed */
    struct worker_update **plans;  /* owned */
};

/*
 * Prepare a plan for every worker to switch to the snapshot.
 *
 *   sockets   as filled by listening_open(); takes ownership of the descriptors, also on failure.
 *             Null = only nodes of clusters change, not listeners or configuration
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
