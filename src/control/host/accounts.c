/*
 * accounts.c - users and groups of this host by name or number.
 */
#include "accounts.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX 65536u /* of /etc/passwd and /etc/group: a group may have many members */

/* False if it is not a number. The highest is not allowed: to the kernel it means "unchanged". */
static bool parse_id(const char *text, unsigned *id)
{
    char *end;
    errno = 0;
    unsigned long value = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
    if (!isdigit((unsigned char)*text) || *end || errno || value >= UINT32_MAX)
        return false;
    *id = (unsigned)value;
    return true;
}

/* Names that a name service resolved. */
struct account {
    char *name; /* owned */
    bool group;
    uid_t uid;
    gid_t gid;
};
static struct account *known;
static size_t n_known;
static bool confined;

static const struct account *recall(const char *name, bool group)
{
    for (size_t i = 0; i < n_known; i++)
        if (known[i].group == group && strcmp(known[i].name, name) == 0)
            return &known[i];
    return NULL;
}

/* If memory is short, a reload finds the name in the files only. */
static void remember(const char *name, bool group, uid_t uid, gid_t gid)
{
    if (recall(name, group))
        return;
    struct account *longer = reallocarray(known, n_known + 1, sizeof(*known));
    if (!longer)
        return;
    known = longer;
    known[n_known] = (struct account){.name = strdup(name), .group = group, .uid = uid, .gid = gid};
    n_known += known[n_known].name != NULL;
}

void accounts_confine(void)
{
    confined = true;
}

/* As getpwnam_r(), but without name services. */
static int scan_users(const char *name, struct passwd *record, char *text, struct passwd **found)
{
    FILE *file = fopen("/etc/passwd", "re");
    if (!file)
        return errno;
    int error;
    do
        error = fgetpwent_r(file, record, text, RECORD_MAX, found);
    while (error == 0 && strcmp(record->pw_name, name) != 0);
    if (error != 0)
        *found = NULL;
    (void)fclose(file);
    return error;
}

static int scan_groups(const char *name, struct group *record, char *text, struct group **found)
{
    FILE *file = fopen("/etc/group", "re");
    if (!file)
        return errno;
    int error;
    do
        error = fgetgrent_r(file, record, text, RECORD_MAX, found);
    while (error == 0 && strcmp(record->gr_name, name) != 0);
    if (error != 0)
        *found = NULL;
    (void)fclose(file);
    return error;
}

int account_user(const char *name, uid_t *uid, gid_t *gid)
{
    struct passwd record, *found = NULL;
    const struct account *before = confined ? recall(name, false) : NULL;
    char *text = malloc(RECORD_MAX);
    int error = !text      ? ENOMEM
                : confined ? scan_users(name, &record, text, &found)
                           : getpwnam_r(name, &record, text, RECORD_MAX, &found);
    if (found) {
        *uid = record.pw_uid;
        *gid = record.pw_gid;
        remember(name, false, *uid, *gid);
    } else if (before) {
        *uid = before->uid;
        *gid = before->gid;
    }
    free(text);
    if (!found && !before && parse_id(name, uid)) {
        *gid = *uid;
        return 0;
    }
    return found || before ? 0 : error ? error : ENOENT;
}

int account_group(const char *name, gid_t *gid)
{
    struct group record, *found = NULL;
    const struct account *before = confined ? recall(name, true) : NULL;
    char *text = malloc(RECORD_MAX);
    int error = !text      ? ENOMEM
                : confined ? scan_groups(name, &record, text, &found)
                           : getgrnam_r(name, &record, text, RECORD_MAX, &found);
    if (found) {
        *gid = record.gr_gid;
        remember(name, true, 0, *gid);
    } else if (before) {
        *gid = before->gid;
    }
    free(text);
    return found || before || parse_id(name, gid) ? 0 : error ? error : ENOENT;
}

const char *account_fault(int error, const char *none)
{
    return error == ENOENT || error == ESRCH ? none : strerrordesc_np(error);
}

int account_socket_rights(const struct socket_conf *conf, struct socket_permissions *rights,
                          const char **key)
{
    uid_t uid;
    gid_t gid;
    if (conf->mode)
        rights->mode = (uint32_t)strtoul(conf->mode, NULL, 8);
    *key = "socket_owner";
    int error = conf->owner ? account_user(conf->owner, &uid, &gid) : 0;
    if (error)
        return error;
    if (conf->owner)
        rights->owner = uid;
    *key = "socket_group";
    error = conf->group ? account_group(conf->group, &gid) : 0;
    if (conf->group && !error)
        rights->group = gid;
    return error;
}
