/*
 * overrides.c - what an operator has changed at run time.
 */
#include "overrides.h"

#include <stdlib.h>

struct overrides {
    unsigned n;
};

struct overrides *overrides_new(void)
{
    return calloc(1, sizeof(struct overrides));
}

void overrides_free(struct overrides *overrides)
{
    free(overrides);
}
