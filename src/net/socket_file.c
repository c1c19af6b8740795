/*
 * socket_file.c - the files of Unix sockets that this process listens on.
 *
 * bind() fails as long as the file exists, even if the process that created it has exited. The file
 * is therefore removed at exit, and a stale file at startup. The device and inode of each created
 * file are recorded, because at exit the path can belong to a file of another process. Main thread
 * only.
 *
 *    bind() with umask --> chown by O_PATH --> record device, inode --> listen(): accepts clients
 */
#include "socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL_RIGHTS 0777u

struct own_file {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    int fd; /* O_PATH; while it is open, the inode number is not reused */
    dev_t device;
    ino_t inode;
};

static struct own_file *own; /* files that this process created */
static size_t n_own;

/* Copy the path and terminate it: a path that fills sun_path has no terminator. */
static void path_of(const struct endpoint *endpoint, char path[sizeof(own->path)])
{
    (void)snprintf(path, sizeof(own->path), "%.*s", (int)sizeof(endpoint->un.sun_path),
                   endpoint->un.sun_path);
}

static struct own_file *find_own(const char *path)
{
    for (size_t i = 0; i < n_own; i++)
        if (strcmp(own[i].path, path) == 0)
            return &own[i];
    return NULL;
}

static bool is_same(const struct own_file *file, const struct stat *st)
{
    return S_ISSOCK(st->st_mode) && st->st_dev == file->device && st->st_ino == file->inode;
}

static void forget(struct own_file *file)
{
    close(file->fd);
    *file = own[--n_own];
    if (n_own > 0)
        return;
    free(own);
    own = NULL;
}

/* Record a file. Takes the descriptor on success. */
static bool note(const char *path, int fd, const struct stat *st)
{
    struct own_file *old = find_own(path);
    if (old) /* another process has removed the old file */
        forget(old);
    struct own_file *longer = reallocarray(own, n_own + 1, sizeof(*own));
    if (!longer)
        return false;
    own = longer;
    struct own_file *file = &own[n_own++];
    *file = (struct own_file){.fd = fd, .device = st->st_dev, .inode = st->st_ino};
    memcpy(file->path, path, sizeof(file->path));
    return true;
}

/* ---- rights ---- */

static bool change_owner(int path_fd, const struct socket_permissions *rights)
{
    if (rights->owner == SOCKET_PERMISSIONS_KEEP && rights->group == SOCKET_PERMISSIONS_KEEP)
        return true;
    return fchownat(path_fd, "", rights->owner, rights->group, AT_EMPTY_PATH) == 0;
}

/* Uses /proc, because fchmod() rejects O_PATH descriptors and fchmodat() rejects AT_EMPTY_PATH. */
static bool change_mode(int path_fd, uint32_t mode)
{
    char path[32];
    if (mode == SOCKET_PERMISSIONS_KEEP)
        return true;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
    return chmod(path, mode) == 0;
}

bool socket_set_permissions(const struct endpoint *endpoint,
                            const struct socket_permissions *rights)
{
    char path[sizeof(own->path)];
    struct stat st;
    path_of(endpoint, path);
    const struct own_file *file = find_own(path);
    errno = ENOENT;
    if (!file || fstat(file->fd, &st) < 0)
        return false;
    const struct socket_permissions old = {.owner = st.st_uid, .group = st.st_gid};
    if (!change_owner(file->fd, rights))
        return false;
    if (change_mode(file->fd, rights->mode))
        return true;
    int error = errno;
    (void)!change_owner(file->fd, &old);
    errno = error;
    return false;
}

/* ---- creating ---- */

bool socket_file_is_in_use(const struct endpoint *endpoint)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool taken = connect(fd, &endpoint->address.sa, endpoint_len(endpoint)) == 0 || errno == EAGAIN;
    close(fd);
    return taken;
}

/* Remove the file of a process that has exited. */
static bool remove_stale(const struct endpoint *endpoint, const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode))
        errno = EEXIST;
    else if (socket_file_is_in_use(endpoint))
        errno = EADDRINUSE;
    else
        return unlink(path) == 0;
    return false;
}

/* Use the umask to create the file with its final mode. The umask is process-wide, but no other
 * thread creates files. */
static bool bind_with_mode(int fd, const struct endpoint *endpoint, uint32_t mode)
{
    const bool by_umask = mode == SOCKET_PERMISSIONS_KEEP;
    const mode_t before = by_umask ? 0 : umask(~mode & ALL_RIGHTS);
    bool done = bind(fd, &endpoint->address.sa, endpoint_len(endpoint)) == 0;
    int error = errno;
    if (!by_umask)
        (void)umask(before);
    errno = error;
    return done;
}

/* Set the owner of the file that bind() has created, and record the file. */
static bool take(const char *path, const struct socket_permissions *rights)
{
    struct stat st;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && (!rights || change_owner(fd, rights)) && note(path, fd, &st))
        return true;
    int error = errno;
    close(fd);
    errno = error;
    return false;
}

bool socket_file_listen(int fd, const struct endpoint *endpoint,
                        const struct listen_options *options)
{
    char path[sizeof(own->path)];
    const struct socket_permissions *rights = options->rights;
    path_of(endpoint, path);
    if (!remove_stale(endpoint, path) ||
        !bind_with_mode(fd, endpoint, rights ? rights->mode : SOCKET_PERMISSIONS_KEEP))
        return false;
    if (take(path, rights) && listen(fd, options->backlog) == 0)
        return true;
    int error = errno;
    struct own_file *file = find_own(path);
    if (file)
        forget(file);
    (void)unlink(path);
    errno = error;
    return false;
}

/* Can this process set this owner and group? Tests it on an unnamed file. */
static bool can_change_owner(const struct socket_permissions *rights)
{
    int fd = memfd_create("owner", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    bool can = change_owner(fd, rights);
    int error = errno;
    close(fd);
    errno = error;
    return can;
}

/* In a directory with the sticky bit, such as /tmp, only the owner of the file or of the directory
 * can remove the file. */
static bool can_remove(const char *folder, const struct stat *file)
{
    struct stat st;
    if (stat(folder, &st) < 0)
        return false;
    const uid_t we = geteuid();
    if (!(st.st_mode & S_ISVTX) || we == 0 || we == file->st_uid || we == st.st_uid)
        return true;
    errno = EPERM;
    return false;
}

bool socket_file_check(const struct endpoint *endpoint, const struct socket_permissions *rights)
{
    char path[sizeof(own->path)], folder[sizeof(own->path)] = ".";
    struct stat st;
    path_of(endpoint, path);
    const char *end = strrchr(path, '/');
    if (end)
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(end == path ? 1 : end - path), path);
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        return false;
    if (rights && !can_change_owner(rights))
        return false;
    if (lstat(path, &st) < 0)
        return errno == ENOENT;
    if (S_ISSOCK(st.st_mode) && !socket_file_is_in_use(endpoint))
        return can_remove(folder, &st);
    errno = S_ISSOCK(st.st_mode) ? EADDRINUSE : EEXIST;
    return false;
}

void socket_remove_file(const struct endpoint *endpoint)
{
    char path[sizeof(own->path)];
    struct stat st;
    if (!endpoint_is_unix(endpoint))
        return;
    path_of(endpoint, path);
    struct own_file *file = find_own(path);
    if (!file)
        return;
    if (lstat(path, &st) == 0 && is_same(file, &st))
        (void)unlink(path);
    forget(file);
}
