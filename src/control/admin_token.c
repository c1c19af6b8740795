/*
 * admin_token.c - read the token, and compare it in a time that tells nothing.
 */
#include "admin_token.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the first line in text; what is wrong with it, or null. */
static const char *take_line(const char *text, size_t n, struct admin_token *out)
{
    const char *end = memchr(text, '\n', n);
    size_t line = end ? (size_t)(end - text) : n;
    if (line > 0 && text[line - 1] == '\r')
        line--;
    if (line < ADMIN_TOKEN_MIN)
        return "its first line is shorter than 16 bytes";
    if (line > ADMIN_TOKEN_MAX)
        return "its first line is longer than 512 bytes";
    for (size_t i = 0; i < line; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return "its first line has a byte that is no visible ASCII character";
    admin_token_wipe(out);
    memcpy(out->text, text, line);
    out->n = line;
    return NULL;
}

const char *admin_token_read(const char *path, struct admin_token *out)
{
    char text[ADMIN_TOKEN_MAX + 2];
    if (!path) {
        admin_token_wipe(out);
        return NULL;
    }
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait for its writer */
    if (fd < 0)
        return strerror(errno);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return "it is no regular file";
    }
    ssize_t n = read(fd, text, sizeof(text));
    const char *why = n < 0 ? strerror(errno) : take_line(text, (size_t)n, out);
    close(fd);
    explicit_bzero(text, sizeof(text));
    return why;
}

bool admin_token_fits(const struct admin_token *token, const char *authorization)
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

void admin_token_wipe(struct admin_token *token)
{
    explicit_bzero(token, sizeof(*token));
}
