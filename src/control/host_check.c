/*
 * host_check.c - does this host have what a configuration takes for granted?
 */
#include "control/host_check.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin_token.h"
#include "net/address.h"

#define PASSWORD_MAX 65535u /* as CONNECT can carry it */

struct host_check {
    const char *file_name;
    FILE *out;
    bool good;
};

/* ---- secrets in files ---- */

/* What is wrong with the first line; null = nothing. */
static const char *read_first_line(FILE *file)
{
    size_t n = 0;
    int last = 0, c;
    bool zero = false;
    while ((c = fgetc(file)) != EOF && c != '\n' && n <= PASSWORD_MAX + 1) {
        zero = zero || c == '\0';
        last = c;
        n++;
    }
    if (ferror(file))
        return strerror(errno);
    if (n > 0 && last == '\r')
        n--;
    if (n > PASSWORD_MAX)
        return "its first line is longer than 65535 bytes";
    if (n == 0)
        return "its first line is empty";
    return zero ? "a zero byte in it" : NULL;
}

static const char *try_password(const char *path)
{
    char buffer[BUFSIZ];
    FILE *file = fopen(path, "re");
    if (!file)
        return strerror(errno);
    (void)setvbuf(file, buffer, _IOFBF, sizeof(buffer)); /* ours, so that it can be wiped */
    const char *why = read_first_line(file);
    (void)fclose(file);
    explicit_bzero(buffer, sizeof(buffer));
    return why;
}

static void check_password(struct host_check *c, const struct cluster_conf *conf, size_t i)
{
    if (!conf->health_check || !conf->health_check->password_file)
        return;
    const char *path = conf->health_check->password_file;
    const char *why = try_password(path);
    if (!why)
        return;
    c->good = false;
    (void)fprintf(c->out, "error: %s: clusters[%zu].health_check.password_file: %s: %s\n",
                  c->file_name, i, path, why);
}

static void warn_of_readers(const char *path, const char *file_name, FILE *out)
{
    struct stat st;
    if (path && stat(path, &st) == 0 && (st.st_mode & S_IROTH))
        (void)fprintf(out,
                      "warning: %s: admin.token_file: %s: every user of this host can read it: "
                      "chmod o= %s\n",
                      file_name, path, path);
}

bool host_check_admin(const struct config *config, const char *file_name, FILE *out)
{
    struct admin_token token = {0};
    const char *path = config->admin ? config->admin->token_file : NULL;
    const char *why = admin_token_read(path, &token);
    admin_token_wipe(&token);
    if (why)
        (void)fprintf(out, "error: %s: admin.token_file: %s: %s\n", file_name, path, why);
    else
        warn_of_readers(path, file_name, out);
    return !why;
}

/* ---- source addresses ---- */

/* The port is the kernel's choice, and given back at once. */
static bool is_ours(const char *text)
{
    struct address source;
    errno = EINVAL;
    if (!address_parse_host(text, &source))
        return false;
    int fd = socket(source.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool bound = bind(fd, &source.sa, address_len(&source)) == 0;
    int error = errno;
    close(fd);
    errno = error;
    /* all ports are in use: a matter of this moment, and dialling picks them by destination */
    return bound || error == EADDRINUSE;
}

static void check_sources(struct host_check *c, const struct cluster_conf *conf, size_t i)
{
    for (size_t k = 0; k < conf->n_source_addresses; k++) {
        if (is_ours(conf->source_addresses[k]))
            continue;
        c->good = false;
        (void)fprintf(c->out, "error: %s: clusters[%zu].source_addresses[%zu]: %s: %s\n",
                      c->file_name, i, k, conf->source_addresses[k], strerror(errno));
    }
}

bool host_check(const struct config *config, const char *file_name, FILE *out)
{
    struct host_check c = {.file_name = file_name, .out = out};
    c.good = host_check_admin(config, file_name, out);
    for (size_t i = 0; i < config->n_clusters; i++) {
        check_password(&c, &config->clusters[i], i);
        check_sources(&c, &config->clusters[i], i);
    }
    return c.good;
}
