/*
 * shape.h - check the syntax of strings in the configuration.
 */
#ifndef MODEL_CONFIG_SHAPE_H
#define MODEL_CONFIG_SHAPE_H

#include "table.h"

extern const struct config_shape config_header_shape;   /* RFC 9110 section 5.1 */
extern const struct config_shape config_path_shape;     /* RFC 3986 section 3.3, no query */
extern const struct config_shape config_target_shape;   /* RFC 9112 section 3.2.1 */
extern const struct config_shape config_method_shape;   /* RFC 9110 section 9.1, upper case */
extern const struct config_shape config_suite_shape;    /* colon-separated, for OpenSSL */
extern const struct config_shape config_protocol_shape; /* RFC 7301, only visible ASCII */
extern const struct config_shape config_host_shape;     /* RFC 1123 section 2.1 */
extern const struct config_shape config_domain_shape;   /* the same, but a final dot is allowed */
extern const struct config_shape config_mode_shape;     /* octal file mode */
extern const struct config_shape config_ip_shape;       /* IP address, not "0.0.0.0" or "::" */

#endif
