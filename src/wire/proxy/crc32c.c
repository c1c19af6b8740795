/*
 * crc32c.c - CRC-32C, reflected, bit by bit: a header is short, a table would be longer.
 */
#include "crc32c.h"

#define POLYNOMIAL_REFLECTED 0x82f63b78u

uint32_t crc32c(uint32_t crc, struct span more)
{
    crc = ~crc;
    for (size_t i = 0; i < more.n; i++) {
        crc ^= more.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL_REFLECTED : 0);
    }
    return ~crc;
}
