/*
 * config_shape.h - what texts of the configuration must look like.
 */
#ifndef MODEL_CONFIG_SHAPE_H
#define MODEL_CONFIG_SHAPE_H

#include "model/config_keys.h"

extern const struct config_shape config_header_shape;   /* RFC 9110 section 5.1 */
extern const struct config_shape config_path_shape;     /* RFC 3986 section 3.3, no query */
extern const struct config_shape config_suite_shape;    /* a list for OpenSSL */
extern const struct config_shape config_protocol_shape; /* RFC 7301, the visible ones */
extern const struct config_shape config_host_shape;     /* RFC 1123 section 2.1 */

#endif
