/*
 * rows.h - macros for rows of the key tables, and declarations of nested tables.
 */
#ifndef MODEL_CONFIG_KEYS_ROWS_H
#define MODEL_CONFIG_KEYS_ROWS_H

#include <stddef.h>

#include "base/util.h"
#include "model/config/config.h"
#include "model/config/table.h"

#define FIELD(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define COUNT(type, member) .count_offset = offsetof(type, member)
#define RANGE(low, high)    .min = (low), .max = (high)
#define COUNTS(low, high)   .count_min = (low), .count_max = (high)
#define CHOICES(list)       .choices = (list), .n_choices = ARRAY_LEN(list)
/* The range of most timeouts. Its minimum rejects values such as 15, probably meant in seconds. */
#define SHORT_MS RANGE(100, 600000)
/* The range of sessions closed per second. */
#define RATE RANGE(1, 1000000)
#define TABLE(type, list)                                                                          \
    {                                                                                              \
        .struct_size = sizeof(type), .keys = (list), .n_keys = ARRAY_LEN(list)                     \
    }

extern const struct config_table config_tls_table;           /* listeners[].tls */
extern const struct config_table config_upstream_tls_table;  /* clusters[].tls */
extern const struct config_table config_limits_table;        /* limits */
extern const struct config_table config_listener_table;      /* listeners[] */
extern const struct config_table config_health_table;        /* clusters[].health_check */
extern const struct config_table config_passive_table;       /* clusters[].passive */
extern const struct config_table config_discovery_table;     /* clusters[].discovery */
extern const struct config_table config_node_table;          /* clusters[].nodes[] */
extern const struct config_table config_node_defaults_table; /* clusters[].node_defaults */
extern const struct config_table config_cluster_table;       /* clusters[] */

#endif
