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
    size_t n; /* 0 = no token is required */
    char text[BEARER_TOKEN_MAX];
};

/*
 * Read the token from a file: one line of BEARER_TOKEN_MIN..BEARER_TOKEN_MAX visible ASCII
 * characters. A null path means that no token is required. Returns false with the violated rule in
 * `error`, and leaves *out unchanged.
 */
MUST_USE bool bearer_token_read(const char *path, enum small_file_type type,
                                struct bearer_token *out, char error[SMALL_FILE_ERROR_MAX]);

/*
 * Whether an Authorization header (null = no header) contains the token, compared in constant time.
 * True if no token is required.
 */
bool bearer_token_matches(const struct bearer_token *token, const char *authorization);

void bearer_token_wipe(struct bearer_token *token);

#endif
