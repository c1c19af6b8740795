/*
 * check.h - checks over a whole configuration that was read, with errors or without.
 *
 * Any text may be null then and any list empty: what a reader has complained about already is
 * passed over. A default that depends on another key is filled in here.
 */
#ifndef MODEL_CONFIG_CHECK_CHECK_H
#define MODEL_CONFIG_CHECK_CHECK_H

#include <stdbool.h>

#include "model/config/load.h"

/* Names of clusters become indices; what of a listener's keys needs or excludes another. */
void config_check_listeners(struct config_load *load, const struct config_place *root);
/* The same for clusters; after the listeners. */
void config_check_clusters(struct config_load *load, const struct config_place *root);
/* Of one cluster, which is an object: its nodes, and how their health is found out. */
void config_check_nodes(struct config_load *load, const struct config_place *cluster,
                        const struct cluster_conf *conf);
void config_check_health(struct config_load *load, const struct config_place *cluster,
                         const struct cluster_conf *conf);

/* An error at the key when it is there and the needed one beside it is not. */
void config_want_with(struct config_load *load, const struct config_place *at, const char *key,
                      const char *needed, const char *why);

/* Warn about socket_mode, socket_owner and socket_group if there is no Unix socket. */
void config_check_socket(struct config_load *load, const struct config_place *object,
                         bool unix_one);

/* Whether all addresses of the listener are Unix sockets. */
bool config_listens_on_unix_only(const struct listener_conf *listener);

#endif
