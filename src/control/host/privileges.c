/*
 * privileges.c - switch from the starting user, often root, to a user without capabilities.
 *
 *    bounding set -> groups, group, user -> all other sets -> no_new_privs -> verify
 *
 * The order matters: clearing the bounding set needs CAP_SETPCAP, and changing the user needs
 * CAP_SETUID. Depending on securebits, capabilities may survive that change.
 */
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "accounts.h"
#include "model/config/fault.h"
#include "net/tls/client.h"
#include "net/tls/context.h"
#include "sandbox.h"

#define RECORD_MAX 65536u /* size of a record; a group can have many members */

/* ---- memory ---- */

/*
 * In sanitizer builds, the process stays dumpable: LeakSanitizer traces its own process, which is
 * not allowed otherwise.
 */
void privileges_hide_memory(void)
{
    (void)prctl(PR_SET_DUMPABLE, SANDBOX_SANITIZED ? 1 : 0);
}

/* ---- user and group ---- */

static bool refuse(const struct faults *faults, const char *key, const char *name, const char *why)
{
    fault_error(faults, key, "\"%s\": %s", name, why);
    return false;
}

bool privileges_find(const struct faults *faults, struct privileges *out)
{
    const struct config *config = faults->config;
    static const char cure[] =
        "only root can switch to another user or group: start as root, or remove this key";
    struct privileges to = {.user = config->user, .uid = geteuid(), .gid = getegid()};
    const bool root = to.uid == 0;
    const gid_t own = to.gid;
    int error = config->user ? account_user(config->user, &to.uid, &to.gid) : 0;
    if (error)
        return refuse(faults, "user", config->user, account_fault(error, "no such user"));
    error = config->group ? account_group(config->group, &to.gid) : 0;
    if (error)
        return refuse(faults, "group", config->group, account_fault(error, "no such group"));
    if (!root && to.uid != geteuid())
        return refuse(faults, "user", config->user, cure);
    if (!root && config->group && to.gid != own)
        return refuse(faults, "group", config->group, cure);
    to.change = root && (config->user || config->group);
    *out = to;
    return true;
}

void privileges_hand_over(const struct privileges *to, int fd)
{
    if (to->uid != geteuid())
        (void)!fchown(fd, to->uid, to->gid);
}

/* ---- dropping ---- */

static bool fail(FILE *err, const char *what)
{
    (void)fprintf(err, "error: cannot %s: %s\n", what, strerror(errno));
    return false;
}

/* Also set the user's other groups: keys are often readable by a group such as "ssl-cert". */
static bool change_groups(const struct privileges *to)
{
    struct passwd record, *found = NULL;
    char *text = malloc(RECORD_MAX);
    if (!text)
        return false;
    (void)getpwuid_r(to->uid, &record, text, RECORD_MAX, &found);
    bool done =
        to->user && found ? initgroups(record.pw_name, to->gid) == 0 : setgroups(1, &to->gid) == 0;
    int error = errno;
    free(text);
    errno = error;
    return done && setresgid(to->gid, to->gid, to->gid) == 0;
}

static bool is_dropped(const struct privileges *to)
{
    uid_t uid[3];
    gid_t gid[3];
    if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
        return false;
    for (int i = 0; i < 3; i++)
        if (uid[i] != to->uid || (to->change && gid[i] != to->gid))
            return false;
    /* Only after a change of user, because a container's seccomp filter may kill the process. */
    if (to->change && to->uid != 0 && setuid(0) == 0)
        return false;
    return capng_get_caps_process() == 0 &&
           capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE;
}

bool privileges_drop(const struct privileges *to, FILE *err)
{
    capng_clear(CAPNG_SELECT_ALL);
    /* This fails without CAP_SETPCAP, but no_new_privs makes the bounding set irrelevant. */
    (void)!capng_apply(CAPNG_SELECT_BOUNDS);
    if (to->change && !change_groups(to))
        return fail(err, "change the group");
    if (to->change && setresuid(to->uid, to->uid, to->uid) < 0)
        return fail(err, "change the user");
    capng_clear(CAPNG_SELECT_ALL);
    if (capng_apply(CAPNG_SELECT_CAPS) < 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return fail(err, "drop capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail(err, "set no_new_privs");
    privileges_hide_memory(); /* changing the user may have changed the flag */
    errno = EPERM;
    return is_dropped(to) || fail(err, "drop privileges");
}

/* ---- what a reload can no longer do ---- */

static void try_file(void *arg, const char *file)
{
    struct log *log = arg;
    struct log_line line;
    if (faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) == 0 || errno != EACCES)
        return;
    log_begin(&line, log, LOG_WARN, "host.unreadable");
    log_text(&line, "file", file);
    log_text(&line, "effect", "a reload will fail");
    log_text(&line, "cure", "make the file readable for the user that the router runs as");
    log_emit(&line);
}

static void try_folder(struct log *log, const char *address)
{
    static const char prefix[] = CONFIG_UNIX_PREFIX;
    char folder[CONFIG_UNIX_PATH_MAX + 1] = ".";
    const char *path = address + sizeof(prefix) - 1;
    if (strncmp(address, prefix, sizeof(prefix) - 1) != 0)
        return;
    const char *end = strrchr(path, '/');
    if (end)
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(end == path ? 1 : end - path), path);
    if (access(folder, W_OK) < 0)
        log_event(log, LOG_WARN, "host.unwritable", "folder", folder);
}

void privileges_warn(struct log *log, const struct config *config, const char *config_path)
{
    if (geteuid() == 0)
        log_event(log, LOG_WARN, "host.root", "cure",
                  "set `user` to an unprivileged user that can read the files");
    try_file(log, config_path);
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_conf *conf = &config->listeners[i];
        for (size_t k = 0; k < conf->n_addresses; k++)
            try_folder(log, conf->addresses[k]);
        if (conf->tls)
            tls_context_files(conf->tls, try_file, log);
    }
    for (size_t i = 0; i < config->n_clusters; i++) {
        const struct cluster_conf *conf = &config->clusters[i];
        if (conf->tls)
            tls_client_context_files(conf->tls, try_file, log);
        if (conf->health_check && conf->health_check->password_file)
            try_file(log, conf->health_check->password_file);
    }
    if (config->admin)
        try_folder(log, config->admin->address);
    if (config->admin && config->admin->token_file)
        try_file(log, config->admin->token_file);
}
