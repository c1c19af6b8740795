/*
 * config_rows.h - how the rows of config_keys.h are written, and the tables in tables.
 */
#ifndef MODEL_CONFIG_ROWS_H
#define MODEL_CONFIG_ROWS_H

#include <stddef.h>

#include "base/util.h"
#include "model/config.h"
#include "model/config_keys.h"

#define FIELD(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define COUNT(type, member) .count_offset = offsetof(type, member)
#define RANGE(low, high)    .min = (low), .max = (high)
#define WORDS(list)         .words = (list), .n_words = ARRAY_LEN(list)
#define TABLE(type, list)                                                                          \
    {                                                                                              \
        .struct_size = sizeof(type), .keys = (list), .n_keys = ARRAY_LEN(list)                     \
    }

extern const struct config_table config_tls_table;          /* listeners[].tls */
extern const struct config_table config_upstream_tls_table; /* clusters[].tls */
extern const struct config_table config_listener_table;     /* listeners[] */
extern const struct config_table config_cluster_table;      /* clusters[] */

#endif
