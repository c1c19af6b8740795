/*
 * check.h - check the whole configuration after reading, with or without errors.
 *
 * After an error, any string can be null and any list empty. A value that a reader has reported is
 * not reported again. Defaults that depend on other keys are set here.
 */
#ifndef MODEL_CONFIG_CHECK_CHECK_H
#define MODEL_CONFIG_CHECK_CHECK_H

#include <stdbool.h>

#include "model/config/load.h"

/* Check the listeners, and replace names of clusters by indices. */
void config_check_listeners(struct config_load *load, const struct config_place *root);
/* Check the clusters. Call this after config_check_listeners(). */
void config_check_clusters(struct config_load *load, const struct config_place *root);
/* Check the nodes, or the health checks, of one cluster, which must be a JSON object. */
void config_check_nodes(struct config_load *load, const struct config_place *cluster,
                        const struct cluster_conf *conf);
void config_check_health(struct config_load *load, const struct config_place *cluster,
                         const struct cluster_conf *conf);

/* Report an error at the key if the object at `at` contains `key` but not `needed`. */
void config_want_with(struct config_load *load, const struct config_place *at, const char *key,
                      const char *needed, const char *why);

/* Warn about socket_mode, socket_owner and socket_group if there is no Unix socket. */
void config_check_socket(struct config_load *load, const struct config_place *object,
                         bool unix_one);

/* Return whether all addresses of the listener are Unix sockets. */
bool config_listens_on_unix_only(const struct listener_conf *listener);

#endif
