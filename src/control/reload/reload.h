/*
 * reload.h - load the configuration file again while serving.
 */
#ifndef CONTROL_RELOAD_RELOAD_H
#define CONTROL_RELOAD_RELOAD_H

#include <stdio.h>

#include "base/util.h"
#include "control/service/service.h"
#include "report.h"

/*
 * A part of the router above this folder that takes part in a reload (the admin interface). Null
 * functions are not allowed.
 */
struct reload_participant {
    void *arg;
    /* Read what the new configuration names. Changes nothing; reports errors on `out`. */
    bool (*prepare)(void *arg, const struct config *to, FILE *out);
    /* Change permissions of files from one configuration to another; called the other way round to
     * undo it. Reports errors on `out`; null = not at all. */
    bool (*change_rights)(void *arg, const struct config *to, const struct config *from, FILE *out);
    /* Use what was prepared. Cannot fail. */
    void (*commit)(void *arg);
};

/* The caller owns the two pointers. */
struct reload_outcome {
    char *messages;                  /* lines "error: ..." and "warning: ..."; may be null */
    struct reload_cluster *clusters; /* one per cluster of the new snapshot; may be null */
    uint32_t moved_permille;         /* the highest of all clusters */
};

/*
 * Load the file again, in two phases. Any error leaves everything unchanged: each is logged as
 * `reload.fault`, followed by `reload.failed`. Otherwise all changes take effect, and sessions are
 * not touched. Logs
 *
 *   reload.restart_needed   for each changed key that only a restart applies
 *   reload.cluster          for each cluster: nodes, added, removed, and moved_permille, the
 *                           share of the key space whose home has changed
 *   listener.open           for each new address
 *   reload.done             numbers of addresses added and removed, and the highest moved_permille
 *
 *   outcome   null = not wanted; the events are logged in any case
 *
 * Returns false if nothing has changed.
 */
MUST_USE bool reload(struct service *service, struct reload_outcome *outcome);

/* Start to watch the TLS files. */
void reload_start_tls(struct service *service);

/*
 * Use the current members of discovered clusters. Returns false if memory is short; this is logged,
 * and the caller should try again.
 */
MUST_USE bool reload_members(struct service *service);

#endif
