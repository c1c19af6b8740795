/*
 * bearer_token.h - the bearer token of the admin interface (RFC 6750 section 2.1).
 */
#ifndef BASE_BEARER_TOKEN_H
#define BASE_BEARER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "small_file.h"
#include "util.h"

#define BEARER_TOKEN_MIN 16u
#define BEARER_TOKEN_MAX 512u

struct bearer_token {
    size_t n; /* 0 = none is asked for */
    char text[BEARER_TOKEN_MAX];
};

/*
 * Read the token in a file: one line of BEARER_TOKEN_MIN..BEARER_TOKEN_MAX visible ASCII
 * characters. Null path: no token. False with the rule in `error`; *out is untouched then.
 */
MUST_USE bool bearer_token_read(const char *path, enum small_file_type type,
                                struct bearer_token *out, char error[SMALL_FILE_ERROR_MAX]);

/* Does an Authorization header (null = none) hold it? Takes as long for a wrong one. */
bool bearer_token_matches(const struct bearer_token *token, const char *authorization);

void bearer_token_wipe(struct bearer_token *token);

#endif
