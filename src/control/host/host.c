/*
 * host.c - check that this host has what a configuration requires: files, addresses, limits.
 *
 * Missing files and addresses are errors, reported before anything starts. Low limits are only
 * warnings, because they matter only under load.
 */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounts.h"
#include "base/bearer_token.h"
#include "base/small_file.h"
#include "model/config/fault.h"
#include "net/address.h"

/* For files that are read again, for connections that are rejected, and for libraries. */
#define SPARE_DESCRIPTORS 16u

/* A limit this low is almost certainly an oversight. */
#define FEW_CONNECTIONS 1000u

/* ---- secrets in files ---- */

static bool check_password(const struct faults *faults, const struct cluster_conf *conf, size_t i)
{
    const char *path = conf->health_check ? conf->health_check->password_file : NULL;
    struct small_file password = {0};
    char why[SMALL_FILE_ERROR_MAX], place[FAULT_PATH_MAX];
    if (!path)
        return true;
    const bool good = small_file_read_line(path, SMALL_FILE_REGULAR, UINT16_MAX, &password, why);
    small_file_free(&password);
    fault_path(place, "clusters[%zu].health_check.password_file", i);
    if (!good)
        fault_error(faults, place, "%s: %s", path, why);
    return good;
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
                      "%s: every user of this host can read the file: chmod o= %s", path, path);
    return good;
}

/* ---- source addresses ---- */

/* Whether a socket can be bound to the address, with any port. */
static bool is_local(const char *text)
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
    /* all ports are in use, but connections to different destinations can share a port */
    return bound || error == EADDRINUSE;
}

static bool check_sources(const struct faults *faults, const struct cluster_conf *conf, size_t i)
{
    char place[FAULT_PATH_MAX];
    bool good = true;
    for (size_t k = 0; k < conf->n_source_addresses; k++) {
        if (is_local(conf->source_addresses[k]))
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

/* ---- limits ---- */

void host_limits_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* on failure, the lower limit applies */
}

/* Number of open descriptors; 0 = unknown. */
static uint64_t count_open(void)
{
    uint64_t n = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        n++;
    if (directory)
        closedir(directory);
    return n;
}

uint32_t host_limits_connections(uint32_t reserved)
{
    struct rlimit limit;
    uint64_t own = count_open() + SPARE_DESCRIPTORS + reserved;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur / 2 > UINT32_MAX)
        return UINT32_MAX;
    return limit.rlim_cur > own + 2 ? (uint32_t)((limit.rlim_cur - own) / 2) : 1;
}

static void warn(struct log *log, const char *limit, uint64_t have, uint64_t want, const char *cure)
{
    struct log_line line;
    log_begin(&line, log, LOG_WARN, "host.limit");
    log_text(&line, "limit", limit);
    log_u64(&line, "have", have);
    log_u64(&line, "want", want);
    log_text(&line, "cure", cure);
    log_emit(&line);
}

/* Read one or two numbers from a file in /proc/sys. Returns how many were read. */
static int read_sysctl(const char *path, uint64_t *a, uint64_t *b)
{
    unsigned long long x = 0, y = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int n = fscanf(file, "%llu %llu", &x, &y);
    (void)fclose(file);
    *a = x;
    *b = y;
    return n;
}

/* The largest number of connections that one node can get. */
static uint64_t most_for_one_node(const struct config *config, uint64_t connections)
{
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < config->n_clusters; i++)
        fewest = size_min(fewest, config->clusters[i].n_nodes);
    /* if one node fails, the others share its connections */
    return connections / (fewest > 1 ? fewest - 1 : 1);
}

static uint64_t largest_backlog(const struct config *config)
{
    uint64_t backlog = 0;
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].backlog > backlog)
            backlog = config->listeners[i].backlog;
    return backlog;
}

void host_limits_warn(struct log *log, const struct config *config, uint32_t fd_connections)
{
    uint32_t wanted = config->limits.max_connections;
    uint64_t first = 0, last = 0, ignored = 0, somaxconn = 0;
    if (fd_connections < FEW_CONNECTIONS && !wanted)
        warn(log, "RLIMIT_NOFILE, in connections", fd_connections, FEW_CONNECTIONS,
             "raise the limit on open files: each connection needs two");
    if (wanted > fd_connections)
        warn(log, "RLIMIT_NOFILE, in connections", fd_connections, wanted,
             "raise the limit on open files: each connection needs two");
    uint64_t backlog = largest_backlog(config);
    if (read_sysctl("/proc/sys/net/core/somaxconn", &somaxconn, &ignored) >= 1 &&
        somaxconn < backlog)
        warn(log, "net.core.somaxconn", somaxconn, backlog,
             "raise it: otherwise a reconnect storm can overflow the accept queue");
    uint64_t per_node = most_for_one_node(config, wanted ? wanted : fd_connections);
    if (read_sysctl("/proc/sys/net/ipv4/ip_local_port_range", &first, &last) == 2 &&
        last - first + 1 < per_node)
        warn(log, "net.ipv4.ip_local_port_range", last - first + 1, per_node,
             "widen the range: each connection to a node uses a local port");
}
