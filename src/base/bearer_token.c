/*
 * bearer_token.c - read the token, and compare it in constant time.
 */
#include "base/bearer_token.h"

#include <stdio.h>
#include <string.h>

static bool refuse(char error[SMALL_FILE_ERROR_MAX], const char *rule)
{
    (void)snprintf(error, SMALL_FILE_ERROR_MAX, "%s", rule);
    return false;
}

static bool is_token(const struct small_file *line, char error[SMALL_FILE_ERROR_MAX])
{
    if (line->n < BEARER_TOKEN_MIN)
        return refuse(error, "must be at least 16 bytes long");
    for (size_t i = 0; i < line->n; i++)
        if (line->text[i] <= ' ' || line->text[i] > '~')
            return refuse(error, "must contain only visible ASCII characters");
    return true;
}

bool bearer_token_read(const char *path, enum small_file_type type, struct bearer_token *out,
                       char error[SMALL_FILE_ERROR_MAX])
{
    struct small_file line = {0};
    if (path && (!small_file_read_line(path, type, BEARER_TOKEN_MAX, &line, error) ||
                 !is_token(&line, error))) {
        small_file_free(&line);
        return false;
    }
    bearer_token_wipe(out);
    if (line.n > 0)
        memcpy(out->text, line.text, line.n);
    out->n = line.n;
    small_file_free(&line);
    return true;
}

bool bearer_token_matches(const struct bearer_token *token, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (token->n == 0)
        return true;
    if (!authorization || strncasecmp(authorization, scheme, strlen(scheme)) != 0)
        return false;
    const char *said = authorization + strlen(scheme);
    said += strspn(said, " ");
    const size_t n = strlen(said);
    unsigned differ = n != token->n;
    for (size_t i = 0; i < token->n; i++)
        differ |= (unsigned char)token->text[i] ^ (unsigned char)said[n ? i % n : 0];
    return differ == 0;
}

void bearer_token_wipe(struct bearer_token *token)
{
    explicit_bzero(token, sizeof(*token));
}
