/*
 * law.h - helpers for fuzz targets: LAW() checks an invariant, dice derive choices from the input,
 * so that a finding can be replayed, and exact copies let AddressSanitizer detect overruns.
 */
#ifndef TARGETS_LAW_H
#define TARGETS_LAW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Print the condition and abort if it is false. */
#define LAW(condition)                                                                             \
    do {                                                                                           \
        if (!(condition))                                                                          \
            law_broken(#condition, __FILE__, __LINE__);                                            \
    } while (0)

__attribute__((noreturn)) static inline void law_broken(const char *law, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: violated invariant: %s\n", file, line, law);
    abort();
}

struct dice {
    uint64_t state;
};

static inline struct dice dice_from(const uint8_t *data, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return (struct dice){hash | 1};
}

/* Return a number from 0 to below - 1; below must not be 0. */
static inline size_t dice_roll(struct dice *d, size_t below)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (size_t)(d->state % below);
}

/* Return memory of exactly n bytes; the caller frees it. */
static inline uint8_t *exact_new(size_t n)
{
    uint8_t *exact = malloc(n > 0 ? n : 1);

    LAW(exact != NULL);
    return exact;
}

static inline uint8_t *exact_copy(const uint8_t *p, size_t n)
{
    uint8_t *exact = exact_new(n);

    if (n > 0)
        memcpy(exact, p, n);
    return exact;
}

/* Like exact_copy(), with a terminator added. */
static inline char *exact_text(const uint8_t *p, size_t n)
{
    char *text = (char *)exact_new(n + 1);

    if (n > 0)
        memcpy(text, p, n);
    text[n] = '\0';
    return text;
}

#endif
