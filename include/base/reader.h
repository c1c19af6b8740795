/*
 * reader.h - read untrusted bytes in sequence, with bounds checks.
 *
 * A read past the end returns 0 and sets `cut`, after which all reads return 0. A series of reads
 * therefore needs only one check at its end.
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"

struct reader {
    const uint8_t *p; /* borrowed */
    size_t n;         /* bytes */
    size_t at;        /* offset of the next unread byte; does not change once `cut` is set */
    bool cut;         /* a read went past the end */
};

/* Create a reader that starts at offset `at`; `cut` is set if that is past the end. */
static inline struct reader reader_from(struct span bytes, size_t at)
{
    return (struct reader){.p = bytes.p, .n = bytes.n, .at = at, .cut = at > bytes.n};
}

/* Number of bytes left; 0 if `cut` is set. */
static inline size_t reader_left(const struct reader *rd)
{
    return rd->cut ? 0 : rd->n - rd->at;
}

static inline uint8_t reader_u8(struct reader *rd)
{
    if (reader_left(rd) < 1) {
        rd->cut = true;
        return 0;
    }
    return rd->p[rd->at++];
}

static inline uint16_t reader_u16_be(struct reader *rd)
{
    if (reader_left(rd) < 2) {
        rd->cut = true;
        return 0;
    }
    const uint8_t *b = rd->p + rd->at;
    rd->at += 2;
    return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t reader_u32_be(struct reader *rd)
{
    if (reader_left(rd) < 4) {
        rd->cut = true;
        return 0;
    }
    const uint8_t *b = rd->p + rd->at;
    rd->at += 4;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

#endif
