/*
 * reload.h - reload the configuration file while serving.
 */
#ifndef CONTROL_RELOAD_RELOAD_H
#define CONTROL_RELOAD_RELOAD_H

#include <stdio.h>

#include "base/util.h"
#include "control/service/service.h"
#include "report.h"

/* A higher layer that takes part in a reload (the admin interface). All functions are required. */
struct reload_participant {
    void *arg;
    /* Read the files that the new configuration names. Changes nothing; reports errors on `out`. */
    bool (*prepare)(void *arg, const struct config *to, FILE *out);
    /*
     * Change the permissions of files from one configuration to another; called with swapped
     * arguments to undo this. Reports errors on `out`; null = not reported.
     */
    bool (*change_rights)(void *arg, const struct config *to, const struct config *from, FILE *out);
    /* Use the prepared data. Cannot fail. */
    void (*commit)(void *arg);
};

/* Result of a reload. The caller owns the two pointers. */
struct reload_outcome {
    char *messages;                  /* lines "error: ..." and "warning: ..."; may be null */
    struct reload_cluster *clusters; /* one per cluster of the new snapshot; may be null */
    uint32_t moved_permille;         /* the highest of all clusters */
};

/*
 * Reload the configuration file, in two phases. On any error, nothing changes: each error is logged
 * as `reload.fault`, followed by `reload.failed`. Otherwise, all changes take effect, and existing
 * sessions are not affected. Logs
 *
 *   reload.restart_needed   for each changed key that takes effect only after a restart
 *   reload.cluster          for each cluster: nodes, added, removed, and moved_permille, the
 *                           share of the key space whose home has changed
 *   listener.open           for each new address
 *   reload.done             numbers of addresses added and removed, and the highest moved_permille
 *
 *   outcome   null = not needed; the events are logged in any case
 *
 * Returns false if nothing has changed.
 */
MUST_USE bool reload(struct service *service, struct reload_outcome *outcome);

/* Start watching the TLS files. */
void reload_start_tls(struct service *service);

/*
 * Use the current members of discovered clusters. Returns false if out of memory; this is logged,
 * and the caller should try again.
 */
MUST_USE bool reload_members(struct service *service);

#endif
