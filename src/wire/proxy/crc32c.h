/*
 * crc32c.h - the checksum of the PROXY header: CRC-32C (Castagnoli).
 *
 * Source: RFC 4960 appendix B, which the PROXY protocol's section 2.2.3 names.
 */
#ifndef WIRE_PROXY_CRC32C_H
#define WIRE_PROXY_CRC32C_H

#include <stdint.h>

#include "base/span.h"

#define CRC32C_SIZE 4u /* bytes on the wire, big endian in a PROXY header */

/* The checksum of what `crc` is the checksum of, with `more` behind it; of nothing it is 0. */
uint32_t crc32c(uint32_t crc, struct span more);

#endif
