/*
 * bearer_token.h - the bearer token of the admin interface (RFC 6750 section 2.1).
 */
#ifndef BASE_BEARER_TOKEN_H
#define BASE_BEARER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "small_file.h"
#include "util.h"

#define ADMIN_TOKEN_MIN 16u
#define ADMIN_TOKEN_MAX 512u

struct admin_token {
    size_t n; /* 0 = none is asked for */
    char text[ADMIN_TOKEN_MAX];
};

/*
 * Read the token in a file: one line of ADMIN_TOKEN_MIN..ADMIN_TOKEN_MAX visible ASCII characters.
 * Null path: no token. False with the rule in `error`; *out is untouched then.
 */
MUST_USE bool admin_token_read(const char *path, enum small_file_type type, struct admin_token *out,
                               char error[SMALL_FILE_ERROR_MAX]);

/* Does an Authorization header (null = none) hold it? Takes as long for a wrong one. */
bool admin_token_fits(const struct admin_token *token, const char *authorization);

void admin_token_wipe(struct admin_token *token);

#endif
