/*
 * check.c - does this host have what a configuration takes for granted?
 */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounts.h"
#include "base/bearer_token.h"
#include "control/health/prober_plan.h"
#include "model/config/fault.h"
#include "net/address.h"

/* ---- secrets in files ---- */

static bool try_password(const char *path, char error[SMALL_FILE_ERROR_MAX])
{
    char *password = prober_read_password(path, error);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return password;
}

static bool check_password(const struct faults *faults, const struct cluster_conf *conf, size_t i)
{
    char why[SMALL_FILE_ERROR_MAX], place[FAULT_PATH_MAX];
    if (!conf->health_check || !conf->health_check->password_file ||
        try_password(conf->health_check->password_file, why))
        return true;
    fault_path(place, "clusters[%zu].health_check.password_file", i);
    fault_error(faults, place, "%s: %s", conf->health_check->password_file, why);
    return false;
}

static bool check_token(const struct faults *faults)
{
    struct stat st;
    struct bearer_token token = {0};
    char why[SMALL_FILE_ERROR_MAX];
    const char *path = faults->config->admin ? faults->config->admin->token_file : NULL;
    const bool good = bearer_token_read(path, SMALL_FILE_REGULAR, &token, why);
    bearer_token_wipe(&token);
    if (!good)
        fault_error(faults, "admin.token_file", "%s: %s", path, why);
    else if (path && stat(path, &st) == 0 && (st.st_mode & S_IROTH))
        fault_warning(faults, "admin.token_file",
                      "%s: every user of this host can read it: "
                      "chmod o= %s",
                      path, path);
    return good;
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

static bool check_sources(const struct faults *faults, const struct cluster_conf *conf, size_t i)
{
    char place[FAULT_PATH_MAX];
    bool good = true;
    for (size_t k = 0; k < conf->n_source_addresses; k++) {
        if (is_ours(conf->source_addresses[k]))
            continue;
        const char *why = strerrordesc_np(errno);
        fault_path(place, "clusters[%zu].source_addresses[%zu]", i, k);
        fault_error(faults, place, "%s: %s", conf->source_addresses[k], why);
        good = false;
    }
    return good;
}

/* ---- Unix sockets ---- */

static bool check_rights(const struct faults *faults, const struct socket_conf *conf,
                         const char *place)
{
    char path[FAULT_PATH_MAX];
    const char *key;
    struct socket_permissions rights;
    int error = account_socket_rights(conf, &rights, &key);
    if (!error)
        return true;
    const bool owner = strcmp(key, "socket_owner") == 0;
    fault_path(path, "%s.%s", place, key);
    fault_error(faults, path, "\"%s\": %s", owner ? conf->owner : conf->group,
                account_fault(error, owner ? "no such user" : "no such group"));
    return false;
}

bool host_check(const struct faults *faults)
{
    char place[FAULT_PATH_MAX];
    bool good = check_token(faults);
    for (size_t i = 0; i < faults->config->n_clusters; i++) {
        good = check_password(faults, &faults->config->clusters[i], i) && good;
        good = check_sources(faults, &faults->config->clusters[i], i) && good;
    }
    for (size_t i = 0; i < faults->config->n_listeners; i++) {
        fault_path(place, "listeners[%zu]", i);
        good = check_rights(faults, &faults->config->listeners[i].socket, place) && good;
    }
    if (faults->config->admin)
        good = check_rights(faults, &faults->config->admin->socket, "admin") && good;
    return good;
}
