/*
 * read_versions.h - the readers of each version, behind the one that tells them apart.
 *
 * Both keep proxy_read()'s contract, except that *out is theirs to scribble on.
 */
#ifndef WIRE_PROXY_READ_VERSIONS_H
#define WIRE_PROXY_READ_VERSIONS_H

#include "wire/proxy/read.h"

/* `in` starts with "P". */
enum parse_result proxy_read_v1(struct span in, struct proxy_header *out, size_t *next);

/* `in` starts with CR. */
enum parse_result proxy_read_v2(struct span in, struct proxy_header *out, size_t *next);

#endif
