/*
 * admin_token.h - the bearer token of the admin interface (RFC 6750 section 2.1).
 */
#ifndef CONTROL_ADMIN_TOKEN_H
#define CONTROL_ADMIN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

#define ADMIN_TOKEN_MIN 16u
#define ADMIN_TOKEN_MAX 512u

struct admin_token {
    size_t n; /* 0 = none is asked for */
    char text[ADMIN_TOKEN_MAX];
};

/*
 * Read a file's first line: ADMIN_TOKEN_MIN..ADMIN_TOKEN_MAX visible ASCII characters. Null path:
 * no token. Null when it is read; else what is wrong, and *out is untouched.
 */
MUST_USE const char *admin_token_read(const char *path, struct admin_token *out);

/* Does an Authorization header (null = none) hold it? Takes as long for a wrong one. */
bool admin_token_fits(const struct admin_token *token, const char *authorization);

void admin_token_wipe(struct admin_token *token);

#endif
