/*
 * accounts.c - look up users and groups of this host by name or number.
 */
#include "accounts.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX 65536u /* size of a record; a group can have many members */

/* Parse a number. The highest one is not allowed, because the kernel uses it for "unchanged". */
static bool parse_id(const char *text, unsigned *id)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || errno || value >= UINT32_MAX)
        return false;
    *id = (unsigned)value;
    return true;
}

/* The result of an earlier lookup. */
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

/* Keep a result for reloads. If out of memory, a reload finds the name only in the files. */
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

/* An entry of /etc/passwd or /etc/group. */
union record {
    struct passwd user;
    struct group group;
};

/* Read the next entry of a file. Returns its name, or null at the end and on errors (*error). */
static const char *next_name(FILE *file, bool group, union record *record, char *text, int *error)
{
    struct passwd *user;
    struct group *other;
    *error = group ? fgetgrent_r(file, &record->group, text, RECORD_MAX, &other)
                   : fgetpwent_r(file, &record->user, text, RECORD_MAX, &user);
    if (*error != 0)
        return NULL;
    return group ? record->group.gr_name : record->user.pw_name;
}

/* Like getpwnam_r() and getgrnam_r(), without name services. Returns 0 if the name was found. */
static int scan(const char *name, bool group, union record *record, char *text)
{
    FILE *file = fopen(group ? "/etc/group" : "/etc/passwd", "re");
    const char *entry;
    int error;
    if (!file)
        return errno;
    do
        entry = next_name(file, group, record, text, &error);
    while (entry && strcmp(entry, name) != 0);
    (void)fclose(file);
    return error;
}

/*
 * Look up a name: with name services, or in the files only after accounts_confine(). Returns 0 with
 * *found false if the name services have no such name.
 */
static int look_up(const char *name, bool group, union record *record, char *text, bool *found)
{
    struct passwd *user = NULL;
    struct group *other = NULL;
    int error = confined ? scan(name, group, record, text)
                : group  ? getgrnam_r(name, &record->group, text, RECORD_MAX, &other)
                         : getpwnam_r(name, &record->user, text, RECORD_MAX, &user);
    *found = confined ? error == 0 : user || other;
    return error;
}

int account_user(const char *name, uid_t *uid, gid_t *gid)
{
    union record record = {0};
    bool found = false;
    const struct account *before = confined ? recall(name, false) : NULL;
    char *text = malloc(RECORD_MAX);
    int error = text ? look_up(name, false, &record, text, &found) : ENOMEM;
    if (found) {
        *uid = record.user.pw_uid;
        *gid = record.user.pw_gid;
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
    union record record = {0};
    bool found = false;
    const struct account *before = confined ? recall(name, true) : NULL;
    char *text = malloc(RECORD_MAX);
    int error = text ? look_up(name, true, &record, text, &found) : ENOMEM;
    if (found) {
        *gid = record.group.gr_gid;
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
