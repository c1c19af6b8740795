/*
 * reload.h - take up the configuration file anew while serving.
 */
#ifndef CONTROL_RELOAD_RELOAD_H
#define CONTROL_RELOAD_RELOAD_H

#include <ev.h>

#include "base/log.h"
#include "base/util.h"
#include "control/discovery/discovery.h"
#include "control/health/evictor.h"
#include "control/health/prober.h"
#include "control/tls/keeper.h"
#include "publish.h"

struct admin;
struct connect_watch;
struct reload_cluster;

/* What the main thread serves by; a reload replaces the first two. The rest is borrowed. */
struct service {
    struct snapshot *snapshot; /* a reference */
    struct tls_keeper *tls;    /* owned */

    const char *config_path;
    struct ev_loop *loop;
    struct log *log;
    struct node_registry *registry;
    struct members_source members;
    struct workers workers;
    struct worker_shared *shared;
    uint32_t carried; /* connections that the open files allow */
    struct discovery *discovery;
    struct prober *prober;
    struct evictor *evictor;
    struct admin *admin; /* null = none */
    struct overrides *overrides;
    struct connect_watch *connects;
    uint64_t loaded_unix_ms; /* when this configuration was taken up */
    uint64_t reloads_failed;
    bool reload_failed; /* the last one: the file is not what is served by */
};

/* What a reload said and did. */
struct reload_outcome {
    char *said; /* owned by who asked: lines "error: ..." and "warning: ..."; may be null */
    struct reload_cluster *clusters; /* owned by who asked: of the snapshot now; may be null */
    uint32_t moved_permille;         /* of the key space of the cluster where most moved */
};

/*
 * Read the file again, in two phases. Whatever is wrong leaves everything as it was: each fault
 * is an event `reload.fault`, and `reload.failed` ends them. Else everything that changed
 * takes effect, sessions are not touched, and the log says
 *
 *   reload.restart_needed   for each key that differs and counts at the next start only
 *   reload.cluster          for each cluster: nodes, added, removed, and moved_permille, the
 *                           share of the key space with another home than before
 *   listener.open           for each new address
 *   reload.done             listeners added and removed, and the most that moved in a cluster
 *
 * False: nothing has changed. outcome: null = what was said is for the log alone
 */
MUST_USE bool reload(struct service *service, struct reload_outcome *outcome);

/* Open what the configuration says lines go to. Null: it cannot be, and `out` has why. */
MUST_USE struct log_output *reload_open_log(const struct log_conf *conf, FILE *out);

/* limits.max_connections as it can be kept. */
uint32_t service_max_connections(const struct service *service);

/* Watch the files of TLS from now on. */
void service_start_tls(struct service *service);

/*
 * Discovered clusters have other members: serve by them. False when memory is short; it is logged
 * then, and wants to be tried again.
 */
MUST_USE bool reload_members(struct service *service);

#endif
