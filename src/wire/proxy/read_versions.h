/*
 * read_versions.h - the parser of each header version, called by proxy_read().
 *
 * Both follow the contract of proxy_read(), but may modify *out in any case.
 */
#ifndef WIRE_PROXY_READ_VERSIONS_H
#define WIRE_PROXY_READ_VERSIONS_H

#include "wire/proxy/read.h"

/* `in` starts with "P". */
enum parse_result proxy_read_v1(struct span in, struct proxy_header *out, size_t *next);

/* `in` starts with CR. */
enum parse_result proxy_read_v2(struct span in, struct proxy_header *out, size_t *next);

#endif
