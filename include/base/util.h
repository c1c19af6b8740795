/*
 * util.h - macros and small helpers that every layer uses.
 */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Pointer to the struct whose `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The caller must use the result. */
#define MUST_USE __attribute__((warn_unused_result))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/*
 * Convert a JSON number that has a fraction or an exponent, but an integer value: 2.0, 1e+06.
 * Returns false for other numbers (1.5, 1e30, NaN), and leaves *out unchanged. The limit is 2^53:
 * above it, a double cannot represent every integer.
 */
MUST_USE static inline bool exact_integer(double value, int64_t *out)
{
    const double limit = 9007199254740992.0;
    if (!(value > -limit && value < limit) || (double)(int64_t)value != value)
        return false;
    *out = (int64_t)value;
    return true;
}

#endif
